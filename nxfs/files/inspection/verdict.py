"""What inspection answers: a file that is kept, or the reason why it is refused."""

from __future__ import annotations

from dataclasses import dataclass

from nxfs.files.errors import Refusal


class Refused(Exception):
    """The file is not accepted, because of ``refusal``."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.name)


@dataclass(frozen=True)
class Picture:
    """Width, height and number of frames of an image."""

    width: int
    height: int
    frames: int = 1


@dataclass(frozen=True)
class Inspected:
    """An accepted file: ``format`` is a key of ``FORMATS``, size and hash are of the bytes that are kept.

    Images have a size in pixels, sound a duration in seconds (None when it cannot be told).
    """

    format: str
    size: int
    sha256: str
    width: int | None = None
    height: int | None = None
    frames: int = 1
    duration: float | None = None
