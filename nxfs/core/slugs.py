"""Slugs: names made fit for addresses."""

from __future__ import annotations

import random
import re
from collections.abc import Set
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement

from nxfs.core.search import fold

LONGEST_SLUG = 100
# How many names alike get the next number; all of them are asked for at once.
MOST_NUMBERED = 100

_SPELLED_OUT = str.maketrans({"æ": "ae", "ø": "o", "å": "a"})


def slug_of(name: str) -> str:
    """Return ``name`` as lower-case ASCII words joined by dashes; empty when it has no such letters."""
    ascii_only = fold(name).translate(_SPELLED_OUT)
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:LONGEST_SLUG].strip("-")


def is_similar(column: Any, stem: str) -> ColumnElement[bool]:
    """Return the condition that a slug may stand in the way of ``free_slug``."""
    return column.in_(_numbered(stem))


def free_slug(stem: str, *, taken: Set[str]) -> str:
    """Return ``stem``, with a number behind it when it is one of the slugs that are ``taken``.

    The number is any of seven digits when there are very many; callers begin anew if that is taken as well.
    """
    digits = iter(lambda: f"{_root(stem)}-{random.randint(1_000_000, 9_999_999)}", None)
    return next(slug for slug in chain(_numbered(stem), digits) if slug not in taken)


def _numbered(stem: str) -> list[str]:
    """Return ``stem``, and with the numbers that are tried behind it."""
    return [stem, *(f"{_root(stem)}-{number}" for number in range(2, MOST_NUMBERED + 1))]


def _root(stem: str) -> str:
    """Return ``stem`` with room for a number."""
    return stem[: LONGEST_SLUG - 8]
