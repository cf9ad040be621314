"""Reads for feeds and the sitemap: the newest public posts, with no more than those need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, select

from nxfs.blog.models import Post
from nxfs.blog.queries.posts import columns
from nxfs.blog.queries.visibility import is_public
from nxfs.core.transaction import release_connection
from nxfs.extensions import db

MOST_ENTRIES = 50
# A sitemap may have five times as many; reading those would hold the event loop for a second.
MOST_ADDRESSES = 10_000

_newest_first = (Post.published_at.desc(), Post.id.desc())


def list_newest_posts() -> Sequence[Row[Any]]:
    """Return the newest public posts, the newest first."""
    # Wide rows are read for these only.
    newest = select(Post.id).where(is_public()).order_by(*_newest_first).limit(MOST_ENTRIES)
    wanted = select(*columns(has_email=False)).where(Post.id.in_(newest))
    return _read(wanted.order_by(*_newest_first))


def list_addresses() -> Sequence[Row[Any]]:
    """Return slug and times of the public posts, the newest first."""
    wanted = select(Post.slug, Post.published_at, Post.updated_at).where(is_public())
    return _read(wanted.order_by(*_newest_first).limit(MOST_ADDRESSES))


def _read(statement: Select[Any]) -> Sequence[Row[Any]]:
    rows = db.session.execute(statement).all()
    # Making XML of them takes its time, in which no connection of the pool shall be held.
    release_connection()
    return rows
