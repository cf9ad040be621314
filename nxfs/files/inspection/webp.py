"""WebP: the frames of an animation are taken over one by one, without being painted over each other."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from nxfs.files.errors import Refusal
from nxfs.files.inspection import colour, libwebp
from nxfs.files.inspection.strips import (
    MOST_PIXELS,
    UPRIGHT,
    Readable,
    check_size,
    orientation_of,
    rows_of_strip,
    strips_of,
    turned,
    turned_size,
)
from nxfs.files.inspection.verdict import Picture, Refused

QUALITY = 90
# Above, encoding again without loss would take minutes of work or hundreds of megabytes.
MOST_LOSSLESS_PIXELS = 4_000_000
# Above, a faster method; and the pixels of an image that is turned or converted, four bytes each and two copies, do
# not fit: it is decoded at half of its width and height.
MANY_PIXELS = 4_000_000
MOST_PIXELS_HELD_TWICE = 14_000_000
# While decoding an image without loss, four bytes more are held for each pixel.
MOST_LOSSLESS_PLANES = 18_000_000
# Packing an alpha channel takes fifteen bytes for each pixel.
MOST_ALPHA_PIXELS = 6_000_000
_SCALES = (1, 2, 4)
_CAREFUL_METHOD, _FAST_METHOD, _LOSSLESS_METHOD = 4, 2, 1
_ALPHA_FLAG, _ANIMATION_FLAG = 0x10, 0x02


@dataclass
class _Frame:
    """A frame: its place, what an animation says about it, and its chunks of alpha and pixels."""

    left: int = 0
    top: int = 0
    size: tuple[int, int] | None = None
    timing: bytes = b""
    alpha: bytes | None = None
    pixels: bytes = b""

    def alone(self) -> bytes:
        """Return a WebP of nothing but this frame."""
        if self.alpha is None:
            return _riff(self.pixels)
        width, height = self.size or (1, 1)
        return _riff(_chunk(b"VP8X", bytes([_ALPHA_FLAG, 0, 0, 0]) + _size(width, height)) + self.alpha + self.pixels)


@dataclass
class Webp:
    """A WebP as its chunks tell it."""

    size: tuple[int, int] | None = None
    is_animated: bool = False
    animation: bytes = b""
    profile: bytes | None = None
    exif: bytes = b""
    frames: list[_Frame] = field(default_factory=list)


def read(source: Path) -> Webp:
    """Return what the chunks of the file tell, without pixels. Raises ``Refused``."""
    data = source.read_bytes()
    (length,) = struct.unpack_from("<I", data, 4)
    if length + 8 > len(data) or length < 12:
        raise Refused(Refusal.DAMAGED)
    webp = Webp()
    still = _Frame()
    for kind, content in _chunks(data, 12, length + 8):
        if kind == b"VP8X":
            _read_header(webp, still, content)
        elif kind == b"ANIM":
            webp.animation = content[:6]
        elif kind == b"ANMF" and webp.is_animated:
            _read_frame(webp, content)
        else:
            _read_part(still, kind, content)
            _read_extra(webp, kind, content)
    if not webp.is_animated:
        webp.frames = [still]
    _require_whole(webp)
    return webp


def reencode(source: Path, target: Path) -> Picture:
    """Write the frames of ``source`` as a new WebP to ``target`` and return its size. Raises ``Refused``."""
    webp = read(source)
    convert = colour.conversion(webp.profile, "RGBA")
    width, height = webp.size or (0, 0)
    if webp.is_animated:
        with target.open("wb") as file:
            file.write(bytes(12))
            flags = _ANIMATION_FLAG | _ALPHA_FLAG
            file.write(_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + _size(width, height)))
            file.write(_chunk(b"ANIM", webp.animation))
            for frame in webp.frames:
                content, _ = _reencoded(frame.alone(), convert, UPRIGHT, is_scalable=False)
                file.write(_chunk(b"ANMF", _place(frame) + b"".join(_parts(content))))
            length = file.tell()
            file.seek(0)
            file.write(b"RIFF" + struct.pack("<I", length - 8) + b"WEBP")
        return Picture(width, height, len(webp.frames))
    content, size = _reencoded(webp.frames[0].alone(), convert, orientation_of(webp.exif), is_scalable=True)
    target.write_bytes(content)
    return Picture(*size)


def readable(source: Path, width: int) -> Readable:
    """Return the first frame of an accepted image for a copy of ``width``, scaled when that leaves twice as much.

    Raises ``Refused``.
    """
    webp = read(source)
    frame = webp.frames[0]
    shape = webp.size or (1, 1)
    size = frame.size or shape
    canvas = shape
    if size == shape and shape[0] > 2 * width:
        size = canvas = (2 * width, max(1, round(shape[1] * 2 * width / shape[0])))

    def strips(multiple: int) -> Iterator[Image.Image]:
        image = _image(libwebp.decode(frame.alone(), size), size)
        rows = rows_of_strip(4 * canvas[0], multiple)
        if size == canvas:
            yield from strips_of(image, rows)
            return
        for top in range(0, canvas[1], rows):
            strip = Image.new("RGBA", (canvas[0], min(rows, canvas[1] - top)))
            strip.paste(image, (frame.left, frame.top - top))
            yield strip

    return Readable(shape, canvas, strips)


def encoded(image: Image.Image, quality: int, method: int) -> bytes:
    """Return an image of any mode as WebP."""
    if image.mode != "RGBA":
        image = image.convert("RGBA")
    return libwebp.encode(_pixels_of(image), image.size, libwebp.Settings(quality, method))


def _chunks(data: bytes, position: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and content of chunks that fill the space up to ``end``."""
    while position + 8 <= end:
        kind = data[position : position + 4]
        (length,) = struct.unpack_from("<I", data, position + 4)
        if position + 8 + length > end:
            raise Refused(Refusal.DAMAGED)
        yield kind, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


def _read_header(webp: Webp, still: _Frame, content: bytes) -> None:
    if len(content) < 10 or webp.size:
        raise Refused(Refusal.DAMAGED)
    webp.size = still.size = (_three(content, 4) + 1, _three(content, 7) + 1)
    webp.is_animated = bool(content[0] & _ANIMATION_FLAG)
    check_size(*webp.size)


def _read_frame(webp: Webp, content: bytes) -> None:
    if len(content) < 16 or not webp.size:
        raise Refused(Refusal.DAMAGED)
    left, top = 2 * _three(content, 0), 2 * _three(content, 3)
    size = (_three(content, 6) + 1, _three(content, 9) + 1)
    timing = content[12:15] + bytes([content[15] & 3])
    frame = _Frame(left, top, size, timing)
    if left + size[0] > webp.size[0] or top + size[1] > webp.size[1]:
        raise Refused(Refusal.DAMAGED)
    for kind, part in _chunks(content, 16, len(content)):
        _read_part(frame, kind, part)
    webp.frames.append(frame)
    check_size(*webp.size, len(webp.frames))


def _read_part(frame: _Frame, kind: bytes, content: bytes) -> None:
    if kind == b"ALPH" and not frame.pixels:
        frame.alpha = _chunk(kind, content)
    elif kind in (b"VP8 ", b"VP8L") and not frame.pixels:
        frame.pixels = _chunk(kind, content)
        if kind == b"VP8L":
            frame.alpha = None


def _read_extra(webp: Webp, kind: bytes, content: bytes) -> None:
    if kind == b"ICCP":
        webp.profile = content
    elif kind == b"EXIF":
        webp.exif = content


def _require_whole(webp: Webp) -> None:
    if not webp.frames or (webp.is_animated and len(webp.animation) < 6):
        raise Refused(Refusal.DAMAGED)
    for frame in webp.frames:
        if not frame.pixels:
            raise Refused(Refusal.DAMAGED)
        found = libwebp.features(_riff(frame.pixels))
        size = (found.width, found.height)
        check_size(*size)
        if frame.size not in (None, size):
            raise Refused(Refusal.DAMAGED)
        frame.size = size
    if webp.size is None:
        webp.size = webp.frames[0].size


def _reencoded(
    content: bytes, convert: colour.Conversion | None, orientation: int, *, is_scalable: bool
) -> tuple[bytes, tuple[int, int]]:
    """Return a WebP of one image encoded anew, and its size; ``is_scalable`` when it may get smaller."""
    found = libwebp.features(content)
    size = (found.width, found.height)
    pixels = size[0] * size[1]
    is_plain = convert is None and orientation == UPRIGHT
    is_lossless = found.is_lossless and pixels <= MOST_LOSSLESS_PIXELS
    if is_lossless:
        settings = libwebp.Settings(50, _LOSSLESS_METHOD, is_lossless=True)
    else:
        method = _FAST_METHOD if pixels > MANY_PIXELS else _CAREFUL_METHOD
        is_packed = is_scalable or pixels <= MOST_ALPHA_PIXELS
        settings = libwebp.Settings(QUALITY, method, is_alpha_packed=is_packed)
    if is_scalable:
        size = _scaled(found, is_plain=is_plain)
    if is_plain and not is_lossless:
        return libwebp.reencode(content, size, settings), size
    decoded = _finished(libwebp.decode(content, size), size, convert, orientation)
    size = turned_size(size, orientation)
    return libwebp.encode(decoded, size, settings), size


def _scaled(found: libwebp.Features, *, is_plain: bool) -> tuple[int, int]:
    """Return the size at which an image fits in memory while it is decoded and encoded."""
    most = MOST_PIXELS if is_plain else MOST_PIXELS_HELD_TWICE
    if found.is_lossless:
        most = min(most, MOST_LOSSLESS_PLANES)
    if found.has_alpha:
        most = min(most, MOST_ALPHA_PIXELS)
    pixels = found.width * found.height
    scale = next((scale for scale in _SCALES if pixels <= most * scale**2), _SCALES[-1])
    return -(-found.width // scale), -(-found.height // scale)


def _finished(
    pixels: bytearray, size: tuple[int, int], convert: colour.Conversion | None, orientation: int
) -> bytearray:
    image = _image(pixels, size)
    if convert is not None:
        # In place: the image and the buffer are the same memory.
        convert(image)
    if orientation == UPRIGHT:
        return pixels
    upright = turned(image, orientation)
    image.close()
    del image
    pixels.clear()
    return _pixels_of(upright)


def _image(pixels: bytearray, size: tuple[int, int]) -> Image.Image:
    return Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1)


def _pixels_of(image: Image.Image) -> bytearray:
    """Return the pixels of an RGBA image, which is closed."""
    pixels = bytearray(image.width * image.height * 4)
    position = 0
    for strip in strips_of(image):
        content = strip.tobytes()
        pixels[position : position + len(content)] = content
        position += len(content)
    return pixels


def _parts(content: bytes) -> Iterator[bytes]:
    for kind, part in _chunks(content, 12, len(content)):
        if kind in (b"ALPH", b"VP8 ", b"VP8L"):
            yield _chunk(kind, part)


def _place(frame: _Frame) -> bytes:
    place = struct.pack("<I", frame.left // 2)[:3] + struct.pack("<I", frame.top // 2)[:3]
    return place + _size(*(frame.size or (1, 1))) + frame.timing


def _size(width: int, height: int) -> bytes:
    return struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]


def _three(content: bytes, position: int) -> int:
    return int.from_bytes(content[position : position + 3], "little")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _riff(content: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(content) + 4) + b"WEBP" + content
