"""Tests of a process's runner: it is woken, keeps leases, gives back what it must, and survives what fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gevent
import pytest
from sqlalchemy.exc import OperationalError

from nxfs.core.jobs import leases, runner
from nxfs.core.jobs.runner import Runner
from tests.core.jobs.trial import after, claim_one, queue_job, steps, stored, take_step, trial
from tests.jobs import run_due_jobs
from tests.waiting import wait_until

Start = Callable[..., Runner]


@pytest.fixture
def start(app) -> Iterator[Start]:
    """Start runners that end with the test."""
    started = []

    def start_runner(workers: int = 2) -> Runner:
        started.append(Runner(app, workers=workers))
        started[-1].start()
        return started[-1]

    yield start_runner
    for each in started:
        each.kill()


def is_in(state, *job_ids):
    return lambda: all(stored(job_id).state == state for job_id in job_ids)


def run_three_steps(job):
    for number in range(job.checkpoint.get("position", 0) + 1, 4):
        take_step(job, number)
    return {}


def test_ring_runs_jobs_at_once_and_no_more_than_it_has_workers(start, install, monkeypatch):
    monkeypatch.setattr(runner, "POLL_SECONDS", 3600)
    together, most, is_free = [0], [0], gevent.event.Event()

    def run(job):
        together[0] += 1
        most[0] = max(most[0], together[0])
        is_free.wait(10)
        together[0] -= 1
        return {}

    install(trial(run, most_at_once=9))
    running = start(workers=2)
    gevent.sleep(0)
    job_ids = [queue_job() for _ in range(5)]
    running.ring()
    wait_until(lambda: together[0] == 2, seconds=5)
    is_free.set()
    # Each that ends makes room for the next.
    wait_until(is_in("succeeded", *job_ids), seconds=5)
    assert most == [2]


def test_jobs_are_found_without_a_ring(start, install, monkeypatch):
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.05)
    install(trial())
    start()
    job_id = queue_job()
    wait_until(is_in("succeeded", job_id), seconds=5)


def test_stop_gives_back_what_runs_and_takes_nothing_more(start, install):
    may_go_on = gevent.event.Event()

    def run(job):
        if job.attempt == 1 and not job.checkpoint:
            take_step(job, 1)
            may_go_on.wait(10)
        return run_three_steps(job)

    install(trial(run), trial(name="tests.other"))
    job_id = queue_job()
    running = start()
    wait_until(lambda: steps() == [1], seconds=5)
    running.stop()
    other = queue_job("tests.other")
    running.ring()
    may_go_on.set()
    assert running.join(5)
    assert (stored(job_id).state, stored(job_id).attempts, stored(other).state) == ("queued", 0, "queued")
    run_due_jobs()
    assert is_in("succeeded", job_id)()
    assert steps() == [1, 2, 3]


def test_join_waits_for_the_job_that_is_just_being_taken(start, install, monkeypatch):
    install(trial(run_three_steps))
    job_id = queue_job()
    claimed, is_taking = leases.claim, gevent.event.Event()

    def claim_slowly(is_interrupted):
        is_taking.set()
        gevent.sleep(0.1)
        return claimed(is_interrupted)

    monkeypatch.setattr(leases, "claim", claim_slowly)
    running = start()
    assert is_taking.wait(5)
    running.stop()
    assert running.join(5)
    assert (stored(job_id).state, steps()) == ("queued", [])


def test_join_does_not_wait_for_ever(start, install):
    install(trial(lambda job: gevent.sleep(60) or {}))
    job_id = queue_job()
    running = start()
    wait_until(is_in("running", job_id), seconds=5)
    running.stop()
    assert not running.join(0.1)


def test_leases_of_what_runs_are_kept(start, install, monkeypatch):
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.05)
    is_free = gevent.event.Event()
    install(trial(lambda job: is_free.wait(10) and {}))
    job_id = queue_job()
    start()
    wait_until(is_in("running", job_id), seconds=5)
    first = stored(job_id).lease_until
    wait_until(lambda: stored(job_id).lease_until > first, seconds=5)
    is_free.set()
    wait_until(is_in("succeeded", job_id), seconds=5)


def test_killed_runner_leaves_its_job_to_whoever_comes_after_the_lease(start, install):
    def run(job):
        if job.attempt == 1:
            take_step(job, 1)
            gevent.sleep(60)
        take_step(job, 2)
        return {}

    install(trial(run))
    job_id = queue_job()
    running = start()
    wait_until(lambda: steps() == [1], seconds=5)
    running.kill()
    assert (stored(job_id).state, run_due_jobs()) == ("running", 0)
    with after(seconds=31):
        assert run_due_jobs() == 1
    assert (stored(job_id).state, stored(job_id).attempts, steps()) == ("succeeded", 2, [1, 2])


@pytest.mark.parametrize("error", [OperationalError("SELECT", {}, Exception("away")), RuntimeError("a bug")])
def test_runner_survives_whatever_fails_and_says_so_once(start, install, monkeypatch, caplog, error):
    monkeypatch.setattr(runner, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.01)
    claimed, failures = leases.claim, []

    def fail(*arguments):
        failures.append(arguments)
        raise error

    monkeypatch.setattr(
        leases, "claim", lambda is_interrupted: fail() if len(failures) < 5 else claimed(is_interrupted)
    )
    install(trial(lambda job: gevent.sleep(0.1) or {}))
    job_id = queue_job()
    start()
    wait_until(is_in("running", job_id), seconds=5)
    monkeypatch.setattr(leases, "keep", fail)
    wait_until(lambda: len(failures) > 7, seconds=5)
    wait_until(is_in("succeeded", job_id), seconds=5)
    told = [record.getMessage() for record in caplog.records]
    assert [sum(text in each for each in told) for text in ("looking for jobs failed", "leases of jobs not kept")] == [
        1,
        1,
    ]


def test_job_of_which_nothing_can_be_written_is_left_to_its_lease(start, install, monkeypatch):
    install(trial())
    job_id = queue_job()
    failures = []

    def fail(*arguments, **keywords):
        failures.append(arguments)
        raise OperationalError("UPDATE", {}, Exception("away"))

    monkeypatch.setattr(leases, "succeed", fail)
    monkeypatch.setattr(leases, "fail", fail)
    start()
    wait_until(lambda: len(failures) == 2, seconds=5)
    monkeypatch.undo()
    assert stored(job_id).state == "running"
    install(trial())
    with after(seconds=31):
        assert claim_one().id == job_id
