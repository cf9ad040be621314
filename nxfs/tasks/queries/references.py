"""Turns what people write for a category or a project (id, slug or name) into ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, or_, select

from nxfs.core.actor import Actor
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.search import sort_key
from nxfs.extensions import db
from nxfs.tasks.errors import unknown_reference
from nxfs.tasks.models import Category, Project
from nxfs.tasks.queries.visibility import sees_project


def name_key(name: str) -> str:
    """Return the form in which names are compared and ordered: single blanks, folded, æ ø å behind z."""
    return sort_key(" ".join(name.split()))


def find_categories(values: Sequence[str]) -> list[list[int]]:
    """Return for each of ``values`` the ids it names; ``InvalidInputError`` on ``category`` for an unknown one."""
    return _find("category", values, Category, select(Category.id, Category.slug, Category.name_key))


def find_projects(actor: Actor, values: Sequence[str]) -> list[list[int]]:
    """Return for each of ``values`` the ids of visible projects it names; ``InvalidInputError`` on ``project`` else."""
    rows = select(Project.id, Project.slug, Project.name_key).where(sees_project(actor))
    return _find("project", values, Project, rows)


def _find(
    field: str, values: Sequence[str], model: type[Category] | type[Project], rows: Select[Any]
) -> list[list[int]]:
    numbers = {value: _as_identifier(value) for value in values}
    keys = {value: name_key(value) for value in values}
    named = rows.where(
        or_(
            model.id.in_([number for number in numbers.values() if number is not None]),
            model.slug.in_(values),
            model.name_key.in_(keys.values()),
        )
    )
    found = db.session.execute(named).all()
    return [_named_by(field, value, numbers[value], keys[value], found) for value in values]


def _named_by(field: str, value: str, number: int | None, key: str, found: Sequence[Any]) -> list[int]:
    # An id wins over a name that looks like one.
    by_id = [row.id for row in found if row.id == number]
    ids = by_id or [row.id for row in found if row.slug == value or row.name_key == key]
    if not ids:
        raise unknown_reference(field, value)
    return ids


def _as_identifier(value: str) -> int | None:
    is_number = value.isascii() and value.isdecimal() and len(value) <= 19
    return int(value) if is_number and 0 < int(value) <= LARGEST_IDENTIFIER else None
