"""Who runs which job: taking one, keeping it, and giving it back, in transactions of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from random import uniform
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, or_, select, text, update

from nxfs.core import clock
from nxfs.core.audit import Origin
from nxfs.core.jobs.events import tell_owner
from nxfs.core.jobs.kinds import EndedJob, all_kinds
from nxfs.core.jobs.models import Job, JobPart
from nxfs.core.jobs.running import RunningJob
from nxfs.core.messages import Text, translate
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.extensions import db

# A runner that was killed is missed after this time; it says three times in it that it is there.
LEASE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 10.0
MOST_ATTEMPTS = 5
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=10)
LONGEST_FAILURE = 2_000
GAVE_UP = Text(
    "This did not work, and was tried {attempts} times.", "Dette gikk ikke, og er forsøkt {attempts} ganger."
)

# Two runners that take a job at the same time could both find room for one more of its kind.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('nxfs jobs'))")


def claim(is_interrupted: Callable[[], bool]) -> RunningJob | None:
    """Take the job that is due for the longest time, with a lease, and return it; None when there is none to take.

    A job whose runner was killed too often is failed instead.
    """
    if not _is_any_due():
        return None
    with transaction() as tx:
        if tx.session.get_bind().dialect.name == "postgresql":
            tx.session.execute(_ONE_AT_A_TIME)
        while True:
            due = select(Job).where(_is_due(), Job.kind.in_(_kinds_with_room(tx)))
            job = tx.session.scalar(due.order_by(Job.run_at, Job.id).limit(1).with_for_update(skip_locked=True))
            if job is None:
                return None
            if job.state == "running" and job.cancel_requested:
                end(tx, job, "cancelled")
            elif job.attempts >= MOST_ATTEMPTS:
                _give_up(tx, job, "Its runner was lost each time.")
            else:
                return _take(tx, job, is_interrupted)
            tx.session.flush()


def keep(tokens: Collection[str]) -> None:
    """Extend the leases with these tokens."""
    with transaction() as tx:
        mine = update(Job).where(Job.lease_token.in_(tokens)).values(lease_until=clock.now() + LEASE)
        tx.session.execute(mine.execution_options(synchronize_session=False))


def succeed(job: RunningJob, result: Mapping[str, Any]) -> None:
    """End the job with its result; nothing happens when another runner has it."""
    with transaction() as tx:
        mine = _lock_mine(tx, job)
        if mine is not None:
            mine.result = dict(result)
            mine.error = mine.failure = None
            end(tx, mine, "succeeded")


def cancel(job: RunningJob) -> None:
    """End the job because somebody wants it to; what it has done stays."""
    with transaction() as tx:
        mine = _lock_mine(tx, job)
        if mine is not None:
            end(tx, mine, "cancelled")


def give_back(job: RunningJob) -> None:
    """Let another runner go on with the job at once; this was no attempt that failed."""
    with transaction() as tx:
        mine = _lock_mine(tx, job)
        if mine is not None:
            mine.attempts -= 1
            _requeue(mine, timedelta())


def fail(job: RunningJob, *, failure: str, error: Text | None = None) -> None:
    """Try the job again after a pause that doubles; end it when it was tried often enough, or with ``error`` at once.

    ``error`` is a sentence for the owner, ``failure`` what the operator needs to know.
    """
    with transaction() as tx:
        mine = _lock_mine(tx, job)
        if mine is None:
            return
        mine.failure = failure[:LONGEST_FAILURE]
        if error is not None:
            mine.error = translate(error, mine.language)
            end(tx, mine, "failed")
        elif mine.attempts >= MOST_ATTEMPTS:
            _give_up(tx, mine, failure)
        else:
            _requeue(mine, pause_after(mine.attempts))
            tell_owner(tx, mine.id, mine.owner_id)


def end(tx: Transaction, job: Job, state: str) -> None:
    """End a locked job in ``tx``: its ``state`` is succeeded, failed or cancelled from now on."""
    kind = all_kinds().get(job.kind)
    job.state, job.finished_at, job.lease_token, job.lease_until, job.key = state, clock.now(), None, None, None
    if state == "succeeded":
        # The result has it all; of a job that is tried again it still needs them.
        tx.session.execute(delete(JobPart).where(JobPart.job_id == job.id))
    tell_owner(tx, job.id, job.owner_id)
    if kind is not None and kind.at_end is not None:
        kind.at_end(tx, EndedJob(job.id, job.kind, kind.title, state, job.owner_id))


def pause_after(attempts: int) -> timedelta:
    """Return how long a job waits after its ``attempts``-th failure: 2, 4, 8, 16 s, a fifth more or less."""
    return min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE) * uniform(0.8, 1.2)


def _is_any_due() -> bool:
    # Most looks find nothing, and shall not wait for those who write.
    is_any = db.session.scalar(select(Job.id).where(_is_due(), Job.kind.in_(all_kinds())).limit(1)) is not None
    release_connection()
    return is_any


def _is_due() -> ColumnElement[bool]:
    now = clock.now()
    is_waiting = (Job.state == "queued") & (Job.run_at <= now)
    return or_(is_waiting, (Job.state == "running") & (Job.lease_until < now))


def _kinds_with_room(tx: Transaction) -> list[str]:
    """Return the kinds of which fewer jobs run than may."""
    is_run = case((Job.lease_until >= clock.now(), 1))
    counted = select(Job.kind, func.count(is_run)).where(Job.state == "running").group_by(Job.kind)
    running = dict(tx.session.execute(counted).all())
    return [name for name, kind in all_kinds().items() if running.get(name, 0) < kind.most_at_once]


def _take(tx: Transaction, job: Job, is_interrupted: Callable[[], bool]) -> RunningJob:
    job.state, job.attempts = "running", job.attempts + 1
    job.lease_token, job.lease_until = secrets.token_hex(16), clock.now() + LEASE
    job.started_at = job.started_at or clock.now()
    tell_owner(tx, job.id, job.owner_id)
    return RunningJob(
        id=job.id,
        kind=job.kind,
        owner_id=job.owner_id,
        language=job.language,
        arguments=job.arguments,
        checkpoint=job.checkpoint,
        attempt=job.attempts,
        done=job.done,
        total=job.total,
        lease_token=job.lease_token,
        origin=Origin(job.request_id, job.address, job.user_agent),
        is_interrupted=is_interrupted,
    )


def _give_up(tx: Transaction, job: Job, failure: str) -> None:
    job.failure = failure[:LONGEST_FAILURE]
    job.error = translate(GAVE_UP.fill(attempts=job.attempts), job.language)
    end(tx, job, "failed")


def _requeue(job: Job, pause: timedelta) -> None:
    job.state, job.run_at, job.lease_token, job.lease_until = "queued", clock.now() + pause, None, None


def _lock_mine(tx: Transaction, job: RunningJob) -> Job | None:
    mine = select(Job).where(Job.id == job.id, Job.lease_token == job.lease_token)
    return tx.session.scalar(mine.with_for_update())
