"""GIF: its frames are taken over one by one as they are stored, without being painted over each other.

What is not needed for pixels and their timing (comments, texts, anything behind the end) is left behind.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from nxfs.files.errors import Refusal
from nxfs.files.inspection.strips import Readable, check_size, rows_of_strip, strips_of
from nxfs.files.inspection.verdict import Picture, Refused

SIGNATURES = (b"GIF87a", b"GIF89a")
_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_HAS_TABLE, _INTERLACED, _TABLE_SIZE = 0x80, 0x40, 0x07
_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
# Pillow writes indexes of eight bits, whatever the length of the colour table.
_BITS = 8


@dataclass(frozen=True)
class _Frame:
    """Where a frame stands, and where its pixels are in the file."""

    left: int
    top: int
    width: int
    height: int
    control: bytes
    table: bytes
    bits: int
    is_interlaced: bool
    start: int
    end: int


@dataclass
class Gif:
    """A GIF as its blocks tell it. A screen that is smaller than a frame grows to it, as browsers do."""

    data: bytes
    width: int
    height: int
    background: int
    table: bytes
    loops: bytes | None = None
    frames: list[_Frame] = field(default_factory=list)

    def strips(self, multiple: int) -> Iterator[Image.Image]:
        """Yield the first frame on a transparent screen as ``Readable`` says. Raises ``Refused``."""
        frame = self.frames[0]
        pixels = _decode(self.data, frame)
        rows = rows_of_strip(4 * self.width, multiple)
        table = frame.table or self.table
        if (frame.width, frame.height) == (self.width, self.height):
            for strip in strips_of(pixels, rows):
                yield _visible(strip, frame, table)
            return
        for top in range(0, self.height, rows):
            screen = Image.new("RGBA", (self.width, min(rows, self.height - top)))
            first, last = max(top, frame.top), min(top + rows, frame.top + frame.height)
            if first < last:
                part = pixels.crop((0, first - frame.top, frame.width, last - frame.top))
                screen.paste(_visible(part, frame, table), (frame.left, first - top))
            yield screen


def read(source: Path) -> Gif:
    """Return what the blocks of the file tell, without pixels. Raises ``Refused``."""
    data = source.read_bytes()
    try:
        return _read(data)
    except (IndexError, struct.error):
        raise Refused(Refusal.DAMAGED) from None


def readable(source: Path, width: int) -> Readable:
    """Return an accepted image for a copy of ``width``. Raises ``Refused``."""
    gif = read(source)
    shape = (gif.width, gif.height)
    return Readable(shape, shape, gif.strips)


def reencode(source: Path, target: Path) -> Picture:
    """Write the frames of ``source`` as a new GIF to ``target`` and return its size. Raises ``Refused``."""
    gif = read(source)
    with target.open("wb") as file:
        size = _size_of_table(gif.table)
        flags = _HAS_TABLE | 0x70 | size if gif.table else 0x70
        file.write(b"GIF89a" + struct.pack("<HHBBB", gif.width, gif.height, flags, gif.background, 0) + gif.table)
        if gif.loops is not None:
            file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + gif.loops + b"\0")
        for frame in gif.frames:
            pixels = _decode(gif.data, frame)
            if frame.control:
                file.write(b"\x21\xf9\x04" + frame.control + b"\0")
            flags = _HAS_TABLE | _size_of_table(frame.table) if frame.table else 0
            file.write(b"\x2c" + struct.pack("<HHHHB", frame.left, frame.top, frame.width, frame.height, flags))
            file.write(frame.table)
            file.write(bytes([_BITS]))
            file.write(pixels.tobytes("gif", "L", _BITS, 0))
            file.write(b"\0")
        file.write(bytes([_END]))
    return Picture(gif.width, gif.height, len(gif.frames))


def _read(data: bytes) -> Gif:
    width, height, flags, background, _ = struct.unpack_from("<HHBBB", data, 6)
    table, position = _table(data, 13, flags)
    gif = Gif(data, width, height, background, table)
    if width and height:
        check_size(width, height)
    control = b""
    while data[position] != _END:
        introducer, label = data[position], data[position + 1]
        if introducer == _EXTENSION:
            end = _end_of_blocks(data, position + 2)
            if label == _CONTROL:
                control = _control(data[position + 3 : position + 7])
            elif label == _APPLICATION and data[position + 3 : position + 14] in _LOOPING:
                gif.loops = _loops(data[position + 14 : end]) or gif.loops
            position = end
        elif introducer == _IMAGE:
            frame = _frame(data, position, control)
            position, control = frame.end, b""
            gif.frames.append(frame)
            gif.width = max(gif.width, frame.left + frame.width)
            gif.height = max(gif.height, frame.top + frame.height)
            check_size(gif.width, gif.height, len(gif.frames))
        else:
            raise Refused(Refusal.DAMAGED)
    check_size(gif.width, gif.height, len(gif.frames))
    return gif


def _table(data: bytes, position: int, flags: int) -> tuple[bytes, int]:
    if not flags & _HAS_TABLE:
        return b"", position
    end = position + 3 * 2 ** ((flags & _TABLE_SIZE) + 1)
    if end > len(data):
        raise Refused(Refusal.DAMAGED)
    return data[position:end], end


def _size_of_table(table: bytes) -> int:
    return (len(table) // 3).bit_length() - 2 if table else 0


def _end_of_blocks(data: bytes, position: int) -> int:
    while length := data[position]:
        position += 1 + length
    return position + 1


def _control(block: bytes) -> bytes:
    """Return flags, delay and transparent index without the bits that mean nothing."""
    flags, delay, transparent = struct.unpack("<BHB", block)
    return struct.pack("<BHB", flags & 0x1D, delay, transparent)


def _loops(blocks: bytes) -> bytes | None:
    return blocks[2:4] if len(blocks) >= 4 and blocks[0] >= 3 and blocks[1] & 7 == 1 else None


def _frame(data: bytes, position: int, control: bytes) -> _Frame:
    left, top, width, height, flags = struct.unpack_from("<HHHHB", data, position + 1)
    check_size(width, height)
    table, position = _table(data, position + 10, flags)
    bits = data[position]
    if not 1 <= bits <= 8:
        raise Refused(Refusal.DAMAGED)
    start = position + 1
    end = _end_of_blocks(data, start)
    return _Frame(left, top, width, height, control, table, bits, bool(flags & _INTERLACED), start, end)


def _decode(data: bytes, frame: _Frame) -> Image.Image:
    """Return the indexes of the colours as a grey image."""
    try:
        blocks = data[frame.start : frame.end]
        return Image.frombytes("L", (frame.width, frame.height), blocks, "gif", frame.bits, int(frame.is_interlaced))
    except ValueError:
        raise Refused(Refusal.DAMAGED) from None


def _visible(indexes: Image.Image, frame: _Frame, table: bytes) -> Image.Image:
    # Without a table, grey.
    if table:
        indexes.putpalette(table)
    if frame.control and frame.control[0] & 1:
        indexes.info["transparency"] = frame.control[3]
    return indexes.convert("RGBA")
