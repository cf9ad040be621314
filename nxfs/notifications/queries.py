"""Reads of notifications: the list, one, how many are unread, and what is pushed to devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, func, select

from nxfs.auth.models import User
from nxfs.core.actor import Actor
from nxfs.core.messages import translate
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db
from nxfs.notifications.errors import NotificationNotFoundError
from nxfs.notifications.models import Notification, NotificationPreference
from nxfs.notifications.types import TYPES, message

DEFAULT_ORDERING = [("updated_at", True)]
IS_SHOWN = Notification.deleted_at.is_(None)
IS_UNREAD = Notification.read_at.is_(None) & IS_SHOWN

COLUMNS = (
    Notification.id,
    Notification.type,
    Notification.data,
    Notification.count,
    Notification.read_at,
    Notification.created_at,
    Notification.updated_at,
)


def get_notification(*, actor: Actor, notification_id: int) -> dict[str, Any]:
    """Return a notification of ``actor``; raise ``NotificationNotFoundError`` when there is no such."""
    found = select(*COLUMNS).where(Notification.id == notification_id, Notification.user_id == actor.id, IS_SHOWN)
    row = db.session.execute(found).one_or_none()
    if row is None:
        raise NotificationNotFoundError
    return _item(row, actor.language)


def list_notifications(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of the notifications of ``actor`` that pass all ``filters`` (see ``NotificationQuerySchema``)."""
    conditions = [Notification.user_id == actor.id, IS_SHOWN]
    if "read" in filters:
        is_unread = Notification.read_at.is_(None)
        conditions.append(~is_unread if filters["read"] else is_unread)
    if "type" in filters:
        conditions.append(Notification.type.in_(filters["type"]))
    rows = select(*COLUMNS).where(*conditions).order_by(*_ordering(filters))
    counted = select(Notification.id).where(*conditions)
    page = fetch_page(rows, counted=counted, page=filters["page"], page_size=filters["page_size"])
    return replace(page, items=[_item(row, actor.language) for row in page.items])


def count_unread(*, actor: Actor) -> int:
    """Return how many notifications of ``actor`` are unread."""
    return count_unread_of([actor.id])[actor.id]


def count_unread_of(user_ids: Iterable[int]) -> dict[int, int]:
    """Return how many notifications are unread, for each of the users, in one statement."""
    wanted = set(user_ids)
    counted = select(Notification.user_id, func.count()).where(Notification.user_id.in_(wanted), IS_UNREAD)
    counts = dict(db.session.execute(counted.group_by(Notification.user_id)).all())
    return {user_id: counts.get(user_id, 0) for user_id in wanted}


def find_pushed(notification_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return what devices are told of the notifications, each in the language of its user, in two statements.

    By id: what a list has of it, its ``user_id``, and ``unread_count``, how many of that user are unread now. Deleted
    ones are left out.
    """
    columns = (*COLUMNS, Notification.user_id, User.language)
    found = select(*columns).join(User, User.id == Notification.user_id).where(Notification.id.in_(notification_ids))
    rows = db.session.execute(found.where(IS_SHOWN)).all()
    unread = count_unread_of(row.user_id for row in rows) if rows else {}
    return {
        row.id: {**_item(row, row.language), "user_id": row.user_id, "unread_count": unread[row.user_id]}
        for row in rows
    }


def list_preferences(*, actor: Actor) -> list[dict[str, Any]]:
    """Return every type with its description, and whether ``actor`` wants it."""
    stored = select(NotificationPreference.type, NotificationPreference.is_enabled)
    wishes = dict(db.session.execute(stored.where(NotificationPreference.user_id == actor.id)).all())
    return [
        {"type": name, "description": translate(each.description, actor.language), "enabled": wishes.get(name, True)}
        for name, each in TYPES.items()
    ]


def _item(row: Any, language: str) -> dict[str, Any]:
    """Return a row of ``COLUMNS`` as clients see it."""
    return {
        "id": row.id,
        "type": row.type,
        "message": message(row.type, data=row.data, count=row.count, language=language),
        "data": row.data,
        "count": row.count,
        "read": row.read_at is not None,
        "read_at": row.read_at,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _ordering(filters: dict[str, Any]) -> list[ColumnElement[Any]]:
    names = filters.get("ordering") or DEFAULT_ORDERING
    columns = [(getattr(Notification, name), is_descending) for name, is_descending in names]
    columns.append((Notification.id, names[-1][1]))
    return [column.desc() if is_descending else column.asc() for column, is_descending in columns]
