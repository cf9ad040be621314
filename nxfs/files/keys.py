"""Under which keys the storage has the bytes of files and of their derivatives."""

from __future__ import annotations

ORIGINALS = "originals/"
DERIVATIVES = "derivatives/"


def of_original(name: str) -> str:
    """Return the key of the file ``name``."""
    return f"{ORIGINALS}{name[:2]}/{name}"


def of_derivative(sha256: str, width: int) -> str:
    """Return the key of the derivative with ``width`` pixels of all files with this content."""
    return f"{DERIVATIVES}{sha256[:2]}/{sha256}-{width}.webp"
