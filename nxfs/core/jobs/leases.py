"""Who runs which job: taking one, keeping it, and giving it back, in transactions of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from random import uniform
from typing import Any

import structlog
from sqlalchemy import ColumnElement, delete, exists, func, or_, select, text, update
from sqlalchemy.orm import aliased

from nxfs.core import clock
from nxfs.core.audit import Origin
from nxfs.core.jobs.events import tell_owner
from nxfs.core.jobs.kinds import EndedJob, all_kinds
from nxfs.core.jobs.models import Job, JobPart
from nxfs.core.jobs.running import RunningJob, read_items
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
LOST = "Its runner was lost each time."
# In one look: it shall take no long time.
MOST_ENDED = 20
GAVE_UP = Text(
    "This did not work, and was tried {attempts} times.", "Dette gikk ikke, og er forsøkt {attempts} ganger."
)

# Two runners that take a job at the same time could both find room for one more of its kind.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('nxfs jobs'))")

log = structlog.get_logger("nxfs.jobs")


def claim(is_interrupted: Callable[[], bool]) -> RunningJob | None:
    """Take the job that is due for the longest time, with a lease, and return it; None when there is none to take.

    Those whose runner was lost come first. One whose runner was lost too often is failed instead.
    """
    # Most looks find nothing to take: that is one statement, and waits for nobody who writes.
    if not _is_any(is_lost() | _is_waiting() & Job.kind.in_(all_kinds())):
        return None
    _end_lost_jobs()
    if not _is_any(or_(*_due(_kinds_with_room()))):
        return None
    with transaction() as tx:
        if tx.session.get_bind().dialect.name == "postgresql":
            tx.session.execute(_ONE_AT_A_TIME)
        job = _find_due(tx)
        return None if job is None else _take(tx, job, is_interrupted)


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
            _requeue(tx, mine, timedelta())


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
            _requeue(tx, mine, pause_after(mine.attempts))


def end(tx: Transaction, job: Job, state: str, *, is_followed: bool = True) -> None:
    """End a locked job in ``tx``: its ``state`` is succeeded, failed or cancelled from now on.

    Unless it ``is_followed``, its kind's ``at_end`` is not called.
    """
    kind = all_kinds().get(job.kind)
    job.state, job.finished_at, job.lease_token, job.lease_until, job.key = state, clock.now(), None, None, None
    if state == "succeeded":
        # The result has it all; of a job that is tried again it still needs them.
        tx.session.execute(delete(JobPart).where(JobPart.job_id == job.id))
    elif kind is not None and kind.so_far is not None:
        job.result = dict(kind.so_far(job.done, read_items(job.id)))
    tell_owner(tx, job.id, job.owner_id)
    if is_followed and kind is not None and kind.at_end is not None:
        kind.at_end(tx, EndedJob(job.id, job.kind, kind.title, state, job.owner_id))


def pause_after(attempts: int) -> timedelta:
    """Return how long a job waits after its ``attempts``-th failure: 2, 4, 8, 16 s, a fifth more or less."""
    return min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE) * uniform(0.8, 1.2)


def is_lost() -> ColumnElement[bool]:
    """Return the condition that a job's runner has not been heard of for too long."""
    return (Job.state == "running") & (Job.lease_until < clock.now())


def _is_waiting() -> ColumnElement[bool]:
    return (Job.state == "queued") & (Job.run_at <= clock.now())


def _due(kinds: Collection[str]) -> list[ColumnElement[bool]]:
    """Return the conditions of jobs to take, those that come first first."""
    can_go_on = Job.kind.in_(kinds) & (Job.attempts < MOST_ATTEMPTS) & ~Job.cancel_requested
    return [is_lost() & can_go_on, _is_waiting() & can_go_on & _is_owners_turn()]


def _is_owners_turn() -> ColumnElement[bool]:
    """Return the condition that no other job of the owner runs: nobody's large jobs shall hold up everybody's."""
    other = aliased(Job)
    runs = (other.state == "running") & (other.lease_until >= clock.now())
    return Job.owner_id.is_(None) | ~exists().where(other.owner_id == Job.owner_id, runs)


def _is_any(condition: ColumnElement[bool]) -> bool:
    found = db.session.scalar(select(Job.id).where(condition).limit(1))
    release_connection()
    return found is not None


def _find_due(tx: Transaction) -> Job | None:
    # A statement for each: it walks along the index and reads one row, however many jobs wait.
    for is_due in _due(_kinds_with_room()):
        first = select(Job).where(is_due).order_by(Job.run_at, Job.id).limit(1)
        job = tx.session.scalar(first.with_for_update(skip_locked=True))
        if job is not None:
            return job
    return None


def _kinds_with_room() -> list[str]:
    """Return the kinds of which fewer jobs run than may."""
    counted = select(Job.kind, func.count()).where(Job.state == "running", ~is_lost()).group_by(Job.kind)
    running = dict(db.session.execute(counted).all())
    return [name for name, kind in all_kinds().items() if running.get(name, 0) < kind.most_at_once]


def _end_lost_jobs() -> None:
    """End jobs that were cancelled before their runner was lost, and those whose runner was lost too often."""
    shall_end = is_lost() & (Job.cancel_requested | (Job.attempts >= MOST_ATTEMPTS))
    ids = db.session.scalars(select(Job.id).where(shall_end).order_by(Job.id).limit(MOST_ENDED)).all()
    release_connection()
    for job_id in ids:
        try:
            _end_lost_job(job_id, shall_end)
        except Exception as error:
            # Others wait behind it: it has to end, even when what follows its end fails.
            log.error("what follows the end of a job failed", job=job_id, exc_info=error)
            _end_lost_job(job_id, shall_end, is_followed=False)


def _end_lost_job(job_id: int, shall_end: ColumnElement[bool], *, is_followed: bool = True) -> None:
    with transaction() as tx:
        lost = select(Job).where(Job.id == job_id, shall_end).with_for_update(skip_locked=True)
        job = tx.session.scalar(lost)
        if job is None:
            return
        if job.cancel_requested:
            end(tx, job, "cancelled", is_followed=is_followed)
        else:
            _give_up(tx, job, job.failure or LOST, is_followed=is_followed)


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


def _give_up(tx: Transaction, job: Job, failure: str, *, is_followed: bool = True) -> None:
    job.failure = failure[:LONGEST_FAILURE]
    job.error = translate(GAVE_UP.fill(attempts=job.attempts), job.language)
    end(tx, job, "failed", is_followed=is_followed)


def _requeue(tx: Transaction, job: Job, pause: timedelta) -> None:
    if job.cancel_requested:
        # It ended in another way before it noticed.
        end(tx, job, "cancelled")
        return
    job.state, job.run_at, job.lease_token, job.lease_until = "queued", clock.now() + pause, None, None
    tell_owner(tx, job.id, job.owner_id)


def _lock_mine(tx: Transaction, job: RunningJob) -> Job | None:
    mine = select(Job).where(Job.id == job.id, Job.lease_token == job.lease_token)
    return tx.session.scalar(mine.with_for_update())
