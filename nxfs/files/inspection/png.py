"""PNG, read and written in strips: a large one is never in memory as a whole.

Only what makes up the pixels is taken over; texts, profiles and whatever stands behind the end are not. Frames of an
animation are taken over one by one as they are stored, without being painted over each other.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from PIL import Image

from nxfs.files.errors import Refusal
from nxfs.files.inspection import colour
from nxfs.files.inspection.strips import (
    CHANNELS,
    UPRIGHT,
    Readable,
    Spool,
    check_size,
    orientation_of,
    rows_of_strip,
    turned_size,
)
from nxfs.files.inspection.verdict import Picture, Refused

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What these decompressors are fed at once: what they have not used yet is copied each time.
_FEED_BYTES = 64 * 1024
# From here on size matters less than time.
_MOST_WELL_PACKED = 24 * 1024 * 1024
_GOOD_LEVEL, _FAST_LEVEL = 6, 2

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_MODES = {_GREY: "L", _RGB: "RGB", _PALETTE: "P", _GREY_ALPHA: "LA", _RGB_ALPHA: "RGBA"}
_TYPES = {mode: number for number, mode in _MODES.items()}
_DEPTHS = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGB_ALPHA: (8, 16),
}
# Column and row of the first pixel, and the steps to the next ones, of the seven passes of an interlaced image.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_CRITICAL = frozenset({b"IHDR", b"PLTE", b"IDAT", b"fdAT", b"fcTL", b"acTL", b"tRNS"})

Span = tuple[int, int]


@dataclass
class _Frame:
    """The spans of a file that hold the pixels of a frame; ``control`` is what an animation says about it."""

    width: int
    height: int
    control: bytes | None = None
    spans: list[Span] = field(default_factory=list)


@dataclass(frozen=True)
class _Layout:
    """How pixels are stored."""

    depth: int
    colour_type: int
    is_interlaced: bool

    @property
    def mode(self) -> str:
        return _MODES[self.colour_type]

    @property
    def channels(self) -> int:
        return CHANNELS[self.mode]


@dataclass
class Png:
    """A PNG as its chunks tell it; ``frames`` begins with the image that readers without animations show."""

    data: bytes
    width: int
    height: int
    layout: _Layout
    palette: bytes = b""
    transparency: bytes = b""
    profile: bytes | None = None
    exif: bytes = b""
    loops: int | None = None
    frames: list[_Frame] = field(default_factory=list)

    def strips(self, multiple: int) -> Iterator[Image.Image]:
        """Yield the first frame as ``Readable`` says. Raises ``Refused``."""
        convert = _Converter(self)
        for strip in _strips(self, self.frames[0], multiple):
            yield convert.visible(strip)


def read(source: Path) -> Png:
    """Return what the chunks of the file tell, without its pixels. Raises ``Refused``."""
    data = source.read_bytes()
    png = _head(data)
    for kind, start, end in _chunks(data):
        reader = _READERS.get(kind)
        if reader is not None:
            reader(png, start, end)
    _require_whole(png)
    return png


def readable(source: Path, width: int) -> Readable:
    """Return an accepted image for a copy of ``width``. Raises ``Refused``."""
    png = read(source)
    shape = (png.width, png.height)
    return Readable(shape, shape, png.strips)


def reencode(source: Path, target: Path) -> Picture:
    """Write the pixels of ``source`` as a new PNG to ``target`` and return its size. Raises ``Refused``."""
    png = read(source)
    is_animated = png.loops is not None
    orientation = UPRIGHT if is_animated else orientation_of(png.exif)
    size = turned_size((png.width, png.height), orientation)
    convert = _Converter(png)
    with target.open("wb") as file:
        writer = _Writer(file, convert, size)
        writer.head(png, number=sum(frame.control is not None for frame in png.frames))
        for index, frame in enumerate(png.frames):
            strips = (convert(strip) for strip in _strips(png, frame))
            if orientation == UPRIGHT:
                writer.frame(frame, strips, is_first=index == 0)
                continue
            with Spool((png.width, png.height), convert.mode) as spool:
                for strip in strips:
                    spool.write(strip)
                writer.frame(frame, spool.turned(orientation), is_first=index == 0)
        writer.end()
    return Picture(*size, frames=len([frame for frame in png.frames if frame.control]) or 1)


def _head(data: bytes) -> Png:
    if data[: len(SIGNATURE)] != SIGNATURE or data[8:16] != b"\0\0\0\rIHDR" or len(data) < 33:
        raise Refused(Refusal.DAMAGED)
    width, height, depth, colour_type, compression, filtering, interlacing = struct.unpack(">IIBBBBB", data[16:29])
    if depth not in _DEPTHS.get(colour_type, ()) or compression or filtering or interlacing > 1:
        raise Refused(Refusal.DAMAGED)
    check_size(width, height)
    return Png(data, width, height, _Layout(depth, colour_type, interlacing == 1))


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the chunks up to the end of the image."""
    position = len(SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind = data[position + 4 : position + 8]
        start, end = position + 8, position + 8 + length
        if end + 4 > len(data):
            break
        if kind in _CRITICAL and zlib.crc32(memoryview(data)[position + 4 : end]) != _number(data, end):
            break
        if kind == b"IEND":
            return
        yield kind, start, end
        position = end + 4
    raise Refused(Refusal.DAMAGED)


def _number(data: bytes, position: int) -> int:
    return struct.unpack_from(">I", data, position)[0]


def _read_palette(png: Png, start: int, end: int) -> None:
    if (end - start) % 3 or not 3 <= end - start <= 768:
        raise Refused(Refusal.DAMAGED)
    png.palette = png.data[start:end]


def _read_transparency(png: Png, start: int, end: int) -> None:
    if end - start > 256:
        raise Refused(Refusal.DAMAGED)
    png.transparency = png.data[start:end]


def _read_exif(png: Png, start: int, end: int) -> None:
    png.exif = png.data[start:end]


def _read_profile(png: Png, start: int, end: int) -> None:
    name, _, rest = png.data[start:end].partition(b"\0")
    try:
        profile = zlib.decompressobj().decompress(rest[1:], colour.MOST_PROFILE_BYTES + 1)
    except zlib.error:
        return
    png.profile = profile if len(name) < 80 and len(profile) <= colour.MOST_PROFILE_BYTES else None


def _read_animation(png: Png, start: int, end: int) -> None:
    if end - start != 8:
        raise Refused(Refusal.DAMAGED)
    png.loops = _number(png.data, start + 4)


def _read_frame_control(png: Png, start: int, end: int) -> None:
    if end - start != 26:
        raise Refused(Refusal.DAMAGED)
    if png.loops is None:
        return
    control = png.data[start + 4 : end]
    width, height, left, top, *_, disposal, blending = struct.unpack(">IIIIHHBB", control)
    if left + width > png.width or top + height > png.height or disposal > 2 or blending > 1:
        raise Refused(Refusal.DAMAGED)
    png.frames.append(_Frame(width, height, control))
    check_size(width, height)
    check_size(png.width, png.height, len(png.frames))


def _read_pixels(png: Png, start: int, end: int) -> None:
    if not png.frames:
        png.frames.append(_Frame(png.width, png.height))
    if len(png.frames) > 1:
        raise Refused(Refusal.DAMAGED)
    png.frames[0].spans.append((start, end))


def _read_frame_pixels(png: Png, start: int, end: int) -> None:
    if png.loops is None:
        return
    if len(png.frames) < 2 or end - start < 4:
        raise Refused(Refusal.DAMAGED)
    png.frames[-1].spans.append((start + 4, end))


_READERS: dict[bytes, Callable[[Png, int, int], None]] = {
    b"PLTE": _read_palette,
    b"tRNS": _read_transparency,
    b"eXIf": _read_exif,
    b"iCCP": _read_profile,
    b"acTL": _read_animation,
    b"fcTL": _read_frame_control,
    b"IDAT": _read_pixels,
    b"fdAT": _read_frame_pixels,
}


def _require_whole(png: Png) -> None:
    first = png.frames[0] if png.frames else None
    if first is None or (first.width, first.height) != (png.width, png.height):
        raise Refused(Refusal.DAMAGED)
    if not all(frame.spans for frame in png.frames) or (png.layout.colour_type == _PALETTE and not png.palette):
        raise Refused(Refusal.DAMAGED)
    if not any(frame.control for frame in png.frames):
        png.loops = None


class _Inflated:
    """The decompressed bytes of some spans of a file, of which no more is held than was asked for."""

    def __init__(self, data: bytes, spans: list[Span]) -> None:
        self._decompressor = zlib.decompressobj()
        self._feed = self._pieces(data, spans)
        self._rest = b""

    @staticmethod
    def _pieces(data: bytes, spans: list[Span]) -> Iterator[bytes]:
        for start, end in spans:
            for position in range(start, end, _FEED_BYTES):
                yield data[position : min(position + _FEED_BYTES, end)]

    def read(self, length: int) -> bytes:
        """Return exactly ``length`` bytes. Raises ``Refused`` when there are fewer."""
        found = bytearray()
        try:
            while len(found) < length:
                if not self._rest:
                    self._rest = next(self._feed, b"")
                    if not self._rest:
                        raise Refused(Refusal.DAMAGED)
                found += self._decompressor.decompress(self._rest, length - len(found))
                self._rest = self._decompressor.unconsumed_tail
                if self._decompressor.eof and len(found) < length:
                    raise Refused(Refusal.DAMAGED)
        except zlib.error:
            raise Refused(Refusal.DAMAGED) from None
        return bytes(found)


def _strips(png: Png, frame: _Frame, multiple: int = 1) -> Iterator[Image.Image]:
    """Yield the pixels of a frame as L, P, LA, RGB or RGBA, from the top to the bottom."""
    inflated = _Inflated(png.data, frame.spans)
    layout = png.layout
    rows = rows_of_strip(frame.width * layout.channels, multiple)
    if layout.is_interlaced:
        pieces = _interlaced(inflated, frame, layout, rows)
    else:
        pieces = _unfiltered(inflated, layout, frame.width, frame.height, rows)
    for piece in pieces:
        yield Image.frombytes(
            layout.mode, (frame.width, len(piece) // (frame.width * layout.channels)), piece, "raw", layout.mode
        )


def _unfiltered(inflated: _Inflated, layout: _Layout, width: int, height: int, rows: int) -> Iterator[bytes]:
    """Yield pixels of 8 bits each channel, up to ``rows`` rows at a time.

    A strip is unfiltered by Pillow as an image of its own that begins with the last row of the strip above it.
    """
    stored = (width * layout.channels * layout.depth + 7) // 8
    # Filters work on every byte position by itself, so that the lower bytes of 16 bits can be left out before.
    stride = stored // 2 if layout.depth == 16 else stored
    mode = "L" if layout.depth < 8 or layout.mode == "P" else layout.mode
    above = b""
    for top in range(0, height, rows):
        count = min(rows, height - top)
        filtered = inflated.read(count * (stored + 1))
        if layout.depth == 16:
            filtered = _upper_bytes(filtered, stored + 1)
        pixels = _unfilter(above + filtered, mode, stride // CHANNELS[mode], count + bool(above))
        above = b"\0" + pixels[-stride:]
        if len(pixels) > count * stride:
            pixels = pixels[stride:]
        yield _unpacked(pixels, layout, width, count) if layout.depth < 8 else pixels


def _upper_bytes(filtered: bytes, stride: int) -> bytes:
    pieces = []
    for start in range(0, len(filtered), stride):
        pieces.append(filtered[start : start + 1])
        pieces.append(filtered[start + 1 : start + stride : 2])
    return b"".join(pieces)


def _unfilter(filtered: bytes, mode: str, width: int, height: int) -> bytes:
    try:
        # Stored, not compressed.
        return Image.frombytes(mode, (width, height), zlib.compress(filtered, 0), "zip", mode, 0).tobytes()
    except ValueError:
        raise Refused(Refusal.DAMAGED) from None


def _unpacked(pixels: bytes, layout: _Layout, width: int, height: int) -> bytes:
    """Return one byte for each pixel of fewer bits."""
    if layout.mode == "P":
        return Image.frombytes("P", (width, height), pixels, "raw", f"P;{layout.depth}").tobytes()
    if layout.depth == 1:
        return Image.frombytes("1", (width, height), pixels, "raw", "1").convert("L").tobytes()
    return Image.frombytes("L", (width, height), pixels, "raw", f"L;{layout.depth}").tobytes()


def _interlaced(inflated: _Inflated, frame: _Frame, layout: _Layout, rows: int) -> Iterator[bytes]:
    """Yield pixels as ``_unfiltered`` does: the seven passes wait in an unnamed file until all are there."""
    channels = layout.channels
    waiting = []
    with TemporaryFile() as file:
        start = 0
        for left, top, across, down in _PASSES:
            width, height = -(-(frame.width - left) // across), -(-(frame.height - top) // down)
            if width <= 0 or height <= 0:
                continue
            for piece in _unfiltered(inflated, layout, width, height, rows_of_strip(width * channels)):
                file.write(piece)
            waiting.append((start, left, top, across, down, width * channels))
            start += width * height * channels
        file.flush()
        for first in range(0, frame.height, rows):
            yield b"".join(
                _row(file, waiting, row, frame.width, channels) for row in range(first, min(first + rows, frame.height))
            )


def _row(file: IO[bytes], waiting: list[tuple[int, ...]], row: int, width: int, channels: int) -> bytes:
    pixels = bytearray(width * channels)
    for start, left, top, across, down, stride in waiting:
        if row < top or (row - top) % down:
            continue
        file.seek(start + (row - top) // down * stride)
        part = file.read(stride)
        for channel in range(channels):
            pixels[left * channels + channel :: across * channels] = part[channel::channels]
    return bytes(pixels)


class _Converter:
    """Makes of stored pixels what is kept: colours as sRGB, and a transparent colour as an alpha channel."""

    def __init__(self, png: Png) -> None:
        self.layout = png.layout
        self.palette = png.palette
        self.transparency = png.transparency[: len(png.palette) // 3]
        self._key: int | tuple[int, ...] | None = None
        self.mode = png.layout.mode
        self._convert = colour.conversion(png.profile, self.mode)
        if self.mode == "P":
            self.palette = self._converted_palette(png)
        elif png.transparency and self.mode in ("L", "RGB"):
            self._key = _transparent_colour(png)
            self.mode += "A"

    @staticmethod
    def _converted_palette(png: Png) -> bytes:
        convert = colour.conversion(png.profile, "RGB")
        colours = Image.frombytes("RGB", (len(png.palette) // 3, 1), png.palette)
        return (convert(colours) if convert else colours).tobytes()

    def __call__(self, strip: Image.Image) -> Image.Image:
        """Return a strip of the mode ``self.mode``; the one that is given may be changed."""
        if self._convert is None:
            return self._with_alpha(strip)
        if self._key is None:
            return self._convert(strip)
        # The colour is that of the pixels as they are stored.
        alpha = self._with_alpha(strip).getchannel("A")
        converted = self._convert(strip)
        converted.putalpha(alpha)
        return converted

    def _with_alpha(self, strip: Image.Image) -> Image.Image:
        if self._key is None:
            return strip
        strip.info["transparency"] = self._key
        return strip.convert(self.mode)

    def visible(self, strip: Image.Image) -> Image.Image:
        """Return a strip as L, RGB or RGBA."""
        converted = self(strip)
        if converted.mode == "P":
            converted.putpalette(self.palette)
            if self.transparency:
                converted.info["transparency"] = self.transparency
            return converted.convert("RGBA" if self.transparency else "RGB")
        return converted.convert("RGBA") if converted.mode == "LA" else converted


def _transparent_colour(png: Png) -> int | tuple[int, ...]:
    layout = png.layout
    if len(png.transparency) != 2 * layout.channels:
        raise Refused(Refusal.DAMAGED)
    values = struct.unpack(f">{layout.channels}H", png.transparency)
    most = 2**layout.depth - 1
    scaled = tuple(value >> 8 if layout.depth == 16 else (value & most) * 255 // most for value in values)
    return scaled[0] if len(scaled) == 1 else scaled


class _Writer:
    """Writes chunks; the pixels arrive in strips."""

    def __init__(self, file: IO[bytes], convert: _Converter, size: tuple[int, int]) -> None:
        self._file = file
        self._convert = convert
        self._size = size
        self._sequence = 0
        is_same = convert.mode == convert.layout.mode and convert.mode in ("P", "L")
        self._depth = min(convert.layout.depth, 8) if is_same else 8

    def head(self, png: Png, number: int) -> None:
        """Write everything before the first frame of ``number``."""
        convert = self._convert
        kind = _TYPES[convert.mode]
        self._file.write(SIGNATURE)
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", *self._size, self._depth, kind, 0, 0, 0))
        if png.loops is not None:
            self._chunk(b"acTL", struct.pack(">II", number, png.loops))
        if convert.mode == "P":
            self._chunk(b"PLTE", convert.palette)
            if convert.transparency:
                self._chunk(b"tRNS", convert.transparency)

    def frame(self, frame: _Frame, strips: Iterable[Image.Image], *, is_first: bool) -> None:
        """Write the pixels of a frame, with its place and time when it belongs to an animation."""
        if frame.control is not None:
            self._chunk(b"fcTL", self._next_number() + frame.control)
        level = _GOOD_LEVEL
        if frame.width * frame.height * CHANNELS[self._convert.mode] > _MOST_WELL_PACKED:
            level = _FAST_LEVEL
        compressor = zlib.compressobj(level)
        compressed = (compressor.compress(piece) for piece in self._filtered(strips))
        waiting = BytesIO()
        for piece in chain(compressed, (compressor.flush() for _ in range(1))):
            waiting.write(piece)
            if waiting.tell() >= _FEED_BYTES:
                self._pixels(waiting.getvalue(), is_first=is_first)
                waiting = BytesIO()
        if waiting.tell():
            self._pixels(waiting.getvalue(), is_first=is_first)

    def end(self) -> None:
        """Write the end."""
        self._chunk(b"IEND", b"")

    def _pixels(self, content: bytes, *, is_first: bool) -> None:
        if is_first:
            self._chunk(b"IDAT", content)
        else:
            self._chunk(b"fdAT", self._next_number() + content)

    def _next_number(self) -> bytes:
        self._sequence += 1
        return struct.pack(">I", self._sequence - 1)

    def _chunk(self, kind: bytes, content: bytes) -> None:
        self._file.write(struct.pack(">I", len(content)))
        self._file.write(kind)
        self._file.write(content)
        self._file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))

    def _filtered(self, strips: Iterable[Image.Image]) -> Iterator[bytes]:
        """Yield rows with the byte in front that names their filter."""
        above = b""
        for strip in strips:
            if self._depth < 8 or strip.mode == "P":
                yield self._packed(strip)
                continue
            width, height = strip.size
            pixels = strip.tobytes()
            stride = len(pixels) // height
            image = strip if not above else Image.frombytes(strip.mode, (width, height + 1), above + pixels)
            filtered = zlib.decompress(image.tobytes("zip", strip.mode, False, 0, -1, b""))
            yield filtered[-height * (stride + 1) :]
            above = pixels[-stride:]

    def _packed(self, strip: Image.Image) -> bytes:
        """Indexes and few bits get smaller without filters."""
        if self._depth == 8:
            rows = strip.tobytes()
        elif strip.mode == "L" and self._depth == 1:
            rows = strip.convert("1", dither=Image.Dither.NONE).tobytes()
        else:
            rows = strip.tobytes("raw", f"{strip.mode};{self._depth}")
        stride = len(rows) // strip.height
        return b"".join(b"\0" + rows[start : start + stride] for start in range(0, len(rows), stride))
