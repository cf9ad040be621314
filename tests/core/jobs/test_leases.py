"""Tests of who runs which job: at most as many of a kind as may, one at a time, taken over when a runner is lost."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import true, update

from nxfs.core.jobs import leases, queue
from nxfs.core.jobs.errors import LeaseLost
from nxfs.core.jobs.execution import execute
from nxfs.core.jobs.models import Job
from nxfs.core.transaction import transaction
from tests.core.jobs.trial import (
    NAME,
    after,
    claim,
    claim_one,
    in_context,
    note_step,
    queue_job,
    steps,
    stored,
    take_step,
    trial,
)
from tests.jobs import run_due_jobs
from tests.tasks.logbook import row_counts
from tests.tasks.racing import Pause, run_together


def test_claim_of_many_at_once_takes_each_once_and_no_more_of_a_kind_than_may(app, engine_name, install, monkeypatch):
    install(trial(most_at_once=2), trial(name="tests.rare"), trial(name="tests.many", most_at_once=99))
    for kind in (NAME, "tests.rare", "tests.many") * 4:
        queue_job(kind)
    Pause(monkeypatch, engine_name, leases, "_kinds_with_room")
    claimed = run_together(engine_name, [in_context(app, claim)] * 12)
    taken = [job for job in claimed if job is not None]
    assert Counter(job.kind for job in taken) == {NAME: 2, "tests.rare": 1, "tests.many": 4}
    assert len({job.id for job in taken}) == len({job.lease_token for job in taken}) == 7
    assert claim() is None


def test_claim_takes_what_waits_longest_and_not_what_has_to_wait(install):
    install(trial(most_at_once=9))
    late, first, second = queue_job(), queue_job(), queue_job()
    with transaction() as tx:
        tx.session.execute(update(Job).where(Job.id == late).values(run_at=stored(late).run_at + timedelta(minutes=1)))
    assert [claim_one().id, claim_one().id, claim()] == [first, second, None]
    with after(seconds=61):
        assert late in (claim_one().id, claim_one().id, claim_one().id)


def test_jobs_of_one_owner_run_one_after_the_other_and_hold_up_nobody(install):
    install(trial(most_at_once=9))
    first, second, other, own = (queue_job(owner_id=owner) for owner in (7, 7, 8, None))
    taken = [claim_one(), claim_one(), claim_one()]
    assert ([job.id for job in taken], claim()) == ([first, other, own], None)
    leases.succeed(taken[0], {})
    assert claim_one().id == second


def test_claim_without_work_writes_nothing(install, monkeypatch):
    install(trial())
    queue_job()
    claim_one()
    # One is running, of a kind that has no room for the second.
    queue_job()
    before = row_counts()
    monkeypatch.setattr(leases, "transaction", None)
    assert claim() is None
    assert row_counts() == before


def test_lost_job_is_taken_over_and_its_former_runner_writes_nothing_more(install):
    install(trial())
    job_id = queue_job()
    lost = claim_one()
    take_step(lost, 1, items=["first"])
    with after(seconds=29):
        assert claim() is None
    with after(seconds=31):
        found = claim_one()
        assert (found.id, found.checkpoint, found.attempt, found.done) == (job_id, {"position": 1}, 2, 1)
        with pytest.raises(LeaseLost):
            take_step(lost, 2)
        for end_of_work in (
            lambda: leases.succeed(lost, {"by": "the lost"}),
            lambda: leases.cancel(lost),
            lambda: leases.give_back(lost),
            lambda: leases.fail(lost, failure="lost"),
        ):
            end_of_work()
        assert (stored(job_id).state, stored(job_id).lease_token) == ("running", found.lease_token)
        take_step(found, 2, items=["second"])
        assert found.read_items() == ["first", "second"]
        leases.succeed(found, {"by": "the finder"})
    assert (stored(job_id).result, steps()) == ({"by": "the finder"}, [1, 2])


def test_run_of_a_lost_job_ends_without_a_trace(install):
    def run(job):
        take_step(job, 1)
        with transaction() as tx:
            tx.session.execute(update(Job).values(lease_token="of-somebody-else"))
        take_step(job, 2)
        return {}

    install(trial(run))
    job_id = queue_job()
    assert run_due_jobs() == 1
    assert (stored(job_id).state, stored(job_id).lease_token, steps()) == ("running", "of-somebody-else", [1])


def test_keep_extends_the_lease(install):
    install(trial())
    job_id = queue_job()
    job = claim_one()
    with after(seconds=25):
        leases.keep([job.lease_token, "of-nobody"])
    with after(seconds=50):
        assert claim() is None
    with after(seconds=56):
        assert claim_one().id == job_id


def test_lost_runners_do_not_count_as_running(install):
    install(trial())
    queue_job()
    claim_one()
    other = queue_job()
    with after(seconds=31):
        claim_one()
        # The one that was taken over runs again.
        assert claim() is None
    assert stored(other).state == "queued"


def test_job_whose_runner_is_lost_five_times_is_failed_and_visible(install):
    ends = []
    install(trial(at_end=lambda tx, ended: ends.append((ended.id, ended.state, ended.owner_id))))
    job_id = queue_job(owner_id=7, language="no")
    for attempt in range(5):
        with after(minutes=attempt):
            assert claim_one().attempt == attempt + 1
    with after(minutes=5):
        assert claim() is None
    job = stored(job_id)
    assert (job.state, job.attempts, job.failure) == ("failed", 5, "Its runner was lost each time.")
    assert job.error == "Dette gikk ikke, og er forsøkt 5 ganger."
    assert ends == [(job_id, "failed", 7)]


def test_cancelled_job_whose_runner_is_lost_ends_though_its_kind_has_no_room(install):
    install(trial(), trial(name="tests.other"))
    cancelled = queue_job()
    claim_one()
    queue.cancel(actor_id=None, job_id=cancelled, condition=true())
    with after(seconds=31):
        with transaction() as tx:
            # Another of the kind runs meanwhile.
            running = {"state": "running", "lease_until": stored(cancelled).lease_until + timedelta(hours=1)}
            other = queue.enqueue(tx, NAME, owner_id=None, arguments={})
            tx.session.execute(update(Job).where(Job.id == other).values(**running, lease_token="x"))
        assert claim() is None
    assert (stored(cancelled).state, stored(other).state) == ("cancelled", "running")


def test_lost_job_ends_and_others_go_on_though_what_follows_its_end_fails(install):
    def fail_at_end(tx, ended):
        note_step(tx, ended.id)
        raise RuntimeError("nobody can be told")

    install(trial(at_end=fail_at_end), trial(name="tests.other"))
    poison = queue_job()
    claim_one()
    with transaction() as tx:
        tx.session.execute(update(Job).values(attempts=5))
    behind = queue_job("tests.other")
    with after(seconds=31):
        assert claim_one().id == behind
    assert (stored(poison).state, steps()) == ("failed", [])


def test_job_whose_end_fails_is_failed_at_last(install):
    def fail_at_end(tx, ended):
        raise RuntimeError("nobody can be told")

    install(trial(lambda job: take_step(job, 1) or {}, at_end=fail_at_end))
    job_id = queue_job()
    for attempt in range(4):
        with after(hours=attempt):
            assert run_due_jobs() == 1
    with after(hours=4):
        with pytest.raises(RuntimeError, match="nobody"):
            execute(claim_one())
    assert stored(job_id).state == "running"
    with after(hours=5):
        assert run_due_jobs() == 0
    assert stored(job_id).state == "failed"


def test_kind_that_is_unknown_here_is_left_to_those_who_know_it(install):
    install(trial(name="tests.new"))
    job_id = queue_job("tests.new")
    claim_one()
    waiting = queue_job("tests.new")
    install(trial())
    with after(minutes=1):
        assert claim() is None
    assert (stored(job_id).state, stored(waiting).state) == ("running", "queued")


def test_pauses_double_up_to_ten_minutes_and_are_spread():
    seconds = [[leases.pause_after(attempts).total_seconds() for _ in range(200)] for attempts in (1, 2, 3, 4, 20)]
    for pauses, middle in zip(seconds, (2, 4, 8, 16, 600), strict=True):
        assert 0.8 * middle <= min(pauses) < 0.9 * middle
        assert 1.1 * middle < max(pauses) <= 1.2 * middle
