"""Slugs: names made fit for addresses."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Any

from sqlalchemy import ColumnElement

from nxfs.core.search import fold

LONGEST_SLUG = 100

_SPELLED_OUT = str.maketrans({"æ": "ae", "ø": "o", "å": "a"})


def slug_of(name: str) -> str:
    """Return ``name`` as lower-case ASCII words joined by dashes; empty when it has no such letters."""
    ascii_only = fold(name).translate(_SPELLED_OUT)
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:LONGEST_SLUG].strip("-")


def is_similar(column: Any, stem: str) -> ColumnElement[bool]:
    """Return the condition that a slug may stand in the way of ``free_slug``."""
    return column.startswith(_root(stem), autoescape=True)


def free_slug(stem: str, *, taken: Set[str]) -> str:
    """Return ``stem``, with a number behind it when it is one of the slugs that are ``taken``."""
    numbered = (f"{_root(stem)}-{number}" for number in range(2, len(taken) + 3))
    return next(slug for slug in (stem, *numbered) if slug not in taken)


def _root(stem: str) -> str:
    """Return ``stem`` with room for a number."""
    return stem[: LONGEST_SLUG - 8]
