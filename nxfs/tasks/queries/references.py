"""Turns what people write for a category or a project (id, slug or name) into ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, literal, or_, select, union_all

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


@dataclass(frozen=True)
class References:
    """The ids that each value names, and all projects that the actor sees (None for admins, who see every one)."""

    categories: list[list[int]]
    projects: list[list[int]]
    visible_project_ids: list[int] | None


def find_references(actor: Actor, *, categories: Sequence[str], projects: Sequence[str]) -> References:
    """Return what ``categories`` and ``projects`` name, in one statement.

    Raises ``InvalidInputError`` on ``category`` or ``project`` for one that does not exist or is not visible.
    """
    statements = []
    if categories:
        statements.append(_select("category", Category).where(_is_named(Category, categories)))
    if not actor.is_admin:
        statements.append(_select("project", Project).where(sees_project(actor)))
    elif projects:
        statements.append(_select("project", Project).where(_is_named(Project, projects)))
    rows = db.session.execute(union_all(*statements)).all() if statements else []
    seen = [row.id for row in rows if row.kind == "project"]
    return References(
        categories=[_ids("category", value, rows) for value in categories],
        projects=[_ids("project", value, rows) for value in projects],
        visible_project_ids=None if actor.is_admin else seen,
    )


def _select(kind: str, model: type[Category] | type[Project]) -> Select[Any]:
    return select(literal(kind).label("kind"), model.id, model.slug, model.name_key)


def _is_named(model: type[Category] | type[Project], values: Sequence[str]) -> ColumnElement[bool]:
    numbers = [number for number in map(_as_identifier, values) if number is not None]
    return or_(model.id.in_(numbers), model.slug.in_(values), model.name_key.in_([name_key(each) for each in values]))


def _ids(kind: str, value: str, rows: Sequence[Any]) -> list[int]:
    number, key = _as_identifier(value), name_key(value)
    alike = [row for row in rows if row.kind == kind]
    # An id wins over a name that looks like one.
    by_id = [row.id for row in alike if row.id == number]
    ids = by_id or [row.id for row in alike if row.slug == value or row.name_key == key]
    if not ids:
        raise unknown_reference(kind, value)
    return ids


def _as_identifier(value: str) -> int | None:
    is_number = value.isascii() and value.isdecimal() and len(value) <= 19
    return int(value) if is_number and 0 < int(value) <= LARGEST_IDENTIFIER else None
