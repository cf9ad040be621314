"""Reads of categories: one, lists, and how many tasks they hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, func, literal, null, select

from nxfs.core import search
from nxfs.core.actor import Actor
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db
from nxfs.tasks.errors import CategoryNotFoundError
from nxfs.tasks.models import Category, Task, task_categories
from nxfs.tasks.queries.visibility import sees_task

COLUMNS = (
    Category.id,
    Category.version,
    Category.name,
    Category.name_nb,
    Category.slug,
    Category.description,
    Category.color,
    Category.created_by,
    Category.created_at,
    Category.updated_at,
)
_not_counted = null().cast(db.Integer).label("task_count")


def get_category(*, category_id: int) -> Row[Any]:
    """Return the category; raise ``CategoryNotFoundError`` when there is none."""
    return _get(Category.id == category_id)


def get_category_by_slug(*, slug: str) -> Row[Any]:
    """Return the category; raise ``CategoryNotFoundError`` when there is none."""
    return _get(Category.slug == slug)


def find_categories(category_ids: Iterable[int]) -> dict[int, Row[Any]]:
    """Return those of the categories that exist, by id."""
    rows = db.session.execute(select(*COLUMNS, _not_counted).where(Category.id.in_(category_ids)))
    return {row.id: row for row in rows}


def list_categories(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of all categories that pass ``filters`` (see ``CategoryQuerySchema``), by name unless ordered."""
    rows = select(*COLUMNS, _not_counted).where(*_conditions(actor, filters)).order_by(*_ordering(filters))
    return fetch_page(rows, page=filters["page"], page_size=filters["page_size"])


def list_categories_with_counts(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page as ``list_categories`` does, each with the number of tasks in it that ``actor`` sees."""
    rows = _select_with_counts(actor).where(*_conditions(actor, filters)).order_by(*_ordering(filters))
    counted = select(Category.id).where(*_conditions(actor, filters))
    return fetch_page(rows, counted=counted, page=filters["page"], page_size=filters["page_size"])


def list_popular_categories(*, actor: Actor, limit: int) -> Page:
    """Return the ``limit`` categories with the most tasks that ``actor`` sees, as a page that has no next one."""
    ordering = (db.desc("task_count"), Category.name_key, Category.id)
    found = db.session.execute(_select_with_counts(actor).order_by(*ordering).limit(limit)).all()
    return Page(items=found, count=len(found), page=1, page_size=limit)


def search_categories(*, actor: Actor, values: dict[str, Any]) -> Page:
    """Return a page of the categories in whose texts every word of ``values["q"]`` begins a word."""
    return list_categories(actor=actor, filters=values | {"search": values["q"]})


def _get(condition: ColumnElement[bool]) -> Row[Any]:
    row = db.session.execute(select(*COLUMNS, _not_counted).where(condition)).one_or_none()
    if row is None:
        raise CategoryNotFoundError
    return row


def _select_with_counts(actor: Actor) -> Select[Any]:
    links = select(task_categories.c.category_id, func.count().label("task_count"))
    if not actor.is_admin:
        links = links.join(Task, Task.id == task_categories.c.task_id).where(sees_task(actor))
    counts = links.group_by(task_categories.c.category_id).subquery()
    task_count = func.coalesce(counts.c.task_count, literal(0)).label("task_count")
    return select(*COLUMNS, task_count).outerjoin(counts, counts.c.category_id == Category.id)


def _conditions(actor: Actor, filters: dict[str, Any]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if "search" in filters:
        conditions.append(search.has_words(Category.search_document, search.words_of(filters["search"])))
    if "has_tasks" in filters:
        in_use = exists().where(task_categories.c.category_id == Category.id, task_categories.c.task_id == Task.id)
        in_use = in_use.where(sees_task(actor))
        conditions.append(in_use if filters["has_tasks"] else ~in_use)
    return conditions


def _ordering(filters: dict[str, Any]) -> list[ColumnElement[Any]]:
    ordering: list[ColumnElement[Any]] = []
    for name, is_descending in filters.get("ordering") or [("name", False)]:
        column = Category.name_key if name == "name" else getattr(Category, name)
        ordering.append(column.desc() if is_descending else column.asc())
    return [*ordering, Category.id]
