"""Reads of who is where, over all processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select

from nxfs.extensions import db
from nxfs.realtime.models import Presence


def find_members(room: str, limit: int | None = None) -> Sequence[Row[Any]]:
    """Return ``user_id`` and ``since`` of the users in ``room``, by when they came; the first ``limit``, or all."""
    since = func.min(Presence.since, type_=Presence.since.type).label("since")
    statement = select(Presence.user_id, since).where(Presence.room == room).group_by(Presence.user_id)
    return db.session.execute(statement.order_by(since, Presence.user_id).limit(limit)).all()


def count_members(room: str) -> int:
    """Return how many users are in ``room``."""
    statement = select(func.count(Presence.user_id.distinct())).where(Presence.room == room)
    return db.session.scalar(statement) or 0
