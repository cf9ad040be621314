"""JPEG, decoded and encoded by Pillow: at half its size where the pixels would take too much memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image, JpegImagePlugin

from nxfs.files.errors import Refusal
from nxfs.files.inspection import colour
from nxfs.files.inspection.strips import (
    CHANNELS,
    UPRIGHT,
    Readable,
    Spool,
    assembled,
    check_size,
    orientation_of,
    rows_of_strip,
    strips_of,
    turned,
    turned_size,
)
from nxfs.files.inspection.verdict import Picture, Refused

QUALITY = 90
# What a decoded image may take, so that an inspection stays below 150 MB: about 30 megapixels, for which Pillow holds
# four bytes each, and fewer when the file is progressive, since then all its coefficients are held beside the pixels.
# A larger image is decoded at half of its width and height, which needs no room for more, or at a quarter: the
# coefficients of a progressive file of 50 megapixels take 150 MB or more by themselves, at any scale.
MOST_DECODED_BYTES = 126 * 1000 * 1000
# A second copy of a smaller image fits.
MOST_PIXELS_HELD_TWICE = 15_000_000
# A progressive file has about ten; each one costs a walk over the whole image.
MOST_SCANS = 150
_SCALES = (1, 2, 4)
_SMALLEST_SCALES = (8, *reversed(_SCALES))


def open_jpeg(source: Path) -> JpegImagePlugin.JpegImageFile:
    """Return the image with what its headers tell, not decoded. Raises ``Refused``."""
    if source.read_bytes().count(b"\xff\xda") > MOST_SCANS:
        raise Refused(Refusal.TOO_DIFFICULT)
    image = Image.open(source, formats=("JPEG",))
    check_size(*image.size)
    return image


def reencode(source: Path, target: Path) -> Picture:
    """Write the upright image with colours as sRGB to ``target`` and return its size. Raises ``Refused``."""
    with open_jpeg(source) as stored:
        orientation = orientation_of(stored.info.get("exif"))
        profile = stored.info.get("icc_profile")
        _draft(stored, _scale(stored))
        stored.load()
        image = _finished(stored, colour.conversion(profile, stored.mode), orientation)
        # Otherwise Pillow would write the comment again.
        image.info = {}
        image.save(target, "JPEG", quality=QUALITY)
        size = image.size
        image.close()
    return Picture(*size)


def readable(source: Path, width: int) -> Readable:
    """Return an accepted image for a copy of ``width``, scaled by the decoder when that leaves a quarter more."""
    image = open_jpeg(source)
    shape = image.size
    least = _scale(image)
    enough = 5 * width // 4
    _draft(image, next(scale for scale in _SMALLEST_SCALES if scale <= least or shape[0] // scale >= enough))

    def strips(multiple: int) -> Iterator[Image.Image]:
        with image:
            image.load()
            yield from strips_of(image, rows_of_strip(4 * image.width, multiple))

    return Readable(shape, image.size, strips)


def _scale(image: JpegImagePlugin.JpegImageFile) -> int:
    """Return the smallest scale at which the image fits in memory."""
    width, height = image.size
    pixels = width * height
    coefficients = 0
    if image.info.get("progressive"):
        most = max(part[1] * part[2] for part in image.layer)
        coefficients = sum(2 * pixels * part[1] * part[2] // most for part in image.layer)
    each = 1 if image.mode == "L" else 4
    return next(
        (scale for scale in _SCALES if coefficients + each * pixels // scale**2 <= MOST_DECODED_BYTES), _SCALES[-1]
    )


def _draft(image: JpegImagePlugin.JpegImageFile, scale: int) -> None:
    if scale > 1:
        image.draft(image.mode, (max(1, image.width // scale), max(1, image.height // scale)))


def _finished(image: Image.Image, convert: colour.Conversion | None, orientation: int) -> Image.Image:
    """Return the image in its final colours and upright; ``image`` is closed when it is another one."""
    mode = colour.mode_after(image.mode)
    if convert is not None and mode == image.mode:
        _convert_in_place(image, convert)
        convert = None
    if convert is None and orientation == UPRIGHT:
        return image
    if image.width * image.height <= MOST_PIXELS_HELD_TWICE:
        converted = convert(image) if convert else image
        if converted is not image:
            image.close()
        upright = turned(converted, orientation)
        if upright is not converted:
            converted.close()
        return upright
    return _turned_in_strips(image, mode, convert, orientation)


def _convert_in_place(image: Image.Image, convert: colour.Conversion) -> None:
    top = 0
    if CHANNELS[image.mode] == 3:
        convert(image)
        return
    for strip in strips_of(image):
        image.paste(convert(strip), (0, top))
        top += strip.height


def _turned_in_strips(
    image: Image.Image, mode: str, convert: colour.Conversion | None, orientation: int
) -> Image.Image:
    with Spool(image.size, mode) as spool:
        for strip in strips_of(image):
            spool.write(convert(strip) if convert else strip)
        size = image.size
        image.close()
        return assembled(turned_size(size, orientation), mode, spool.turned(orientation))
