"""Reading and deleting: what a user does with notifications, on one device, and all others hear of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, case, exists, func, null, select, update

from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.events import audience_of
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.core.turns import let_others_run
from nxfs.extensions import db
from nxfs.notifications.errors import NotificationNotFoundError
from nxfs.notifications.events import NotificationsRead
from nxfs.notifications.models import Notification
from nxfs.notifications.queries import IS_UNREAD
from nxfs.notifications.types import TOLD_ONCE

MOST_AT_ONCE = 1_000


def mark_read(*, actor: Actor, notification_id: int) -> None:
    """Mark a notification as read; one that is read already stays as it is. Raises ``NotificationNotFoundError``."""
    with transaction() as tx:
        notification = _lock(tx, actor, notification_id)
        if notification.deleted_at is not None:
            raise NotificationNotFoundError
        if notification.read_at is not None:
            return
        notification.read_at = clock.now()
        _close(notification)
        _tell(tx, actor, [notification.id])
        tx.audit("notifications.notification_read", actor_id=actor.id, target=notification)


def mark_all_read(*, actor: Actor, types: Sequence[str] | None = None) -> int:
    """Mark all unread notifications, or those of ``types``, as read, and return how many there were.

    Each thousand is a transaction of its own, so that those who notify never wait long.
    """
    conditions = [Notification.user_id == actor.id, IS_UNREAD]
    if types is not None:
        conditions.append(Notification.type.in_(types))
    # The newest of all: of one user's, PostgreSQL would look for it among everybody's.
    newest = select(func.max(Notification.id)).scalar_subquery()
    last, is_any = db.session.execute(select(newest, exists().where(*conditions))).one()
    release_connection()
    if not is_any:
        return 0
    total = 0
    while True:
        # What comes meanwhile was not seen by whoever asked for this.
        count = _mark_some_read(actor, [*conditions, Notification.id <= last])
        total += count
        if count < MOST_AT_ONCE:
            return total
        # On SQLite a batch holds up the whole process.
        let_others_run()


def delete_notification(*, actor: Actor, notification_id: int) -> None:
    """Delete a notification; nothing happens to one that is deleted already. Raises ``NotificationNotFoundError``.

    It is hidden, and gone for good when it would be forgotten anyway.
    """
    with transaction() as tx:
        notification = _lock(tx, actor, notification_id)
        if notification.deleted_at is not None:
            return
        notification.deleted_at = clock.now()
        _close(notification)
        _tell(tx, actor, [notification.id])
        tx.audit("notifications.notification_deleted", actor_id=actor.id, target=notification)


def _lock(tx: Transaction, actor: Actor, notification_id: int) -> Notification:
    own = (Notification.id == notification_id) & (Notification.user_id == actor.id)
    notification = tx.session.scalar(select(Notification).where(own).with_for_update())
    if notification is None:
        raise NotificationNotFoundError
    return notification


def _close(notification: Notification) -> None:
    """Let the next notification about the same be a new one, unless there shall be none."""
    if notification.type not in TOLD_ONCE:
        notification.key = None


def _mark_some_read(actor: Actor, conditions: Sequence[ColumnElement[bool]]) -> int:
    with transaction() as tx:
        # In the order in which notifications are written.
        unread = select(Notification.id).where(*conditions).order_by(Notification.key, Notification.id)
        ids = list(tx.session.scalars(unread.limit(MOST_AT_ONCE).with_for_update()))
        if ids:
            key = case((Notification.type.in_(TOLD_ONCE), Notification.key), else_=null())
            read = update(Notification).where(Notification.id.in_(ids)).values(read_at=clock.now(), key=key)
            tx.session.execute(read.execution_options(synchronize_session=False))
            _tell(tx, actor, ids)
            tx.audit("notifications.notifications_read", actor_id=actor.id, changes={"unread": [len(ids), 0]})
    return len(ids)


def _tell(tx: Transaction, actor: Actor, ids: Sequence[int]) -> None:
    heard = audience_of(user_ids=[actor.id])
    event = NotificationsRead(user_id=actor.id, notification_ids=tuple(ids), audience=heard)
    tx.emit(event, actor_id=actor.id)
