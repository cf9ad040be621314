"""Turns what people write for a category or a project (id, slug or name) into ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, literal, select, union_all

from nxfs.core.actor import Actor
from nxfs.core.names import ids_named, is_named
from nxfs.extensions import db
from nxfs.tasks.errors import unknown_reference
from nxfs.tasks.models import Category, Project
from nxfs.tasks.queries.visibility import sees_project


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
        statements.append(_select("category", Category).where(is_named(Category, categories)))
    if not actor.is_admin:
        statements.append(_select("project", Project).where(sees_project(actor)))
    elif projects:
        statements.append(_select("project", Project).where(is_named(Project, projects)))
    rows = db.session.execute(union_all(*statements)).all() if statements else []
    seen = [row.id for row in rows if row.kind == "project"]
    return References(
        categories=[_ids("category", value, rows) for value in categories],
        projects=[_ids("project", value, rows) for value in projects],
        visible_project_ids=None if actor.is_admin else seen,
    )


def _select(kind: str, model: type[Category] | type[Project]) -> Select[Any]:
    return select(literal(kind).label("kind"), model.id, model.slug, model.name_key)


def _ids(kind: str, value: str, rows: Sequence[Any]) -> list[int]:
    ids = ids_named(value, [row for row in rows if row.kind == kind])
    if not ids:
        raise unknown_reference(kind, value)
    return ids
