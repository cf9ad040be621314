"""Images: which are too large, how they are written anew, and smaller copies of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageFile

from nxfs.files.errors import Refusal
from nxfs.files.inspection import gif, jpeg, png, webp
from nxfs.files.inspection.strips import MOST_PIXELS, Readable
from nxfs.files.inspection.verdict import Picture, Refused

DERIVATIVE_QUALITY = 80
DERIVATIVE_METHOD = 4
# An image is shrunk by whole numbers, strip by strip, until no more pixels than these are left for the fine work.
MOST_PIXELS_TO_RESIZE = 12_000_000

_WRITERS: dict[str, Callable[[Path, Path], Picture]] = {
    "jpeg": jpeg.reencode,
    "png": png.reencode,
    "gif": gif.reencode,
    "webp": webp.reencode,
}
_READERS: dict[str, Callable[[Path, int], Readable]] = {
    "jpeg": jpeg.readable,
    "png": png.readable,
    "gif": gif.readable,
    "webp": webp.readable,
}
# What Pillow raises for damaged data.
_DAMAGE = (OSError, SyntaxError, ValueError, TypeError, EOFError, LookupError, ArithmeticError)


def limit_pillow() -> None:
    """Make Pillow refuse what is larger than any image that passes here, and hand out nothing half read."""
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def reencode(source: Path, target: Path, format_name: str) -> Picture:
    """Write the image ``source`` (``format_name``: jpeg, png, gif or webp) anew to ``target`` and return its size.

    The copy is upright, its colours are sRGB, and it has nothing but pixels: no metadata, no profile, nothing behind
    the end. Raises ``Refused``.
    """
    try:
        return _WRITERS[format_name](source, target)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise Refused(Refusal.TOO_MANY_PIXELS) from None
    except _DAMAGE as error:
        raise Refused(Refusal.DAMAGED) from error


def render(source: Path, target: Path, *, width: int, format_name: str) -> tuple[int, int]:
    """Write a WebP of the accepted image's first frame to ``target``, no wider than ``width``, and return its size.

    Raises ``Refused`` for an image that would not be accepted.
    """
    try:
        return _render(source, target, width, format_name)
    except _DAMAGE as error:
        raise Refused(Refusal.DAMAGED) from error


def _render(source: Path, target: Path, width: int, format_name: str) -> tuple[int, int]:
    readable = _READERS[format_name](source, width)
    width = min(width, readable.shape[0])
    size = (width, max(1, round(readable.shape[1] * width / readable.shape[0])))
    image = _shrunk(readable, _step(readable.size, width))
    # What it was read from is not needed any more.
    del readable
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    target.write_bytes(webp.encoded(image, DERIVATIVE_QUALITY, DERIVATIVE_METHOD))
    return size


def _step(size: tuple[int, int], width: int) -> int:
    """Return how many pixels in a row and a column become one in the first, rough step."""
    step = max(1, size[0] // (2 * width))
    while size[0] // step * (size[1] // step) > MOST_PIXELS_TO_RESIZE and size[0] // (step + 1) >= width:
        step += 1
    return step


def _shrunk(readable: Readable, step: int) -> Image.Image:
    shrunk: Image.Image | None = None
    top = 0
    for strip in readable.strips(step):
        part = strip.reduce(step) if step > 1 else strip
        if shrunk is None:
            width, height = readable.size
            shrunk = Image.new(part.mode, (-(-width // step), -(-height // step)))
        shrunk.paste(part, (0, top))
        top += part.height
    if shrunk is None:
        raise Refused(Refusal.DAMAGED)
    return shrunk
