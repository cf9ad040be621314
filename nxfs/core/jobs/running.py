"""A job as whoever runs it has it: its arguments, and the one way to write down how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select, update

from nxfs.core.audit import Origin
from nxfs.core.jobs.errors import JobCancelled, JobInterrupted, LeaseLost
from nxfs.core.jobs.events import tell_owner
from nxfs.core.jobs.models import Job, JobPart
from nxfs.core.transaction import Transaction, transaction
from nxfs.extensions import db

# Three times a second, and so with its queueing, beginning and end at most five times: the owner's screen, and the log
# that all clients follow, need no more.
TELL_SECONDS = 0.34


@dataclass
class RunningJob:
    """What the function of a job's kind gets. ``checkpoint`` is what was saved last, empty at the first attempt.

    ``origin`` is where its owner queued it from, which is what the audit log tells of what it does.
    """

    id: int
    kind: str
    owner_id: int | None
    language: str
    arguments: dict[str, Any]
    checkpoint: dict[str, Any]
    attempt: int
    done: int
    total: int | None
    lease_token: str
    origin: Origin
    is_interrupted: Callable[[], bool]
    _told_at: float = field(default_factory=lambda: time.monotonic())

    def save(
        self,
        tx: Transaction,
        *,
        done: int,
        total: int | None = None,
        checkpoint: dict[str, Any] | None = None,
        items: Sequence[Any] = (),
    ) -> None:
        """Write how far the job is when ``tx`` commits, and ``items`` of its result (see ``read_items``).

        The commit raises ``JobStopped``, and nothing of the transaction is written, when the job was cancelled, taken
        over by another runner, or has to stop: the work of a transaction is done once, or not at all.
        """
        self.done = done
        self.total = self.total if total is None else total
        self.checkpoint = self.checkpoint if checkpoint is None else checkpoint
        tx.last("job", lambda: self._write(tx, list(items)))

    def report(self, *, done: int, total: int | None = None) -> None:
        """Write how far the job is, in a transaction of its own, unless that was done a moment ago.

        Raises ``JobStopped`` as ``save`` does.
        """
        if self.is_interrupted():
            raise JobInterrupted
        if self._is_told_of():
            return
        with transaction() as tx:
            self.save(tx, done=done, total=total)

    def read_items(self) -> list[Any]:
        """Return all items that were saved, in their order."""
        return read_items(self.id)

    def _write(self, tx: Transaction, items: list[Any]) -> None:
        if self.is_interrupted():
            raise JobInterrupted
        is_mine = (Job.id == self.id) & (Job.lease_token == self.lease_token) & ~Job.cancel_requested
        values = {"done": self.done, "total": self.total, "checkpoint": self.checkpoint}
        written = tx.session.execute(
            update(Job).where(is_mine).values(values).execution_options(synchronize_session=False)
        )
        if not written.rowcount:  # type: ignore[attr-defined]
            token = tx.session.scalar(select(Job.lease_token).where(Job.id == self.id))
            raise JobCancelled if token == self.lease_token else LeaseLost
        if items:
            # Counted, not numbered by memory: a transaction that failed has left none.
            known = select(db.func.count()).where(JobPart.job_id == self.id)
            number = tx.session.scalar(known) or 0
            tx.session.execute(insert(JobPart), [{"job_id": self.id, "number": number, "items": items}])
        if not self._is_told_of():
            self._told_at = time.monotonic()
            tell_owner(tx, self.id, self.owner_id)

    def _is_told_of(self) -> bool:
        return time.monotonic() - self._told_at < TELL_SECONDS


def read_items(job_id: int) -> list[Any]:
    """Return all items of its result that the job has saved, in their order."""
    parts = select(JobPart.items).where(JobPart.job_id == job_id).order_by(JobPart.number)
    return [item for items in db.session.scalars(parts) for item in items]
