"""Notifications, made as the domains make them."""

from __future__ import annotations

from itertools import count
from typing import Any

from sqlalchemy import func, select

from nxfs.auth.models import User
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.notifications.models import Notification
from nxfs.notifications.service.notifying import notify

_numbers = count(1)


def create_notification(
    user: User, type_: str = "task_changed", *, actor: User | None = None, key: str | None = None, **data: Any
) -> int:
    """Notify ``user``, by default of something new, and return the notification's id once the transaction is over.

    Inside a transaction of the caller's the id is that of nothing yet: 0.
    """
    number = next(_numbers)
    facts = {"task_id": number, "title": f"Task {number}", "project_id": None, **data}
    actor_id = actor.id if actor is not None else None
    with transaction() as tx:
        notify(tx, type_, [user.id], actor_id=actor_id, data=facts, key=key or f"test:{number}")
    return newest_id(user)


def newest_id(user: User) -> int:
    """Return the id of the newest notification of ``user``, 0 without any."""
    newest = select(func.max(Notification.id)).where(Notification.user_id == user.id)
    return db.session.scalar(newest) or 0
