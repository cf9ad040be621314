"""Reads of tasks: one, and the filtered list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Row, String, case, cast, func, or_, select

from nxfs.core import clock, search
from nxfs.core.actor import Actor
from nxfs.core.database import IdentifierList
from nxfs.core.pagination import Page, fetch_page
from nxfs.core.settings import setting
from nxfs.extensions import db
from nxfs.tasks.errors import TaskNotFoundError
from nxfs.tasks.models import Task, task_categories
from nxfs.tasks.queries import references
from nxfs.tasks.queries.visibility import sees_task

DEFAULT_ORDERING = [("created_at", True)]

_category_ids = (
    select(func.aggregate_strings(cast(task_categories.c.category_id, String), ","))
    .where(task_categories.c.task_id == Task.id)
    .scalar_subquery()
)

# What a task is on the wire; reading columns instead of objects costs half.
COLUMNS = (
    Task.id,
    Task.version,
    Task.user_id,
    Task.assignee_id,
    Task.project_id.label("project"),
    Task.title,
    Task.title_nb,
    Task.description,
    Task.description_nb,
    Task.notes,
    Task.status,
    Task.priority,
    Task.due_date,
    Task.estimated_hours.label("estimated_time"),
    Task.completed_at,
    Task.created_at,
    Task.updated_at,
    db.type_coerce(_category_ids, IdentifierList).label("category"),
)


def get_task(*, actor: Actor, task_id: int) -> Row[Any]:
    """Return the task; raise ``TaskNotFoundError`` when there is none or ``actor`` may not see it."""
    return _get(Task.id == task_id, sees_task(actor))


def get_written_task(*, task_id: int) -> Row[Any]:
    """Return the task for whoever has just written it, and may thereby have given it out of their own sight."""
    return _get(Task.id == task_id)


def list_tasks(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of the tasks that ``actor`` sees and that pass all ``filters`` (see ``TaskQuerySchema``)."""
    words = search.words_of(filters.get("search"))
    conditions = [sees_task(actor), *_conditions(actor, filters, words)]
    ids = select(Task.id).where(*conditions)
    rows = select(*COLUMNS).where(*conditions).order_by(*_ordering(filters, words))
    return fetch_page(
        rows,
        counted=ids,
        page=filters["page"],
        page_size=filters["page_size"],
        extra={"filters_applied": _filters_applied(filters)},
    )


def _get(*conditions: ColumnElement[bool]) -> Row[Any]:
    row = db.session.execute(select(*COLUMNS).where(*conditions)).one_or_none()
    if row is None:
        raise TaskNotFoundError
    return row


def _conditions(actor: Actor, filters: dict[str, Any], words: Sequence[str]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if "status" in filters:
        conditions.append(Task.status.in_(filters["status"]))
    if "completed" in filters:
        is_completed = Task.status == "completed"
        conditions.append(is_completed if filters["completed"] else Task.status.in_(("todo", "in_progress")))
    if "priority" in filters:
        conditions.append(Task.priority.in_(filters["priority"]))
    if "user_id" in filters:
        conditions.append(Task.user_id == filters["user_id"])
    if "assignee" in filters:
        conditions.append(_is_assigned(actor, filters["assignee"]))
    if "category" in filters:
        conditions.extend(_in_categories(filters["category"], filters["category_match"]))
    if "project" in filters:
        conditions.append(_in_projects(actor, filters["project"]))
    if "search" in filters:
        conditions.append(search.matches("tasks", words))
    return [*conditions, *_due_date_conditions(filters)]


def _due_date_conditions(filters: dict[str, Any]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if "due_date_start" in filters:
        conditions.append(Task.due_date >= filters["due_date_start"])
    if "due_date_end" in filters:
        conditions.append(Task.due_date <= filters["due_date_end"])
    if "overdue" in filters:
        conditions.append(_is_overdue(filters["overdue"]))
    return conditions


def _is_overdue(wanted: bool) -> ColumnElement[bool]:
    today: date = clock.today(setting("TIME_ZONE"))
    if wanted:
        return (Task.due_date < today) & Task.status.in_(("todo", "in_progress"))
    return or_(Task.due_date.is_(None), Task.due_date >= today, Task.status == "completed")


def _is_assigned(actor: Actor, assignee: str) -> ColumnElement[bool]:
    if assignee == "none":
        return Task.assignee_id.is_(None)
    return Task.assignee_id == (actor.id if assignee == "me" else int(assignee))


def _in_categories(values: Sequence[str], match: str) -> list[ColumnElement[bool]]:
    groups = references.find_categories(values)
    return [
        Task.id.in_(select(task_categories.c.task_id).where(task_categories.c.category_id.in_(group)))
        for group in (groups if match == "all" else [[identifier for group in groups for identifier in group]])
    ]


def _in_projects(actor: Actor, values: Sequence[str]) -> ColumnElement[bool]:
    named = [value for value in values if value != "none"]
    found = references.find_projects(actor, named) if named else []
    in_one = Task.project_id.in_([identifier for group in found for identifier in group])
    if "none" not in values:
        return in_one
    return or_(Task.project_id.is_(None), in_one) if named else Task.project_id.is_(None)


def _ordering(filters: dict[str, Any], words: Sequence[str]) -> list[ColumnElement[Any]]:
    ordering: list[ColumnElement[Any]] = []
    names = filters.get("ordering") or DEFAULT_ORDERING
    for name, is_descending in names:
        if name == "relevance":
            if words:
                is_in_title = search.matches("tasks", words, in_title=True)
                ordering.append(case((is_in_title, 0), else_=1).asc())
            name, is_descending = "updated_at", not is_descending
        column = Task.title_key if name == "title" else getattr(Task, name)
        ordered = column.desc() if is_descending else column.asc()
        # A task without a due date is the least urgent, in both directions.
        ordering.append(ordered.nulls_last() if name == "due_date" else ordered)
    return [*ordering, Task.id.desc() if names[-1][1] else Task.id.asc()]


def _filters_applied(filters: dict[str, Any]) -> dict[str, Any]:
    applied: dict[str, Any] = {}
    for parameter, name in (("category", "categories"), ("project", "projects")):
        if parameter in filters:
            applied[name] = filters[parameter]
    for name in ("status", "priority", "search", "completed", "assignee", "user_id", "overdue"):
        if name in filters:
            applied[name] = filters[name]
    if "category" in filters:
        applied["category_match"] = filters["category_match"]
    start, end = filters.get("due_date_start"), filters.get("due_date_end")
    if start or end:
        # The requirements fix two texts; an open side is the empty one.
        applied["date_range"] = {"start": start.isoformat() if start else "", "end": end.isoformat() if end else ""}
    if filters.get("ordering"):
        applied["ordering"] = [("-" if is_descending else "") + name for name, is_descending in filters["ordering"]]
    return applied
