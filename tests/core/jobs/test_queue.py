"""Tests of queueing: in the transaction of its cause, once for each key, not too many; cancelling and trying again."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select, true

from nxfs.core.errors import NotFoundError
from nxfs.core.jobs import queries, queue
from nxfs.core.jobs.errors import JobFinishedError, JobNotEndedError, JobNotFoundError, TooManyJobsError
from nxfs.core.jobs.models import Job
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests.core.jobs.trial import (
    after,
    claim_one,
    in_context,
    queue_job,
    steps,
    stored,
    take_step,
    told_count,
    trial,
)
from tests.jobs import run_due_jobs
from tests.tasks.logbook import Logbook
from tests.tasks.racing import run_together

OWNER = 7


def count_jobs():
    count = db.session.scalar(select(func.count()).select_from(Job))
    db.session.rollback()
    return count


def test_job_is_there_exactly_if_its_cause_is(app, install):
    install(trial())
    rings = []
    queue.hang_up_bell(app, lambda: rings.append(count_jobs()))
    with pytest.raises(NotFoundError), transaction() as tx:
        queue.enqueue(tx, "tests.trial", owner_id=OWNER, arguments={})
        raise NotFoundError
    assert (count_jobs(), rings, told_count()) == (0, [], 0)
    job_id = queue_job(owner_id=OWNER, arguments={"ids": [1, 2]}, language="no", total=2)
    # Whoever is rung finds it.
    assert (rings, told_count()) == ([1], 1)
    job = stored(job_id)
    assert (job.state, job.owner_id, job.arguments, job.language) == ("queued", OWNER, {"ids": [1, 2]}, "no")
    assert (job.done, job.total, job.attempts) == (0, 2, 0)


def test_unknown_kind_is_refused(install):
    install()
    with pytest.raises(KeyError):
        queue_job()


def queue_once(key):
    """Queue a job of the matter and return its id, None when there is one."""
    with transaction() as tx:
        return queue.enqueue_once(tx, "tests.trial", key=key)


def test_one_job_of_a_key_is_there_until_it_has_ended(install):
    install(trial())
    first = queue_once("the matter")
    assert queue_once("the matter") is None
    claim_one()
    assert queue_once("the matter") is None
    assert queue_once("another matter") is not None
    with after(minutes=1):
        queue.cancel(actor_id=None, job_id=first, condition=true())
    assert stored(first).state == "cancelled"
    assert queue_once("the matter") is not None


def test_own_jobs_at_once_of_many_callers_are_one(app, engine_name, install):
    install(trial())
    run_together(engine_name, [in_context(app, lambda: queue.enqueue_own("tests.trial"))] * 8)
    assert count_jobs() == 1


def test_a_person_has_at_most_twenty_jobs_that_have_not_ended(app, engine_name, install):
    install(trial())
    for _ in range(queue.MOST_UNFINISHED - 1):
        queue_job(owner_id=OWNER)

    def try_one_more():
        try:
            return queue_job(owner_id=OWNER) is not None
        except TooManyJobsError:
            return False

    answers = run_together(engine_name, [in_context(app, try_one_more)] * 6)
    assert sorted(answers) == [False] * 5 + [True]
    assert queue_job(owner_id=OWNER + 1) is not None
    assert run_due_jobs() == queue.MOST_UNFINISHED + 1
    assert try_one_more()


def test_cancel_queued_job_ends_it_at_once(install):
    install(trial(lambda job: take_step(job, 1) or {}))
    job_id = queue_job(owner_id=OWNER)
    logbook = Logbook()
    queue.cancel(actor_id=OWNER, job_id=job_id, condition=Job.owner_id == OWNER)
    assert logbook.types() == (["job_progressed"], ["jobs.job_cancelled"])
    job = stored(job_id)
    assert (job.state, job.finished_at is not None) == ("cancelled", True)
    assert (run_due_jobs(), steps()) == (0, [])
    with pytest.raises(JobFinishedError):
        queue.cancel(actor_id=OWNER, job_id=job_id, condition=true())


def test_cancel_running_job_ends_it_at_its_next_step_and_that_is_not_taken(install):
    def run(job):
        take_step(job, 1)
        queue.cancel(actor_id=OWNER, job_id=job.id, condition=true())
        assert stored(job.id).state == "running"
        take_step(job, 2)
        return {}

    install(trial(run))
    job_id = queue_job(owner_id=OWNER)
    assert run_due_jobs() == 1
    assert (stored(job_id).state, stored(job_id).done, steps()) == ("cancelled", 1, [1])


@pytest.mark.parametrize("error", [RuntimeError("this time not"), None])
def test_cancelled_job_that_fails_or_ends_before_it_notices_is_not_tried_again(install, error):
    def run(job):
        queue.cancel(actor_id=OWNER, job_id=job.id, condition=true())
        if error is not None:
            raise error
        return {"all": "done"}

    install(trial(run))
    job_id = queue_job(owner_id=OWNER)
    run_due_jobs()
    # What was done to the end is no less done.
    assert stored(job_id).state == ("succeeded" if error is None else "cancelled")


def test_cancel_job_whose_runner_is_lost_ends_it_at_once(install):
    install(trial())
    job_id = queue_job(owner_id=OWNER)
    claim_one()
    with after(seconds=31):
        queue.cancel(actor_id=OWNER, job_id=job_id, condition=true())
    assert stored(job_id).state == "cancelled"


def test_retry_goes_on_from_the_checkpoint(install):
    def run(job):
        for number in range(job.checkpoint.get("position", 0) + 1, 4):
            take_step(job, number, items=[number])
            if number == 2 and len(steps()) == 2:
                raise NotFoundError
        return {"items": job.read_items()}

    install(trial(run))
    job_id = queue_job(owner_id=OWNER)
    with pytest.raises(JobNotEndedError):
        queue.retry(actor_id=OWNER, job_id=job_id, condition=true())
    run_due_jobs()
    assert (stored(job_id).state, steps()) == ("failed", [1, 2])
    logbook = Logbook()
    queue.retry(actor_id=OWNER, job_id=job_id, condition=true())
    assert logbook.types() == (["job_progressed"], ["jobs.job_retried"])
    assert (stored(job_id).state, stored(job_id).error, stored(job_id).attempts) == ("queued", None, 0)
    run_due_jobs()
    job = stored(job_id)
    assert (job.state, job.result, job.done, steps()) == ("succeeded", {"items": [1, 2, 3]}, 3, [1, 2, 3])
    with pytest.raises(JobNotEndedError):
        queue.retry(actor_id=OWNER, job_id=job_id, condition=true())


def test_retry_when_there_are_too_many_already_is_refused(install):
    install(trial())
    job_id = queue_job(owner_id=OWNER)
    queue.cancel(actor_id=OWNER, job_id=job_id, condition=true())
    for _ in range(queue.MOST_UNFINISHED):
        queue_job(owner_id=OWNER)
    with pytest.raises(TooManyJobsError):
        queue.retry(actor_id=OWNER, job_id=job_id, condition=true())


def test_what_does_not_meet_the_condition_is_not_there(install):
    install(trial())
    job_id = queue_job(owner_id=OWNER)
    for action in (queue.cancel, queue.retry):
        with pytest.raises(JobNotFoundError):
            action(actor_id=8, job_id=job_id, condition=Job.owner_id == 8)
    with pytest.raises(JobNotFoundError):
        queries.get_job(Job.owner_id == 8, job_id)
    assert queries.get_job(Job.owner_id == OWNER, job_id).result is None


def test_find_jobs_reads_no_long_columns(install):
    install(trial())
    ids = [queue_job(), queue_job()]
    rows = queries.find_jobs([*ids, 999_999])
    assert [row.id for row in rows] == ids
    assert not {"arguments", "checkpoint", "result", "lease_token"} & set(rows[0]._mapping)
