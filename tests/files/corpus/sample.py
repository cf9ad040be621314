"""One file of the corpus, and what inspection has to say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nxfs.files.errors import Refusal
from nxfs.files.formats import LIBRARY, UploadRule

ACCEPTED = "accepted"
# Accepted, without what was hostile in it.
NEUTRALISED = "neutralised"


def no_check(content: bytes) -> None:
    """Ask nothing of the output."""


@dataclass(frozen=True)
class Sample:
    """A file that ``build`` makes, sent as ``filename`` and ``media_type`` to a place with ``rule``.

    ``verdict`` is the expected refusal, ACCEPTED or NEUTRALISED; ``check`` asserts something about the kept bytes.
    """

    name: str
    filename: str
    media_type: str
    build: Callable[[], bytes]
    verdict: Refusal | str
    check: Callable[[bytes], None] = no_check
    rule: UploadRule = LIBRARY
