"""Tests of where jobs run: a process with Redis only calls, calls arrive, and Redis may be away."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from flask import Flask
from redis import Redis

from nxfs.core import lifecycle
from nxfs.core.jobs import dispatch, queue
from nxfs.core.jobs.runner import Runner
from tests import services
from tests.core.jobs.conftest import Install
from tests.core.jobs.trial import queue_job, stored, trial
from tests.waiting import wait_until


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Runner]]:
    """The runners that are started."""
    started: list[Runner] = []
    monkeypatch.setattr(Runner, "start", lambda runner: started.append(runner))
    monkeypatch.setattr(lifecycle, "_at_stop", [])
    yield started
    atexit.unregister(dispatch._end)


def test_web_process_without_redis_runs_jobs_itself(app: Flask, starts: list[Runner], install: Install) -> None:
    install(trial())
    dispatch.start(app)
    assert len(starts) == 1


def test_calls_over_redis_arrive_and_do_not_pile_up(
    app: Flask, starts: list[Runner], install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.config, "REDIS_URL", services.redis_url())
    install(trial())
    dispatch.start(app)
    assert starts == []
    with Redis.from_url(services.redis_url()) as redis:
        for _ in range(3):
            queue_job()
        wait_until(lambda: redis.llen("huey.redis.nxfs") == 3, seconds=5)
        for _ in range(500):
            queue.ring()
        wait_until(lambda: redis.llen("huey.redis.nxfs") == dispatch.MOST_CALLS, seconds=5)
        # What is not signed with our key does nothing.
        redis.rpush("huey.redis.nxfs", b"cos\nsystem\n(S'exit 1'\ntR.")
        ringing = _Ringing()
        ringing.consumer = dispatch._listen(app, ringing)
        wait_until(lambda: ringing.count == dispatch.MOST_CALLS, seconds=10)


def test_ring_without_redis_takes_no_time_and_fails_nobody(
    app: Flask, install: Install, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(app.config, "REDIS_URL", f"redis://127.0.0.1:{services.free_port()}/0")
    install(trial())
    dispatch.start(app)
    for _ in range(3):
        assert stored(queue_job()).state == "queued"
        gevent.sleep(0.01)
    told = [record.getMessage() for record in caplog.records]
    assert sum("workers could not be called" in each for each in told) == 1


class _Ringing:
    """Stands for a runner, until it has heard all calls: in this process waiting for the next stops everything."""

    def __init__(self) -> None:
        self.count = 0
        self.consumer: Any = None

    def ring(self) -> None:
        self.count += 1
        if self.count == dispatch.MOST_CALLS:
            self.consumer.stop_flag.set()
