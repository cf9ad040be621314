"""A file as a client sent it: nothing in it is to be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True)
class Upload:
    """One file of a form. ``field`` is its name in the form, under which errors are reported.

    ``filename`` and ``media_type`` are what the client says, ``stream`` is readable and seekable.
    """

    field: str
    filename: str
    media_type: str
    stream: BinaryIO
