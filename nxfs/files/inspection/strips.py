"""Images that are too large to be held twice: passed on in strips, and turned by way of an unnamed file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from PIL import Image

from nxfs.files.errors import Refusal
from nxfs.files.inspection.verdict import Refused

LONGEST_SIDE = 12_000
MOST_PIXELS = 50_000_000
MOST_FRAMES = 500
STRIP_BYTES = 1024 * 1024
# Larger strips when turning, since every one of them reads a piece of every row of the file.
TURNED_STRIP_BYTES = 4 * 1024 * 1024

CHANNELS = {"L": 1, "P": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}

UPRIGHT = 1
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION_TAG = 0x0112
# Of an orientation that begins with the last rows, or that turns columns into rows.
_FROM_THE_END = frozenset({3, 4, 7, 8})
_SIDEWAYS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True)
class Readable:
    """An accepted image of ``shape``, to be read at ``size``.

    ``strips`` yields it as L, RGB or RGBA, each strip but the last with a multiple of the given number of rows.
    """

    shape: tuple[int, int]
    size: tuple[int, int]
    strips: Callable[[int], Iterator[Image.Image]]


def check_size(width: int, height: int, frames: int = 1) -> None:
    """Raise ``Refused`` for an image that has no pixels, too many of them, or too many frames."""
    if width < 1 or height < 1 or frames < 1:
        raise Refused(Refusal.DAMAGED)
    if frames > MOST_FRAMES:
        raise Refused(Refusal.TOO_MANY_FRAMES)
    if max(width, height) > LONGEST_SIDE or width * height * frames > MOST_PIXELS:
        raise Refused(Refusal.TOO_MANY_PIXELS)


def orientation_of(exif: bytes | None) -> int:
    """Return the orientation (1 to 8) that EXIF data tell; 1 when they are missing or cannot be read."""
    if not exif:
        return UPRIGHT
    found = Image.Exif()
    try:
        found.load(exif)
        orientation = found.get(_ORIENTATION_TAG)
    # Whatever a hostile block of EXIF makes the reader raise, it only costs the orientation.
    except Exception:
        return UPRIGHT
    return orientation if orientation in _TURNS else UPRIGHT


def turned_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the size that an image of ``size`` has when it is upright."""
    return (size[1], size[0]) if orientation in _SIDEWAYS else size


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Return ``image`` upright: itself, or a second copy."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def strips_of(image: Image.Image, rows: int | None = None) -> Iterator[Image.Image]:
    """Yield copies of ``rows`` rows each (about STRIP_BYTES without) from the top to the bottom."""
    width, height = image.size
    rows = rows or rows_of_strip(4 * width)
    for top in range(0, height, rows):
        yield image.crop((0, top, width, min(top + rows, height)))


def rows_of_strip(stride: int, multiple: int = 1) -> int:
    """Return how many rows of ``stride`` bytes make a strip, a ``multiple`` of rows."""
    return max(1, STRIP_BYTES // stride // multiple) * multiple


class Spool:
    """The pixels of an image of ``size`` and ``mode`` in an unnamed file, written from the top and read in any turn."""

    def __init__(self, size: tuple[int, int], mode: str) -> None:
        self.size = size
        self.mode = mode
        # Closed with the spool.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, strip: Image.Image) -> None:
        """Add the next rows."""
        self._file.write(strip.tobytes())

    def turned(self, orientation: int) -> Iterator[Image.Image]:
        """Yield strips of the upright image, from its top to its bottom."""
        self._file.flush()
        width, height = turned_size(self.size, orientation)
        rows = max(1, TURNED_STRIP_BYTES // (CHANNELS[self.mode] * width))
        for top in range(0, height, rows):
            first, last = top, min(top + rows, height)
            if orientation in _FROM_THE_END:
                first, last = height - last, height - first
            piece = self._columns(first, last) if orientation in _SIDEWAYS else self._rows(first, last)
            yield turned(piece, orientation)

    def _rows(self, first: int, last: int) -> Image.Image:
        width = self.size[0]
        stride = width * CHANNELS[self.mode]
        content = os.pread(self._file.fileno(), (last - first) * stride, first * stride)
        return Image.frombytes(self.mode, (width, last - first), content)

    def _columns(self, first: int, last: int) -> Image.Image:
        width, height = self.size
        channels = CHANNELS[self.mode]
        descriptor = self._file.fileno()
        length = (last - first) * channels
        starts = range(first * channels, width * height * channels, width * channels)
        content = b"".join([os.pread(descriptor, length, start) for start in starts])
        return Image.frombytes(self.mode, (last - first, height), content)


def assembled(size: tuple[int, int], mode: str, strips: Iterator[Image.Image]) -> Image.Image:
    """Return the image of ``size`` that ``strips`` are the rows of."""
    image = Image.new(mode, size)
    top = 0
    for strip in strips:
        image.paste(strip, (0, top))
        top += strip.height
    return image
