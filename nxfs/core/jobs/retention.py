"""How long jobs that have ended are kept, with their results."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, delete, exists, select

from nxfs.core import clock
from nxfs.core.jobs.models import Job
from nxfs.core.settings import setting
from nxfs.core.transaction import transaction
from nxfs.core.turns import let_others_run
from nxfs.extensions import db

BATCH = 200


def prune() -> int:
    """Delete jobs that ended more than ``JOB_RETENTION_DAYS`` ago, in batches; return how many.

    Those that rows of other domains still refer to are kept until these are gone.
    """
    ended_before = clock.now() - timedelta(days=setting("JOB_RETENTION_DAYS"))
    doomed = select(Job.id).where(Job.finished_at < ended_before, *_nothing_refers_to_it())
    total = 0
    while True:
        with transaction() as tx:
            batch = delete(Job).where(Job.id.in_(doomed.order_by(Job.finished_at).limit(BATCH)))
            count = tx.session.execute(batch.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]
        total += count
        if count < BATCH:
            return total
        # On SQLite a batch holds up the whole process.
        let_others_run()


def _nothing_refers_to_it() -> list[ColumnElement[bool]]:
    """Return conditions that no row would forbid to delete the job; the kernel does not know whose rows these are."""
    keys = [
        key for table in db.metadata.sorted_tables for key in table.foreign_keys if key.column.table is Job.__table__
    ]
    return [~exists().where(key.parent == Job.id) for key in keys if key.ondelete != "CASCADE"]
