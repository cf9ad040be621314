"""What is known of runs at intervals: kept in memory by the leading process, and written together now and then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime

from sqlalchemy import Integer, String, Text, select
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import Moment, insert_into
from nxfs.core.transaction import Transaction, release_connection
from nxfs.extensions import db

LONGEST_FAILURE = 500
LOST = "The process that ran it has ended."


class ScheduledRun(db.Model):
    """The last run of what is due at intervals: ``outcome`` is success or failure, ``failure`` what went wrong.

    It runs while ``finished_at``, ``outcome`` and ``failure`` are still those of the run before ``started_at``.
    """

    __tablename__ = "scheduled_runs"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    next_run_at: Mapped[Moment]
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    outcome: Mapped[str | None] = mapped_column(String(10))
    failure: Mapped[str | None] = mapped_column(Text)
    run_count: Mapped[int] = mapped_column(Integer, default=0)


@dataclass(frozen=True)
class Run:
    """A row of ``ScheduledRun`` in memory."""

    name: str
    next_run_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: str | None = None
    failure: str | None = None
    run_count: int = 0

    @property
    def is_running(self) -> bool:
        """True when a run has begun and not ended."""
        return self.started_at is not None and (self.finished_at is None or self.finished_at < self.started_at)


class Runs:
    """The last run of each entry.

    Some entries are due every two seconds; a transaction for each run would be most of what an idle server writes. What
    a process had not yet written when it was killed is lost: its successor runs these entries once more, which they
    have to bear anyway.
    """

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        self._runs = {run.name: run for run in runs}
        self._unwritten: dict[str, Run] = {}

    def find(self, name: str) -> Run | None:
        """Return the last run of the entry ``name``, if there was one."""
        return self._runs.get(name)

    def begin(self, name: str, *, next_run_at: datetime) -> None:
        """Note that a run begins now, and when the next one is due."""
        former = self._runs.get(name) or Run(name, next_run_at)
        run_count = former.run_count + 1
        self._note(replace(former, next_run_at=next_run_at, started_at=clock.now(), run_count=run_count))

    def end(self, name: str, failure: str | None) -> None:
        """Note that the run ends now, and what went wrong, if anything did."""
        outcome = "success" if failure is None else "failure"
        cut = None if failure is None else failure[:LONGEST_FAILURE]
        self._note(replace(self._runs[name], finished_at=clock.now(), outcome=outcome, failure=cut))

    def end_lost(self) -> None:
        """Note of runs whose process has ended in their middle that they failed, and are due at once."""
        for run in [each for each in self._runs.values() if each.is_running]:
            self.end(run.name, LOST)
            self._note(replace(self._runs[run.name], next_run_at=clock.now()))

    def write(self, tx: Transaction) -> None:
        """Write, with one statement, what was noted since the last time that this was committed."""
        written = dict(self._unwritten)
        if not written:
            return
        insertion = insert_into(ScheduledRun).values([asdict(run) for run in written.values()])
        changed = {each.name: insertion.excluded[each.name] for each in fields(Run) if each.name != "name"}
        tx.session.execute(insertion.on_conflict_do_update(index_elements=["name"], set_=changed))
        tx.after_commit(lambda: self._forget_written(written))

    def _note(self, run: Run) -> None:
        self._runs[run.name] = self._unwritten[run.name] = run

    def _forget_written(self, written: dict[str, Run]) -> None:
        for name, run in written.items():
            # What was noted while the transaction was under way is to be written next time.
            if self._unwritten.get(name) is run:
                del self._unwritten[name]


def read_runs() -> Runs:
    """Return the runs that the database knows."""
    rows = db.session.execute(select(*ScheduledRun.__table__.columns)).all()
    release_connection()
    return Runs(Run(**row._mapping) for row in rows)
