"""Real processes: two workers share the jobs, a killed one is replaced by the other, and Redis may go away."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select

from nxfs.config import PROJECT_ROOT
from nxfs.core.jobs.models import Job
from nxfs.extensions import db
from tests import services
from tests.conftest import SECRET_KEY
from tests.core.jobs.conftest import Install
from tests.core.jobs.trial import queue_job, steps, stored, trial
from tests.server import ServerProcess
from tests.waiting import wait_until

TRIAL = "tests.core.jobs.worker_with_trials"
EACH_STEP_ONCE = range(1, 5)


class Worker:
    """One worker process; its log lines are in ``log``."""

    def __init__(self, directory: Path, name: str, environment: dict[str, str], module: str = TRIAL) -> None:
        self.log_path = directory / f"{name}.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=PROJECT_ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self) -> str:
        return self.log_path.read_text()

    def wait_until_logged(self, text: str) -> None:
        wait_until(lambda: text in self.log(), what=f"No '{text}' in the log:\n{self.log()}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def environment(app: Flask, tmp_path: Path) -> dict[str, str]:
    """The settings of the test's application, as variables of another process."""
    url = app.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False)
    return {**ServerProcess(url, tmp_path).environment, "SECRET_KEY": SECRET_KEY, "LOG_FORMAT": "json"}


@pytest.fixture
def workers(engine_name: str, tmp_path: Path, environment: dict[str, str]) -> Iterator[list[Worker]]:
    """Two workers that are called over Redis and run three jobs each at a time."""
    if engine_name != "postgresql":
        pytest.skip("Several workers are for PostgreSQL.")
    environment |= {"REDIS_URL": services.redis_url(), "JOB_WORKERS": "3"}
    running = [Worker(tmp_path, name, environment) for name in ("first", "second")]
    try:
        for worker in running:
            worker.wait_until_logged("worker started")
        yield running
    finally:
        for worker in running:
            worker.end()


def states(job_ids: list[int]) -> Counter[str]:
    """Return how many of the jobs are in which state."""
    counted = Counter(db.session.scalars(select(Job.state).where(Job.id.in_(job_ids))))
    db.session.rollback()
    return counted


def assert_done_once(job_ids: list[int], what: str) -> None:
    """Wait until all jobs have succeeded; each has then taken each of its steps exactly once."""
    wait_until(lambda: states(job_ids) == {"succeeded": len(job_ids)}, what=f"{what}: {states(job_ids)}")
    expected = [job_id * 10 + number for job_id in job_ids for number in EACH_STEP_ONCE]
    assert sorted(step for step in steps() if step // 10 in job_ids) == expected, what


def started(job_ids: list[int]) -> bool:
    """Return whether all of the jobs run, and some have taken a step."""
    return states(job_ids) == {"running": len(job_ids)} and any(step // 10 in job_ids for step in steps())


def test_jobs_are_done_once_by_two_workers_though_one_is_killed_and_redis_too(
    workers: list[Worker], install: Install
) -> None:
    install(trial(most_at_once=8))
    first, second = workers
    job_ids = [queue_job(arguments={"seconds": 0.02}) for _ in range(30)]
    assert_done_once(job_ids, "two workers")
    shares = Counter(stored(job_id).result["workers"][0] for job_id in job_ids)
    assert set(shares) == {first.process.pid, second.process.pid}

    with Redis.from_url(services.redis_url()) as redis:
        redis.shutdown(nosave=True)
    services.redis_url.cache_clear()
    job_ids = [queue_job(arguments={"seconds": 0.3}) for _ in range(6)]
    wait_until(lambda: started(job_ids))
    first.end()
    assert_done_once(job_ids, "one was killed")
    attempts = Counter(stored(job_id).attempts for job_id in job_ids)
    assert attempts == {1: 3, 2: 3}

    # Asked to stop it gives back what it runs, which counts as no attempt.
    job_ids = [queue_job(arguments={"seconds": 0.3}) for _ in range(2)]
    wait_until(lambda: started(job_ids))
    assert second.stop() == 0
    assert states(job_ids) == {"queued": 2}
    assert [stored(job_id).attempts for job_id in job_ids] == [0, 0]
    assert "worker stops" in second.log()


def test_worker_without_redis_waits_for_its_end_and_leaves_jobs_to_the_web_process(
    engine_name: str, tmp_path: Path, environment: dict[str, str], install: Install
) -> None:
    if engine_name != "sqlite":
        pytest.skip("The file that two processes would write is SQLite's.")
    install(trial())
    job_id = queue_job(arguments={"seconds": 0})
    worker = Worker(tmp_path, "alone", environment)
    try:
        worker.wait_until_logged("nothing to do")
        assert (worker.process.poll(), stored(job_id).state) == (None, "queued")
        assert worker.stop() == 0
    finally:
        worker.end()
