"""How long the event log remembers: by age and by count, forgotten in small batches."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, select

from nxfs.core import clock, event_log
from nxfs.core.event_log import EventRecord
from nxfs.core.settings import setting
from nxfs.core.transaction import release_connection, transaction
from nxfs.core.turns import let_others_run
from nxfs.extensions import db

BATCH = 1_000


def prune() -> int:
    """Delete events older than ``EVENT_RETENTION_DAYS`` or more than ``EVENT_RETENTION_COUNT``; return how many.

    The newest stays, so that the log always knows its last id.
    """
    boundary = _first_to_keep()
    total = 0
    while True:
        first = event_log.first_id()
        release_connection()
        if first >= boundary:
            return total
        with transaction() as tx:
            doomed = delete(EventRecord).where(EventRecord.id < min(first + BATCH, boundary))
            total += tx.session.execute(doomed.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]
        # On SQLite a batch holds up the whole process.
        let_others_run()


def _first_to_keep() -> int:
    """Return the id of the oldest event that stays; ids have few gaps, so that they are as good as a count."""
    last = event_log.last_id()
    since = clock.now() - timedelta(days=setting("EVENT_RETENTION_DAYS"))
    recent = db.session.scalar(select(func.min(EventRecord.id)).where(EventRecord.occurred_at >= since))
    by_age = last if recent is None else recent
    return min(last, max(by_age, last - setting("EVENT_RETENTION_COUNT") + 1))
