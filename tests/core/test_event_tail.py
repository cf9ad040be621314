"""Tests of following the event log: everything once and in order, at once, and again when the database is back."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import gevent
import psycopg
import pytest
from flask import Flask
from gevent import GreenletExit
from sqlalchemy import text

from nxfs.core import clock, event_log, event_tail
from nxfs.core.event_log import LoggedEvent
from nxfs.core.event_tail import Tail
from nxfs.core.events import Event
from nxfs.core.transaction import release_connection, transaction
from nxfs.extensions import db
from tests import waiting

# Far longer than a test waits: what comes without being woken comes too late.
NEVER = 600.0
SECONDS = 20
wait_until = partial(waiting.wait_until, seconds=SECONDS)


@dataclass(frozen=True, kw_only=True)
class Logged(Event):
    """An event of these tests."""

    type: ClassVar[str] = "tests.logged"


class Record:
    """Keeps what it is handed, and fails when it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.attempts: list[list[int]] = []
        self.failures: list[Exception] = []

    @property
    def ids(self) -> list[int]:
        """The ids of the events in the order in which they came."""
        return [event_id for batch in self.batches for event_id in batch]

    def handle(self, events: Sequence[LoggedEvent]) -> None:
        """Keep the ids of ``events``, or raise the next failure."""
        ids = [event.id for event in events]
        self.attempts.append(ids)
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(ids)


@pytest.fixture
def record() -> Record:
    """What the tail hands on."""
    return Record()


@pytest.fixture
def tail(app: Flask, record: Record, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tail]:
    """A tail that retries soon and is not yet started. Drivers block here: who listens would stop everybody."""
    monkeypatch.setattr(event_tail, "POLL_SECONDS", NEVER)
    monkeypatch.setattr(event_tail, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(event_tail, "_listen", lambda engine: None)
    tail = Tail(app, record)
    yield tail
    tail.stop()


def log_events(count: int = 1) -> list[int]:
    """Log events as a transaction of this process does, and return their ids."""
    with transaction() as tx:
        for _ in range(count):
            tx.emit(Logged(), actor_id=None)
    return newest_ids(count)


def log_elsewhere(count: int = 1) -> list[int]:
    """Log events as another process does: no signal of this process tells of it."""
    with transaction() as tx:
        event_log.append(tx.session, rows(count))
    return newest_ids(count)


def rows(count: int) -> list[dict[str, Any]]:
    """Return events as the log takes them."""
    row = {"type": "tests", "actor_id": None, "audience": [], "payload": {}, "occurred_at": clock.now()}
    return [row] * count


def newest_ids(count: int) -> list[int]:
    """Return the log's last ``count`` ids, which one transaction took: there is no gap between them."""
    newest = newest_id()
    return [*range(newest - count + 1, newest + 1)]


def newest_id() -> int:
    """Return the log's last id, and hold no snapshot of it."""
    release_connection()
    newest = event_log.last_id()
    release_connection()
    return newest


def test_tail_begins_at_the_end_of_the_log(app, tail, record):
    log_events(3)
    tail.start()
    assert tail.position == newest_id()
    later = log_events(2)
    wait_until(lambda: len(record.ids) == 2)
    assert record.ids == later
    assert tail.position == later[-1]


def test_commit_of_this_process_wakes_it_at_once(app, tail, record):
    tail.start()
    gevent.sleep(0)
    for number in range(1, 11):
        log_events()
        wait_until(lambda number=number: len(record.ids) == number)
    assert record.ids == [*range(record.ids[0], record.ids[0] + 10)]


def test_what_nobody_tells_of_is_found_by_looking(app, tail, record, monkeypatch):
    monkeypatch.setattr(event_tail, "POLL_SECONDS", 0.02)
    tail.start()
    ids = log_elsewhere(3)
    wait_until(lambda: record.ids)
    assert record.ids == ids


def test_what_is_logged_while_events_are_handed_on_is_not_slept_over(app, tail, record):
    handle = record.handle

    def handle_and_log(events: Sequence[LoggedEvent]) -> None:
        handle(events)
        if len(record.batches) <= 3:
            log_events()

    record.handle = handle_and_log
    tail.start()
    log_events()
    wait_until(lambda: len(record.ids) == 4)
    assert record.ids == sorted(set(record.ids))


def test_handing_on_that_failed_is_tried_again_with_the_same_events(app, tail, record):
    tail.start()
    record.failures = [ConnectionError("away"), ValueError("cannot be told")]
    first = log_events(3)
    wait_until(lambda: record.batches)
    assert record.attempts == [first] * 3
    second = log_events(2)
    wait_until(lambda: len(record.batches) == 2)
    assert record.batches == [first, second]


def test_events_that_come_during_failures_are_handed_on_behind_the_failed_ones(app, tail, record):
    tail.start()
    record.failures = [ConnectionError("away")] * 5
    expected = []
    for _ in range(4):
        expected += log_events(2)
        gevent.sleep(0.005)
    wait_until(lambda: len(record.ids) == 8)
    assert record.ids == expected
    assert not record.failures
    assert {attempt[0] for attempt in record.attempts[:5]} == {expected[0]}


def test_many_events_come_in_batches_without_waiting_between_them(app, tail, record, monkeypatch):
    monkeypatch.setattr(event_tail, "BATCH", 10)
    tail.start()
    ids = log_events(45)
    wait_until(lambda: len(record.ids) == 45)
    assert [len(batch) for batch in record.batches] == [10, 10, 10, 10, 5]
    assert record.ids == ids


def test_reading_that_failed_skips_nothing(app, tail, record, monkeypatch):
    tail.start()
    read, failures = event_log.read_after, [ConnectionError("away")] * 3

    def read_or_fail(*args: Any, **keywords: Any) -> list[LoggedEvent]:
        if failures:
            raise failures.pop()
        return read(*args, **keywords)

    monkeypatch.setattr(event_log, "read_after", read_or_fail)
    ids = log_events(2)
    wait_until(lambda: record.ids)
    assert (record.ids, failures) == (ids, [])


def test_stopped_tail_hands_nothing_on_and_has_no_position(app, tail, record):
    tail.start()
    assert event_tail.position() == tail.position
    log_events()
    wait_until(lambda: record.ids)
    tail.stop()
    assert event_tail.position() is None
    assert all(greenlet.dead for greenlet in tail._greenlets)
    log_events()
    for _ in range(20):
        gevent.sleep(0.001)
    assert len(record.ids) == 1


def test_tail_holds_no_connection_while_it_waits(app, tail, record):
    tail.start()
    log_events()
    wait_until(lambda: record.ids)
    gevent.sleep(0.01)
    release_connection()
    pool: Any = db.engine.pool
    assert pool.checkedout() == 0


# PostgreSQL


@pytest.fixture
def only_postgresql(engine_name: str) -> None:
    """Skip what SQLite has no connections for."""
    if engine_name != "postgresql":
        pytest.skip("SQLite has no server whose connections could be cut.")


def cut_connections(*, named: str = "") -> int:
    """End all connections to this database but our own, as a restart of the server would; return how many."""
    address = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    statement = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE %s"
    )
    with psycopg.connect(address, autocommit=True) as connection:
        return connection.execute(statement, (f"%{named}%",)).fetchone()[0]


@pytest.mark.usefixtures("only_postgresql")
def test_cut_connections_lose_and_repeat_nothing(app, tail, record):
    dice = random.Random(5)
    handle = record.handle

    def handle_with_reads(events: Sequence[LoggedEvent]) -> None:
        if dice.random() < 0.5:
            cut_connections()
        db.session.execute(text("SELECT 1"))
        handle(events)

    record.handle = handle_with_reads
    tail.start()
    expected: list[int] = []
    for _ in range(30):
        release_connection()
        cut_connections()
        # The pool notices, and connects anew.
        expected += log_events(dice.randint(1, 3))
        gevent.sleep(0.002)
    wait_until(lambda: len(record.ids) >= len(expected))
    assert record.ids == expected


@pytest.mark.usefixtures("only_postgresql")
def test_who_listens_is_woken_by_others_and_listens_again_after_a_cut(app, monkeypatch):
    rings = Bell()
    connect, is_over = psycopg.connect, threading.Event()
    # It blocks here, so that it has a thread of its own.
    listener = threading.Thread(target=_run_until_exit, args=(event_tail._listen, db.engine))

    def connect_until_over(*args: Any, **keywords: Any) -> Any:
        if is_over.is_set() and threading.current_thread() is listener:
            raise GreenletExit
        return connect(*args, **keywords)

    monkeypatch.setattr(event_tail, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(event_tail.psycopg, "connect", connect_until_over)
    monkeypatch.setattr(event_log, "logged_here", rings)
    listener.start()
    try:
        for number in range(3):
            # By itself for what came before it listened, ...
            wait_until(lambda expected=2 * number + 1: rings.count == expected)
            with pytest.raises(ConnectionError), transaction() as tx:
                event_log.append(tx.session, rows(1))
                raise ConnectionError
            # ... and by what others commit, not by what they roll back.
            log_elsewhere()
            wait_until(lambda expected=2 * number + 2: rings.count == expected)
            assert cut_connections(named="LISTEN") == 1
    finally:
        is_over.set()
        cut_connections(named="LISTEN")
        listener.join(SECONDS)
    assert not listener.is_alive()


class Bell:
    """Counts how often it was rung."""

    def __init__(self) -> None:
        self.count = 0

    def set(self) -> None:
        """Ring."""
        self.count += 1


def _run_until_exit(action: Callable[[Any], None], argument: Any) -> None:
    # A thread has nobody who would take it.
    with suppress(GreenletExit):
        action(argument)
