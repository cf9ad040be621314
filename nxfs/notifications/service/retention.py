"""How long notifications are kept: forgotten in small batches, which lock little and nobody waits for."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, select

from nxfs.core import clock
from nxfs.core.settings import setting
from nxfs.core.transaction import release_connection, transaction
from nxfs.core.turns import let_others_run
from nxfs.extensions import db
from nxfs.notifications.models import Notification

BATCH = 500


def prune() -> int:
    """Delete for good what nothing was told by for ``NOTIFICATION_RETENTION_DAYS``; return how many that were."""
    before = clock.now() - timedelta(days=setting("NOTIFICATION_RETENTION_DAYS"))
    total = 0
    while _is_any_old(before):
        count = _delete_some(before)
        total += count
        if not count:
            # Another process deletes the rest.
            break
        # On SQLite a batch holds up the whole process.
        let_others_run()
    return total


def _is_any_old(before: datetime) -> bool:
    # Most runs find nothing, and shall not wait for those who write.
    old = select(Notification.id).where(Notification.updated_at < before).limit(1)
    is_any = db.session.scalar(old) is not None
    release_connection()
    return is_any


def _delete_some(before: datetime) -> int:
    with transaction() as tx:
        old = select(Notification.id).where(Notification.updated_at < before)
        old = old.order_by(Notification.updated_at, Notification.id).limit(BATCH).with_for_update(skip_locked=True)
        ids = list(tx.session.scalars(old))
        if ids:
            gone = delete(Notification).where(Notification.id.in_(ids))
            tx.session.execute(gone.execution_options(synchronize_session=False))
    return len(ids)
