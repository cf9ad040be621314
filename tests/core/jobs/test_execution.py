"""Tests of running one job: how each way to end is written down, what it saves, and how often it tells of itself."""

from __future__ import annotations

import pytest

from nxfs.core import audit
from nxfs.core.errors import ConflictError, ServiceUnavailableError
from nxfs.core.jobs import leases, running
from nxfs.core.jobs.execution import execute
from nxfs.core.jobs.models import Job, JobPart
from nxfs.core.messages import Text
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests.core.jobs.trial import after, claim_one, queue_job, steps, stored, take_step, told_count, trial
from tests.jobs import run_due_jobs


def raising(error):
    def run(job):
        raise error

    return run


def test_job_that_succeeds_has_its_result_and_no_parts(install):
    ends = []

    def run(job):
        take_step(job, 1, total=2, items=["a", "b"])
        take_step(job, 2, items=["c"])
        return {"items": job.read_items()}

    install(trial(run, at_end=lambda tx, ended: ends.append((ended.state, ended.kind, ended.title.nb))))
    job_id = queue_job(owner_id=7)
    assert run_due_jobs() == 1
    job = stored(job_id)
    assert (job.state, job.result, job.done, job.total) == ("succeeded", {"items": ["a", "b", "c"]}, 2, 2)
    assert (job.lease_token, job.lease_until, job.error, job.failure) == (None, None, None, None)
    assert job.created_at <= job.started_at <= job.finished_at
    assert ends == [("succeeded", "tests.trial", "Prøve")]
    assert db.session.query(JobPart).count() == 0


def test_arguments_and_origin_reach_the_job_and_its_audit_entries(install):
    seen = []

    def run(job):
        seen.append((job.arguments, job.owner_id, job.language, audit.origin.get()))
        return {}

    install(trial(run))
    former, here = audit.origin.get(), audit.Origin("request-1", "192.0.2.1", "Browser")
    before = audit.origin.set(here)
    try:
        queue_job(owner_id=7, language="no", arguments={"ids": [1]})
    finally:
        audit.origin.reset(before)
    run_due_jobs()
    assert seen == [({"ids": [1]}, 7, "no", here)]
    assert audit.origin.get() == former


def test_error_of_the_owner_fails_the_job_at_once_with_its_sentence(install):
    sentence = Text("The category is gone.", "Kategorien er borte.")
    install(trial(raising(ConflictError(sentence))))
    job_id = queue_job(owner_id=7, language="no")
    run_due_jobs()
    job = stored(job_id)
    assert (job.state, job.attempts, job.error) == ("failed", 1, "Kategorien er borte.")
    assert "The category is gone." in job.failure


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ServiceUnavailableError()])
def test_other_errors_are_tried_again_after_a_pause_and_five_times_in_all(install, error):
    install(trial(raising(error)))
    job_id = queue_job(owner_id=7)
    for attempt in range(1, 5):
        with after(hours=attempt):
            assert run_due_jobs() == 1
            job = stored(job_id)
            assert (job.state, job.attempts, job.error, job.finished_at) == ("queued", attempt, None, None)
    assert type(error).__name__ in job.failure
    with after(hours=5):
        assert run_due_jobs() == 1
        job = stored(job_id)
        assert (job.state, job.attempts) == ("failed", 5)
        assert job.error == "This did not work, and was tried 5 times."
        assert type(error).__name__ in job.failure
    with after(hours=6):
        assert run_due_jobs() == 0


def test_pause_before_the_next_attempt_is_kept(install):
    install(trial(raising(RuntimeError("a bug"))))
    queue_job()
    assert run_due_jobs() == 1
    with after(seconds=1.5):
        assert run_due_jobs() == 0
    with after(seconds=2.6):
        assert run_due_jobs() == 1
        with after(seconds=3.1):
            assert run_due_jobs() == 0
        with after(seconds=5):
            assert run_due_jobs() == 1


def test_result_that_is_no_json_fails_the_attempt(install):
    install(trial(lambda job: {"job": job}))
    job_id = queue_job()
    run_due_jobs()
    assert (stored(job_id).state, "TypeError" in stored(job_id).failure) == ("queued", True)


def test_interrupted_job_is_given_back_and_goes_on_elsewhere_at_once(install):
    stopping = []

    def run(job):
        for number in range(job.checkpoint.get("position", 0) + 1, 5):
            take_step(job, number)
            stopping.append(number)
        return {}

    install(trial(run))
    job_id = queue_job()
    execute(leases.claim(lambda: len(stopping) == 2))
    job = stored(job_id)
    assert (job.state, job.attempts, job.lease_token, job.checkpoint) == ("queued", 0, None, {"position": 2})
    assert run_due_jobs() == 1
    assert (stored(job_id).state, stored(job_id).attempts, steps()) == ("succeeded", 1, [1, 2, 3, 4])


def test_work_whose_transaction_fails_is_not_said_to_be_done(install):
    def run(job):
        take_step(job, 1, items=["kept"])
        try:
            with transaction() as tx:
                job.save(tx, done=9, items=["lost"])
                tx.session.add(Job(kind="tests.trial", id=job.id))
        except ConflictError:
            assert stored(job.id).done == 1
        take_step(job, 2, items=["kept too"])
        return {"items": job.read_items()}

    install(trial(run))
    job_id = queue_job()
    run_due_jobs()
    assert stored(job_id).result == {"items": ["kept", "kept too"]}


def test_progress_is_told_at_most_five_times_a_second_with_beginning_and_end(install, monkeypatch):
    # A clock that only this test moves.
    now = [1000.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: now[0])
    moments = []
    install(trial())
    moments.extend([now[0]] * (queue_job(owner_id=7) is not None))
    job = claim_one()
    for step in range(1, 301):
        # A hundred steps a second.
        now[0] += 0.01
        before = told_count()
        if step % 2:
            take_step(job, step)
        else:
            job.report(done=step)
        moments.extend([now[0]] * (told_count() - before))
    moments.append(now[0])
    leases.succeed(job, {})
    assert told_count() == len(moments) + 1
    # Its beginning was told in the moment of its queueing.
    moments.insert(0, 1000.0)
    assert max(sum(start <= moment < start + 1 for moment in moments) for start in moments) <= 5
    assert len(moments) >= 9


def test_report_writes_progress_but_not_at_every_call(install, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: now[0])
    install(trial())
    job_id = queue_job(owner_id=7, total=10)
    job = claim_one()
    job.report(done=1)
    assert stored(job_id).done == 0
    now[0] += 1
    job.report(done=2, total=20)
    job.report(done=3)
    assert (stored(job_id).done, stored(job_id).total) == (2, 20)
