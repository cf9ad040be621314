"""Reads of tasks: one, and the filtered list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Row, String, cast, func, select

from nxfs.core import clock, search, search_index
from nxfs.core.actor import Actor
from nxfs.core.database import IdentifierList
from nxfs.core.pagination import Page
from nxfs.core.search_index import Key, Listing
from nxfs.core.settings import setting
from nxfs.extensions import db
from nxfs.tasks.errors import TaskNotFoundError
from nxfs.tasks.models import Task, task_categories
from nxfs.tasks.queries import facets, references
from nxfs.tasks.queries.images import OF_TASKS, images_column
from nxfs.tasks.queries.references import References
from nxfs.tasks.queries.visibility import sees_task, visible_facets

DEFAULT_ORDERING = [("created_at", True)]
OPEN = ("todo", "in_progress")

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
    images_column(OF_TASKS),
)


@dataclass(frozen=True)
class Wanted:
    """The rows of a list of tasks and their order; with ``titles_first`` rows with all words in the title lead."""

    listing: Listing
    keys: list[Key]
    titles_first: bool


def get_task(*, actor: Actor, task_id: int) -> Row[Any]:
    """Return the task; raise ``TaskNotFoundError`` when there is none or ``actor`` may not see it."""
    return _get(Task.id == task_id, sees_task(actor))


def get_written_task(*, task_id: int) -> Row[Any]:
    """Return the task for whoever has just written it, and may thereby have given it out of their own sight."""
    return _get(Task.id == task_id)


def find_tasks(task_ids: Iterable[int]) -> dict[int, Row[Any]]:
    """Return those of the tasks that exist, by id, for delivery: who sees which is for the caller to ask."""
    rows = db.session.execute(select(*COLUMNS).where(Task.id.in_(task_ids)))
    return {row.id: row for row in rows}


def find_holders(task_ids: Iterable[int]) -> list[Row[Any]]:
    """Return id, owner, assignee and project of those of the tasks that exist: what says who sees them."""
    columns = (Task.id, Task.user_id, Task.assignee_id, Task.project_id)
    return list(db.session.execute(select(*columns).where(Task.id.in_(task_ids))))


def list_tasks(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of the tasks that ``actor`` sees and that pass all ``filters`` (see ``TaskQuerySchema``)."""
    wanted = find_wanted(actor=actor, filters=filters)
    return search_index.fetch_page(
        wanted.listing,
        COLUMNS,
        wanted.keys,
        titles_first=wanted.titles_first,
        page=filters["page"],
        page_size=filters["page_size"],
        extra={"filters_applied": _filters_applied(filters)},
    )


def find_wanted(*, actor: Actor, filters: dict[str, Any]) -> Wanted:
    """Return what the list for ``actor`` with ``filters`` consists of.

    Raises ``InvalidInputError`` on ``category`` or ``project`` for one that does not exist or is not visible.
    """
    words = search.words_of(filters["search"]) if "search" in filters else None
    named = [value for value in filters.get("project", ()) if value != "none"]
    found = references.find_references(actor, categories=filters.get("category", ()), projects=named)
    groups = [*_scalar_facets(filters), *_due_date_facets(filters), *_reference_facets(actor, filters, found)]
    conditions: tuple[ColumnElement[bool], ...] = ()
    if found.visible_project_ids is not None:
        visible = visible_facets(actor, found.visible_project_ids)
        if len(visible) <= search_index.most_facets():
            groups.append(visible)
        else:
            conditions = (sees_task(actor),)
    names = filters.get("ordering") or DEFAULT_ORDERING
    return Wanted(
        Listing(Task, search_index.question(words, groups), conditions),
        _keys(names),
        titles_first=bool(words) and names[0][0] == "relevance",
    )


def _get(*conditions: ColumnElement[bool]) -> Row[Any]:
    row = db.session.execute(select(*COLUMNS).where(*conditions)).one_or_none()
    if row is None:
        raise TaskNotFoundError
    return row


def _scalar_facets(filters: dict[str, Any]) -> list[list[str]]:
    groups = []
    if "status" in filters:
        groups.append(facets.statuses(filters["status"]))
    if "completed" in filters:
        groups.append(facets.statuses(["completed"] if filters["completed"] else OPEN))
    if "priority" in filters:
        groups.append(facets.priorities(filters["priority"]))
    if "user_id" in filters:
        groups.append([facets.owner(filters["user_id"])])
    return groups


def _due_date_facets(filters: dict[str, Any]) -> list[list[str]]:
    groups = []
    if "due_date_start" in filters or "due_date_end" in filters:
        groups.append(facets.due_between(filters.get("due_date_start"), filters.get("due_date_end")))
    if "overdue" in filters:
        today: date = clock.today(setting("TIME_ZONE"))
        if filters["overdue"]:
            groups += [facets.due_between(None, today - timedelta(days=1)), facets.statuses(OPEN)]
        else:
            groups.append([facets.NO_DUE_DATE, *facets.due_between(today, None), *facets.statuses(["completed"])])
    return groups


def _reference_facets(actor: Actor, filters: dict[str, Any], found: References) -> list[list[str]]:
    groups = [facets.categories(ids) for ids in found.categories]
    if groups and filters["category_match"] == "any":
        groups = [list(chain(*groups))]
    if "project" in filters:
        without = [facets.NO_PROJECT] if "none" in filters["project"] else []
        groups.append([*without, *facets.projects(chain(*found.projects))])
    if "assignee" in filters:
        wanted = filters["assignee"]
        user_id = actor.id if wanted == "me" else 0 if wanted == "none" else int(wanted)
        groups.append([facets.assignee(user_id)])
    return groups


def _keys(names: Sequence[tuple[str, bool]]) -> list[Key]:
    keys = []
    for name, is_descending in names:
        if name == "relevance":
            # Behind the titles that have all words, the latest change first.
            keys.append(Key(Task.updated_at, not is_descending))
        else:
            keys.append(Key(Task.title_key if name == "title" else getattr(Task, name), is_descending))
    return [*keys, Key(Task.id, keys[-1].is_descending)]


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
