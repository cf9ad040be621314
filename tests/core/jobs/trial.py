"""Jobs to try things with: what they do is a function of the test, and each step they take is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import time_machine
from flask import Flask
from sqlalchemy import func, select

from nxfs.core import clock
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.core.jobs import leases, queue
from nxfs.core.jobs.kinds import Kind
from nxfs.core.jobs.models import Job
from nxfs.core.jobs.running import RunningJob
from nxfs.core.messages import Text
from nxfs.core.transaction import Transaction, transaction
from nxfs.extensions import db

NAME = "tests.trial"
STEP = "tests.step_taken"

Run = Callable[[RunningJob], Mapping[str, Any]]


def trial(run: Run = lambda job: {}, *, name: str = NAME, most_at_once: int = 1, at_end: Any = None) -> Kind:
    """Return a kind of jobs that do ``run``."""
    return Kind(name, Text("Trial", "Prøve"), run, most_at_once=most_at_once, at_end=at_end)


def queue_job(kind: str = NAME, **values: Any) -> int:
    """Queue a job and return its id."""
    with transaction() as tx:
        return queue.enqueue(tx, kind, **{"owner_id": None, "arguments": {}, **values})


def claim() -> RunningJob | None:
    """Take the next job, as a runner that is never asked to stop."""
    return leases.claim(lambda: False)


def claim_one() -> RunningJob:
    """Take the next job; there has to be one."""
    job = claim()
    assert job is not None
    return job


def take_step(job: RunningJob, done: int, **values: Any) -> None:
    """Do a step of a job that can be counted, in the transaction that says how far it is."""
    with transaction() as tx:
        note_step(tx, done)
        job.save(tx, done=done, checkpoint={"position": done}, **values)


def note_step(tx: Transaction, number: int) -> None:
    """Write what ``steps`` reads."""
    tx.audit(STEP, actor_id=None, changes={"step": number})


def steps() -> list[int]:
    """Return the numbers of the steps that were taken, in their order."""
    rows = db.session.scalars(select(AuditEntry.changes).where(AuditEntry.action == STEP).order_by(AuditEntry.id)).all()
    db.session.rollback()
    return [row["step"] for row in rows]


def stored(job_id: int) -> Job:
    """Return the job as the database has it now."""
    db.session.rollback()
    job = db.session.get_one(Job, job_id, populate_existing=True)
    db.session.expunge(job)
    db.session.rollback()
    return job


def told_count() -> int:
    """Return how often owners were told of their jobs."""
    count = db.session.scalar(select(func.count()).where(EventRecord.type == "job_progressed"))
    db.session.rollback()
    return count or 0


def after(**duration: float) -> time_machine.travel:
    """Return a context in which so much time has passed."""
    return time_machine.travel(clock.now() + timedelta(**duration))


def in_context(app: Flask, action: Callable[[], Any]) -> Callable[[], Any]:
    """Return ``action`` for another greenlet or thread."""

    def run() -> Any:
        with app.app_context():
            return action()

    return run
