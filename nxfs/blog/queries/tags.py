"""Reads of tags: one, lists, and how many published posts have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from nxfs.blog.errors import TagNotFoundError
from nxfs.blog.models import Tag
from nxfs.blog.queries.posts import count_public_posts_by_tag
from nxfs.core import search
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db

COLUMNS = (
    Tag.id,
    Tag.version,
    Tag.name,
    Tag.slug,
    Tag.description,
    Tag.color,
    Tag.created_at,
    Tag.updated_at,
)


def get_tag(*, tag_id: int) -> dict[str, Any]:
    """Return the tag; raise ``TagNotFoundError`` when there is none."""
    return _get(Tag.id == tag_id)


def get_tag_by_slug(*, slug: str) -> dict[str, Any]:
    """Return the tag; raise ``TagNotFoundError`` when there is none."""
    return _get(Tag.slug == slug)


def list_tags(*, filters: dict[str, Any]) -> Page:
    """Return a page of all tags that pass ``filters`` (see ``TagQuerySchema``), by name unless ordered."""
    rows = select(*COLUMNS).order_by(*_ordering(filters))
    if "search" in filters:
        rows = rows.where(search.has_words(Tag.search_document, search.words_of(filters["search"])))
    page = fetch_page(rows, page=filters["page"], page_size=filters["page_size"])
    return replace(page, items=_with_counts(page.items, count_public_posts_by_tag()))


def search_tags(*, values: dict[str, Any]) -> Page:
    """Return a page of the tags in whose texts every word of ``values["q"]`` begins a word."""
    return list_tags(filters=values | {"search": values["q"]})


def list_popular_tags(*, limit: int) -> Page:
    """Return the ``limit`` tags with the most published posts, as a page that has no next one."""
    counts = count_public_posts_by_tag()
    by_name = db.session.scalars(select(Tag.id).order_by(Tag.name_key, Tag.id))
    popular = sorted(by_name, key=lambda tag_id: -counts.get(tag_id, 0))[:limit]
    rows = db.session.execute(select(*COLUMNS).where(Tag.id.in_(popular))).all()
    found = _with_counts(sorted(rows, key=lambda row: popular.index(row.id)), counts)
    return Page(items=found, count=len(found), page=1, page_size=limit)


def _get(condition: ColumnElement[bool]) -> dict[str, Any]:
    row = db.session.execute(select(*COLUMNS).where(condition)).one_or_none()
    if row is None:
        raise TagNotFoundError
    return _with_counts([row], count_public_posts_by_tag())[0]


def _with_counts(rows: Iterable[Row[Any]], counts: Mapping[int, int]) -> list[dict[str, Any]]:
    return [{**row._mapping, "post_count": counts.get(row.id, 0)} for row in rows]


def _ordering(filters: dict[str, Any]) -> list[ColumnElement[Any]]:
    ordering: list[ColumnElement[Any]] = []
    for name, is_descending in filters.get("ordering") or [("name", False)]:
        column = Tag.name_key if name == "name" else getattr(Tag, name)
        ordering.append(column.desc() if is_descending else column.asc())
    return [*ordering, Tag.id]
