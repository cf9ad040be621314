"""PNG, GIF and WebP, decoded and encoded by Pillow; an animation stays one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageSequence

from nxfs.files.errors import Refusal
from nxfs.files.inspection import colour
from nxfs.files.inspection.strips import (
    UPRIGHT,
    Readable,
    check_size,
    orientation_of,
    rows_of_strip,
    strips_of,
    turned,
)
from nxfs.files.inspection.verdict import Picture, Refused

# What Pillow may hold, so that an inspection stays below 150 MB. These formats can only be decoded as a whole: about 30
# megapixels of PNG in colour, 50 with a palette or in grey, 11 of WebP, whose decoder holds each pixel three times.
MOST_DECODED_BYTES = 128 * 1000 * 1000
_WEBP_BYTES = 12
_SMALL_MODES = {"1": 1, "L": 1, "P": 1, "LA": 4, "I;16": 6}
_WEBP_QUALITY, _WEBP_METHOD = 85, 3
# Time matters more than the last few percent of size.
_PNG_LEVEL = 4
_CLEAN: dict[str, Any] = {"exif": b"", "icc_profile": None}


def reencode(source: Path, target: Path, *, format_name: str) -> Picture:
    """Write the pixels of ``source`` (``format_name``: png, gif or webp) anew to ``target`` and return its size.

    Raises ``Refused``, and what Pillow raises for damaged data.
    """
    with _open(source, format_name) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            _save_animation(image, target)
            return Picture(*image.size, frames)
        upright = _finished(image)
        upright.save(target, image.format, **_still_settings(source, image.format), **_CLEAN)
        return Picture(*upright.size)


def readable(source: Path, *, format_name: str) -> Readable:
    """Return the first frame of an accepted image for a smaller copy. Raises ``Refused``."""
    image = _open(source, format_name)

    def strips(multiple: int) -> Iterator[Image.Image]:
        with image:
            image.load()
            mode = "RGBA" if image.has_transparency_data else "RGB"
            for strip in strips_of(image, rows_of_strip(4 * image.width, multiple)):
                yield strip.convert(mode)

    return Readable(image.size, image.size, strips)


def _open(source: Path, format_name: str) -> Image.Image:
    image = Image.open(source, formats=(format_name.upper(),))
    check_size(*image.size)
    check_size(*image.size, getattr(image, "n_frames", 1))
    if _weight(image) > MOST_DECODED_BYTES:
        raise Refused(Refusal.TOO_MANY_PIXELS)
    return image


def _weight(image: Image.Image) -> int:
    """Return about how many bytes Pillow takes to decode and write the image with all its frames."""
    pixels, frames = image.width * image.height, getattr(image, "n_frames", 1)
    if image.format == "WEBP":
        return _WEBP_BYTES * pixels
    if frames == 1:
        return _SMALL_MODES.get(image.mode, 4) * pixels
    # The writers of both keep all frames until the end, that of GIF as indexes of colours.
    return (4 * frames if image.format == "PNG" else frames + 12) * pixels


def _finished(image: Image.Image) -> Image.Image:
    """Return the only frame upright, with colours as sRGB, and nothing beside its pixels."""
    image.load()
    orientation = orientation_of(image.info.get("exif"))
    convert = colour.conversion(image.info.get("icc_profile"), image.mode)
    kept: Image.Image = image
    if image.mode == "I;16":
        # Pillow would cut what is above 255.
        kept = image.convert("I").point(lambda value: value / 257).convert("L")
    elif convert is not None:
        # In place, unless the mode changes.
        kept = convert(image) or image
    kept.info = {name: value for name, value in kept.info.items() if name == "transparency"}
    return kept if orientation == UPRIGHT else turned(kept, orientation)


def _still_settings(source: Path, format_name: str | None) -> dict[str, Any]:
    if format_name == "PNG":
        return {"compress_level": _PNG_LEVEL}
    if format_name == "WEBP":
        return {"lossless": _is_lossless(source), "quality": _WEBP_QUALITY, "method": _WEBP_METHOD}
    return {}


def _is_lossless(source: Path) -> bool:
    """Return whether the pixels of the WebP are stored without loss: which of the two kinds of chunks comes first."""
    content = source.read_bytes()
    lossless, lossy = content.find(b"VP8L"), content.find(b"VP8 ")
    return lossless >= 0 and (lossy < 0 or lossless < lossy)


def _save_animation(image: Image.Image, target: Path) -> None:
    settings: dict[str, Any] = {"save_all": True, "loop": image.info.get("loop", 1)}
    if image.format == "GIF":
        # Its writer takes the durations from the frames, and knows "no repetition" only as nothing said.
        settings = {"save_all": True, "comment": b""} | ({"loop": image.info["loop"]} if "loop" in image.info else {})
    else:
        settings["duration"] = [round(frame.info.get("duration", 0)) for frame in ImageSequence.Iterator(image)]
    if image.format == "PNG":
        settings["default_image"] = image.default_image
    if image.format == "WEBP":
        settings |= {"quality": _WEBP_QUALITY, "method": _WEBP_METHOD}
    image.seek(0)
    image.save(target, image.format, **settings, **(_CLEAN if image.format != "GIF" else {}))
