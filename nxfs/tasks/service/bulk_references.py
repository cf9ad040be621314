"""The new values of many tasks, with ids in place of what people wrote for categories and projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from nxfs.auth.models import User
from nxfs.core.actor import Actor
from nxfs.core.names import ids_named, is_named
from nxfs.extensions import db
from nxfs.tasks.errors import ambiguous_reference, contradicting_categories, unknown_reference
from nxfs.tasks.models import Category, Project
from nxfs.tasks.queries.visibility import sees_project

# The fields of the wire and the columns they live in.
COLUMNS = {
    "status": "status",
    "priority": "priority",
    "due_date": "due_date",
    "project": "project_id",
    "assignee_id": "assignee_id",
}
CATEGORIES = ("category", "category_add", "category_remove")

Reference = int | str


@dataclass(frozen=True)
class Updates:
    """What many tasks get: values of columns, and categories by their ids.

    ``category`` takes the place of those that a task has, if it is not None; otherwise some are added and removed.
    """

    columns: Mapping[str, Any]
    category: frozenset[int] | None
    category_add: frozenset[int]
    category_remove: frozenset[int]

    @property
    def changes_categories(self) -> bool:
        """True when a task's categories may change."""
        return self.category is not None or bool(self.category_add or self.category_remove)

    def categories_after(self, before: frozenset[int]) -> frozenset[int]:
        """Return the categories that a task has afterwards."""
        return self.category if self.category is not None else (before - self.category_remove) | self.category_add

    def to_wire(self) -> dict[str, Any]:
        """Return the values as JSON, by the names of the wire."""
        values = {field: self.columns[column] for field, column in COLUMNS.items() if column in self.columns}
        wire = {field: value.isoformat() if isinstance(value, date) else value for field, value in values.items()}
        if self.category is not None:
            wire["category"] = sorted(self.category)
        for field, ids in (("category_add", self.category_add), ("category_remove", self.category_remove)):
            if ids:
                wire[field] = sorted(ids)
        return wire


def values_from_wire(wire: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``settle_updates`` takes for values that ``Updates.to_wire`` has returned."""
    due_date = wire.get("due_date")
    return {**wire, "due_date": date.fromisoformat(due_date)} if due_date else dict(wire)


def settle_updates(actor: Actor, values: Mapping[str, Any], *, holds: bool) -> Updates:
    """Return what ``values`` (see ``TaskUpdatesSchema``) mean for ``actor``.

    With ``holds`` the project and the categories that tasks get stay there until the transaction ends. Raises
    ``InvalidInputError`` for a project, category or assignee that the actor cannot use, for a name that means several,
    and for a category that is to be added and removed.
    """
    columns = {column: values[field] for field, column in COLUMNS.items() if field in values}
    if columns.get("project_id") is not None:
        columns["project_id"] = _find_project(actor, columns["project_id"], holds=holds)
    found = _find_categories(values, holds=holds)
    if columns.get("assignee_id") is not None:
        _require_assignee(columns["assignee_id"])
    if found.get("category_add", frozenset()) & found.get("category_remove", frozenset()):
        raise contradicting_categories()
    return Updates(
        columns=columns,
        category=found.get("category"),
        category_add=found.get("category_add", frozenset()),
        category_remove=found.get("category_remove", frozenset()),
    )


def _find_project(actor: Actor, reference: Reference, *, holds: bool) -> int:
    wanted = select(Project.id, Project.slug, Project.name_key).where(
        _is_meant(Project, [reference]), sees_project(actor)
    )
    if holds:
        wanted = wanted.order_by(Project.id).with_for_update(of=Project, read=True, key_share=True)
    return _one_id("project", reference, db.session.execute(wanted).all())


def _find_categories(values: Mapping[str, Any], *, holds: bool) -> dict[str, frozenset[int]]:
    """Return the ids that each of the fields of categories means, in one statement for all."""
    named = {field: values[field] for field in CATEGORIES if field in values}
    references = [reference for several in named.values() for reference in several]
    rows: Sequence[Any] = []
    if references:
        wanted = select(Category.id, Category.slug, Category.name_key).where(_is_meant(Category, references))
        if holds:
            wanted = wanted.order_by(Category.id).with_for_update(read=True, key_share=True)
        rows = db.session.execute(wanted).all()
    return {
        field: frozenset(_one_id(field, reference, rows) for reference in several) for field, several in named.items()
    }


def _is_meant(model: type[Project] | type[Category], references: Sequence[Reference]) -> ColumnElement[bool]:
    by_id = model.id.in_([reference for reference in references if isinstance(reference, int)])
    texts = [reference for reference in references if isinstance(reference, str)]
    return or_(by_id, is_named(model, texts)) if texts else by_id


def _one_id(field: str, reference: Reference, rows: Sequence[Any]) -> int:
    ids = [row.id for row in rows if row.id == reference] if isinstance(reference, int) else ids_named(reference, rows)
    if not ids:
        raise unknown_reference(f"updates.{field}", reference)
    if len(ids) > 1:
        raise ambiguous_reference(f"updates.{field}", reference)
    return ids[0]


def _require_assignee(user_id: int) -> None:
    if db.session.scalar(select(User.id).where(User.id == user_id, User.is_active)) is None:
        raise unknown_reference("updates.assignee_id", user_id)
