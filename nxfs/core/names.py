"""Names that people give and refer to: how they are compared, what a copy is called, what a filter means by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, or_

from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.messages import Text
from nxfs.core.search import sort_key

COPY = Text("{name} (copy)", "{name} (kopi)")


def name_key(name: str) -> str:
    """Return the form in which names are compared and ordered: single blanks, folded, æ ø å behind z."""
    return sort_key(" ".join(name.split()))


def copy_name(name: str, *, language: str, longest: int) -> str:
    """Return the name of a copy in ``language``, cut to ``longest`` characters."""
    wording = COPY.nb if language == "no" else COPY.en
    room = longest - len(wording.format(name=""))
    return wording.format(name=name[:room])


def is_named(model: Any, values: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a row of ``model`` has one of ``values`` as its id, its slug or its name."""
    numbers = [number for number in map(as_identifier, values) if number is not None]
    return or_(model.id.in_(numbers), model.slug.in_(values), model.name_key.in_([name_key(each) for each in values]))


def ids_named(value: str, rows: Iterable[Any]) -> list[int]:
    """Return the ids of those of ``rows`` (with ``id``, ``slug`` and ``name_key``) that ``value`` names.

    An id wins over a name that looks like one.
    """
    number, key, rows = as_identifier(value), name_key(value), list(rows)
    by_id = [row.id for row in rows if row.id == number]
    return by_id or [row.id for row in rows if row.slug == value or row.name_key == key]


def as_identifier(value: str) -> int | None:
    """Return the id that ``value`` is written as, None when it is none."""
    is_number = value.isascii() and value.isdecimal() and len(value) <= 19
    return int(value) if is_number and 0 < int(value) <= LARGEST_IDENTIFIER else None
