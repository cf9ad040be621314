"""Notifications and what users want to be notified of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import IDS_ARE_NEVER_REUSED, BigIdentifier, Identifier, Moment
from nxfs.extensions import db

_SHOWN = text("deleted_at IS NULL")
_UNREAD = text("read_at IS NULL AND deleted_at IS NULL")


class Notification(db.Model):
    """One thing that a user is told of. The sentence is made of ``type``, ``data`` and ``count`` when it is read.

    ``key`` names what it is about. While it is set, another notification about the same becomes part of this one
    (``count`` times), or is left out if the type is one that is told once. Reading or deleting takes the key of the
    former kind away.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        Index("uq_notifications_user_id_key", "user_id", "key", unique=True),
        # Lists are counted, filtered and sorted on these alone.
        Index(
            "ix_notifications_shown_updated_at",
            *("user_id", "updated_at", "id", "type", "read_at"),
            sqlite_where=_SHOWN,
            postgresql_where=_SHOWN,
        ),
        Index(
            "ix_notifications_shown_created_at",
            *("user_id", "created_at", "id", "type", "read_at"),
            sqlite_where=_SHOWN,
            postgresql_where=_SHOWN,
        ),
        Index(
            "ix_notifications_unread",
            *("user_id", "key", "id", "type"),
            sqlite_where=_UNREAD,
            postgresql_where=_UNREAD,
        ),
        # Of whatever user, for those that are kept no longer.
        Index("ix_notifications_updated_at_id", "updated_at", "id"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(40))
    actor_id: Mapped[int | None] = mapped_column(db.BigInteger)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    # Ordered as Python orders texts: rows are locked in the order of their keys.
    key: Mapped[str | None] = mapped_column(String(120).with_variant(String(120, collation="C"), "postgresql"))
    count: Mapped[int] = mapped_column(Integer, default=1)
    read_at: Mapped[Moment | None]
    deleted_at: Mapped[Moment | None]
    created_at: Mapped[Moment] = mapped_column(default=clock.now)
    # When something was last told by it; reading it does not count.
    updated_at: Mapped[Moment] = mapped_column(default=clock.now)


class NotificationPreference(db.Model):
    """Whether a user wants notifications of a type; without a row he does."""

    __tablename__ = "notification_preferences"

    user_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    type: Mapped[str] = mapped_column(String(40), primary_key=True)
    is_enabled: Mapped[bool] = mapped_column(Boolean)
