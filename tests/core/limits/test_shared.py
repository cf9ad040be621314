"""Counting in Redis: exact over processes, one call a request, and what happens while Redis is away."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from redis import Connection, Redis

from nxfs.config import PROJECT_ROOT
from nxfs.core.limits import shared
from nxfs.core.limits.limiter import Limiter
from nxfs.core.limits.memory import MemoryCounters
from nxfs.core.limits.shared import AwayError, RedisCounters
from tests import services
from tests.core.limits.quotas import quotas
from tests.factories.users import create_user
from tests.tasks.person import Person
from tests.waiting import wait_until

# What is counted in Redis is the same beside every database.
pytestmark = pytest.mark.skipif(services.chosen_engine() != "sqlite", reason="Once, beside SQLite, is enough.")

PROCESSES, EACH = 4, 250
TASKS = "/api/tasks/"


@pytest.fixture
def url() -> Iterator[str]:
    """The address of an empty Redis."""
    yield services.redis_url()
    with Redis.from_url(services.redis_url()) as redis:
        redis.flushdb()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is sent to Redis from now on, one item for each packet."""
    sent: list[object] = []
    send = Connection.send_packed_command
    monkeypatch.setattr(
        Connection,
        "send_packed_command",
        lambda self, command, **more: (sent.append(command), send(self, command, **more)),
    )
    return sent


def test_of_a_thousand_requests_in_four_processes_exactly_the_quota_passes(url):
    command = [sys.executable, "-m", "tests.core.limits.spender", url, str(EACH)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, cwd=PROJECT_ROOT, **pipes) for _ in range(PROCESSES)]
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("\n")
            process.stdin.flush()
        passed = [int(process.communicate(timeout=60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert sum(passed) == 400
    # All of them at the same time.
    assert min(passed) > 0


def test_redis_counts_as_this_process_does(url):
    limits = quotas(api="4 per 1 second, 30 per hour")["api"]
    here, there = MemoryCounters(), RedisCounters(url)
    chance = random.Random(7)
    refused = 0
    for number in range(60):
        subject, units = f"user:{number % 2}", chance.randint(1, 5)
        expected, outcome = here.spend(subject, limits, units), there.spend(subject, limits, units)
        assert [each.used for each in outcome.standings] == [each.used for each in expected.standings]
        assert [each.quota for each in outcome.refused] == [each.quota for each in expected.refused]
        assert all(0 < each.seconds <= each.quota.seconds for each in outcome.standings)
        refused += bool(outcome.refused)
    assert 0 < refused < 60


def test_windows_in_redis_end_and_leave_nothing(url):
    limits = quotas(api="2 per 1 second")["api"]
    counters = RedisCounters(url)
    assert [bool(counters.spend("user:1", limits, 1).refused) for _ in range(3)] == [False, False, True]
    with Redis.from_url(url) as redis:
        assert len(redis.keys()) == 1
        wait_until(lambda: not redis.keys(), seconds=5)
    assert not counters.spend("user:1", limits, 2).refused


def test_a_request_is_one_call_however_many_quotas_it_has(url, client, limit, calls):
    limit(shared=RedisCounters(url))
    kari = Person(client)
    assert kari.get(TASKS).status_code == 200
    del calls[:]
    assert [kari.get(TASKS).status_code for _ in range(10)] == [200] * 10
    assert len(calls) == 10


def test_without_redis_requests_pass_with_a_share_sign_in_stays_limited_and_redis_is_found_again(
    client, limit, monkeypatch, caplog
):
    monkeypatch.setattr(shared, "PAUSE_SECONDS", 0.05)
    port = services.free_port()
    url = services.start_redis(port)
    limit(api="40 per hour", login="8 per minute", share=25, shared=RedisCounters(url))
    kari, user = Person(client), create_user()

    def policy():
        answer = kari.get(TASKS)
        assert answer.status_code == 200
        return answer.headers["RateLimit-Policy"]

    assert policy() == '"api";q=40;w=3600'
    with Redis.from_url(url) as redis:
        redis.shutdown(nosave=True)
    assert policy() == '"api";q=10;w=3600'
    statuses = [kari.get(TASKS).status_code for _ in range(12)]
    assert statuses == [200] * 9 + [429] * 3
    wrong = {"email": user.email, "password": "wrong password"}
    answers = [client.post("/api/auth/token/", json=wrong).status_code for _ in range(4)]
    assert answers == [401, 401, 429, 429]
    assert [each.message for each in caplog.records if "Redis is away" in each.getMessage()] != []
    assert sum("Redis is away" in each.getMessage() for each in caplog.records) == 1

    services.start_redis(port)
    wait_until(lambda: kari.get(TASKS).status_code == 200, seconds=10)
    assert policy() == '"api";q=40;w=3600'


def test_a_redis_that_does_not_answer_is_waited_for_once_and_not_by_everybody():
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        counters = RedisCounters(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        limiter = Limiter(quotas(), share=25, shared=counters)
        began = time.perf_counter()
        assert not limiter.spend("api", "user:1", 1).refused
        first = time.perf_counter() - began
        began = time.perf_counter()
        for _ in range(40):
            assert not limiter.spend("api", "user:1", 1).refused
        others = time.perf_counter() - began
        assert 0.2 < first < 1
        assert others < 0.1
        with pytest.raises(AwayError):
            counters.clear_all()
