"""Reads of tags: one, lists, and how many published posts have them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select

from nxfs.blog.errors import TagNotFoundError
from nxfs.blog.models import Post, Tag, post_tags
from nxfs.blog.queries.visibility import is_public
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


def get_tag(*, tag_id: int) -> Row[Any]:
    """Return the tag; raise ``TagNotFoundError`` when there is none."""
    return _get(Tag.id == tag_id)


def get_tag_by_slug(*, slug: str) -> Row[Any]:
    """Return the tag; raise ``TagNotFoundError`` when there is none."""
    return _get(Tag.slug == slug)


def list_tags(*, filters: dict[str, Any]) -> Page:
    """Return a page of all tags that pass ``filters`` (see ``TagQuerySchema``), by name unless ordered."""
    conditions = []
    if "search" in filters:
        conditions.append(search.has_words(Tag.search_document, search.words_of(filters["search"])))
    rows = _select().where(*conditions).order_by(*_ordering(filters))
    counted = select(Tag.id).where(*conditions)
    return fetch_page(rows, counted=counted, page=filters["page"], page_size=filters["page_size"])


def search_tags(*, values: dict[str, Any]) -> Page:
    """Return a page of the tags in whose texts every word of ``values["q"]`` begins a word."""
    return list_tags(filters=values | {"search": values["q"]})


def list_popular_tags(*, limit: int) -> Page:
    """Return the ``limit`` tags with the most published posts, as a page that has no next one."""
    counts = select(post_tags.c.tag_id, func.count().label("post_count")).join(Post, Post.id == post_tags.c.post_id)
    counts = counts.where(is_public()).group_by(post_tags.c.tag_id).subquery()
    count = func.coalesce(counts.c.post_count, 0).label("post_count")
    rows = select(*COLUMNS, count).outerjoin(counts, counts.c.tag_id == Tag.id)
    found = db.session.execute(rows.order_by(count.desc(), Tag.name_key, Tag.id).limit(limit)).all()
    return Page(items=found, count=len(found), page=1, page_size=limit)


def _get(condition: ColumnElement[bool]) -> Row[Any]:
    row = db.session.execute(_select().where(condition)).one_or_none()
    if row is None:
        raise TagNotFoundError
    return row


def _select() -> Select[Any]:
    posts = select(func.count()).select_from(post_tags).join(Post, Post.id == post_tags.c.post_id)
    count = posts.where(post_tags.c.tag_id == Tag.id, is_public()).scalar_subquery()
    return select(*COLUMNS, count.label("post_count"))


def _ordering(filters: dict[str, Any]) -> list[ColumnElement[Any]]:
    ordering: list[ColumnElement[Any]] = []
    for name, is_descending in filters.get("ordering") or [("name", False)]:
        column = Tag.name_key if name == "name" else getattr(Tag, name)
        ordering.append(column.desc() if is_descending else column.asc())
    return [*ordering, Tag.id]
