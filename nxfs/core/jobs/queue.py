"""Queueing jobs, and what people may do with them afterwards: cancel, and try again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, current_app
from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

from nxfs.core import audit, clock
from nxfs.core.database import insert_into
from nxfs.core.jobs.errors import JobFinishedError, JobNotEndedError, JobNotFoundError, TooManyJobsError
from nxfs.core.jobs.events import tell_owner
from nxfs.core.jobs.kinds import all_kinds
from nxfs.core.jobs.leases import end
from nxfs.core.jobs.models import UNFINISHED, Job
from nxfs.core.transaction import Transaction, transaction

# Of one person: nobody shall fill the queue for the others.
MOST_UNFINISHED = 20
RETRY_AFTER_SECONDS = 10
_BELL = "nxfs.jobs.bell"

# Two requests of one person at the same time could both find room for one more job.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('nxfs jobs of ' || :owner_id, 0))")


def enqueue(
    tx: Transaction,
    kind: str,
    *,
    owner_id: int | None,
    arguments: Mapping[str, Any],
    language: str = "en",
    total: int | None = None,
) -> int:
    """Queue a job when ``tx`` commits, and return its id.

    ``arguments`` are JSON values, ``total`` how many steps it will have, as far as known. Raises ``TooManyJobsError``,
    ``KeyError`` for an unknown kind.
    """
    if owner_id is not None:
        _require_room(tx, owner_id)
    values = {"owner_id": owner_id, "language": language, "arguments": dict(arguments), "total": total}
    job_id: int = tx.session.scalars(_insert(kind, values).returning(Job.id)).one()
    tell_owner(tx, job_id, owner_id)
    tx.after_commit(ring)
    return job_id


def enqueue_once(tx: Transaction, kind: str, *, key: str) -> int | None:
    """Queue a job of the server's own when ``tx`` commits, and return its id.

    Of jobs with the same ``key`` only one is there that has not ended: for a second one, None is returned. Raises
    ``KeyError`` for an unknown kind.
    """
    values = {"owner_id": None, "language": "en", "arguments": {}, "key": key}
    statement = _insert(kind, values).on_conflict_do_nothing(index_elements=["key"])
    job_id = tx.session.scalar(statement.returning(Job.id))
    if job_id is not None:
        tx.after_commit(ring)
    return job_id


def enqueue_own(kind: str) -> None:
    """Queue a job of the server's own, unless there is one of this kind that has not ended."""
    with transaction() as tx:
        enqueue_once(tx, kind, key=kind)


def cancel(*, actor_id: int | None, job_id: int, condition: ColumnElement[bool]) -> None:
    """Cancel the job if it meets ``condition``: at once when nobody runs it, else at its next step, if it has one more.

    Raises ``JobNotFoundError``, ``JobFinishedError``.
    """
    with transaction() as tx:
        job = _lock(tx, job_id, condition)
        if job.state not in UNFINISHED:
            raise JobFinishedError
        job.cancel_requested = True
        if job.state == "queued" or job.lease_until < clock.now():
            end(tx, job, "cancelled")
        tx.audit("jobs.job_cancelled", actor_id=actor_id, target=job)


def retry(*, actor_id: int | None, job_id: int, condition: ColumnElement[bool]) -> None:
    """Queue a job again that failed or was cancelled, if it meets ``condition``; it goes on from where it was.

    Its ``key`` is not its own any more: a second job of its matter may be there already. Raises ``JobNotFoundError``,
    ``JobNotEndedError``, ``TooManyJobsError``.
    """
    with transaction() as tx:
        job = _lock(tx, job_id, condition)
        if job.state not in ("failed", "cancelled"):
            raise JobNotEndedError
        if job.owner_id is not None:
            _require_room(tx, job.owner_id)
        job.state, job.attempts, job.run_at, job.cancel_requested = "queued", 0, clock.now(), False
        job.result = job.error = job.failure = job.finished_at = None
        tx.audit("jobs.job_retried", actor_id=actor_id, target=job)
        tell_owner(tx, job.id, job.owner_id)
        tx.after_commit(ring)


def hang_up_bell(app: Flask, bell: Callable[[], object]) -> None:
    """Have ``bell`` called whenever there is work; without one, it is found by looking."""
    app.extensions[_BELL] = bell


def ring() -> None:
    """Say that there is work."""
    bell = current_app.extensions.get(_BELL)
    if bell is not None:
        bell()


def _insert(kind: str, values: Mapping[str, Any]) -> postgresql.Insert | sqlite.Insert:
    origin = audit.origin.get()
    return insert_into(Job).values(
        kind=all_kinds()[kind].name,
        state="queued",
        checkpoint={},
        done=0,
        attempts=0,
        run_at=clock.now(),
        created_at=clock.now(),
        request_id=origin.request_id,
        address=origin.address,
        user_agent=origin.user_agent,
        **values,
    )


def _lock(tx: Transaction, job_id: int, condition: ColumnElement[bool]) -> Job:
    job = tx.session.scalar(select(Job).where(Job.id == job_id, condition).with_for_update())
    if job is None:
        raise JobNotFoundError
    return job


def _require_room(tx: Transaction, owner_id: int) -> None:
    if tx.session.get_bind().dialect.name == "postgresql":
        tx.session.execute(_ONE_AT_A_TIME, {"owner_id": str(owner_id)})
    unfinished = select(func.count()).where(Job.owner_id == owner_id, Job.state.in_(UNFINISHED))
    if (tx.session.scalar(unfinished) or 0) >= MOST_UNFINISHED:
        raise TooManyJobsError(retry_after=RETRY_AFTER_SECONDS, most=MOST_UNFINISHED)
