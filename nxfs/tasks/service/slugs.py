"""Slugs: names made fit for addresses."""

from __future__ import annotations

import re

from nxfs.core.search import fold

LONGEST_SLUG = 100

_SPELLED_OUT = str.maketrans({"æ": "ae", "ø": "o", "å": "a"})


def slug_of(name: str) -> str:
    """Return ``name`` as lower-case ASCII words joined by dashes; empty when it has no such letters."""
    ascii_only = fold(name).translate(_SPELLED_OUT)
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:LONGEST_SLUG].strip("-")
