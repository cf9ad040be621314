"""Tests of the event log: one order, that of the commits, whatever writers do and however long they take."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, ClassVar

import gevent
import pytest
from flask import Flask
from sqlalchemy import update

from nxfs.core import event_log, event_tail
from nxfs.core.event_log import LoggedEvent
from nxfs.core.event_tail import Tail
from nxfs.core.events import Event
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.tasks.models import Category
from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user, sign_in
from tests.tasks.racing import run_together

WRITERS = 20
TRANSACTIONS = 12
SOAKERS = 8
MOST_PAUSE = 0.004
DOOMED = "doomed"


@dataclass(frozen=True, kw_only=True)
class Counted(Event):
    """An event of these tests: the ``number``-th of a transaction."""

    type: ClassVar[str] = "tests.counted"
    name: str
    number: int


class GivenUpError(Exception):
    """What ends a transaction that is rolled back."""


@pytest.fixture
def pause(engine_name: str) -> Callable[[], None]:
    """A function that lets others run for a moment."""
    sleep = gevent.sleep if engine_name == "sqlite" else time.sleep
    return lambda: sleep(random.uniform(0, MOST_PAUSE))


@pytest.fixture
def slow_append(monkeypatch: pytest.MonkeyPatch, pause: Callable[[], None]) -> None:
    """Time between the moment in which events get their ids and the commit, which those that are doomed never reach."""
    append = event_log.append

    def appending(session: Any, events: list[dict[str, Any]]) -> None:
        append(session, events)
        pause()
        if events[0]["payload"].get("name", "").startswith(DOOMED):
            raise GivenUpError

    monkeypatch.setattr(event_log, "append", appending)


def emit(tx: Transaction, name: str, count: int = 1) -> None:
    """Emit ``count`` events of the transaction ``name``."""
    for number in range(count):
        tx.emit(Counted(name=name, number=number), actor_id=None)


def log_one(name: str = "one") -> int:
    """Log one event and return its id."""
    with transaction() as tx:
        emit(tx, name)
    return newest_id()


def newest_id() -> int:
    """Return the id of the newest event as the log is now, and hold no snapshot of it."""
    release_connection()
    newest = event_log.last_id()
    release_connection()
    return newest


def read_all() -> list[LoggedEvent]:
    """Return the log as it is now."""
    release_connection()
    return event_log.read_after(0, limit=100_000)


class Reader:
    """Follows the log by its position, as every process does, until ``writers`` are done."""

    def __init__(self, app: Flask, pause: Callable[[], None], writers: int) -> None:
        self.seen: list[LoggedEvent] = []
        self._app = app
        self._pause = pause
        self._writers = writers
        self._counting = threading.Lock()

    def run(self) -> None:
        """Read until the last writer is done and nothing is left."""
        with self._app.app_context():
            while True:
                # Asked before reading: what the last writer has written is found.
                is_last = not self._writers
                found = event_log.read_after(self.seen[-1].id if self.seen else 0, limit=7)
                release_connection()
                self.seen += found
                if is_last and not found:
                    return
                self._pause()

    def count_down(self) -> None:
        """Take note that a writer is done."""
        with self._counting:
            self._writers -= 1


@pytest.mark.usefixtures("slow_append")
def test_reader_sees_every_committed_event_once_and_nothing_appears_behind_it(app, engine_name, pause):
    reader = Reader(app, pause, WRITERS)
    committed: dict[str, int] = {}

    def write(writer: int) -> None:
        dice = random.Random(writer)
        with app.app_context():
            for round_ in range(TRANSACTIONS):
                name, count = f"{writer}.{round_}", dice.randint(1, 3)
                fate = dice.choice(("committed", "committed", "ends early", "ends late"))
                with suppress(GivenUpError):
                    with transaction() as tx:
                        emit(tx, f"{DOOMED} {name}" if fate == "ends late" else name, count)
                        pause()
                        if fate == "ends early":
                            raise GivenUpError
                    committed[name] = count
        reader.count_down()

    run_together(engine_name, [reader.run, *(lambda writer=writer: write(writer) for writer in range(WRITERS))])
    ids = [event.id for event in reader.seen]
    assert ids == sorted(set(ids))
    assert reader.seen == read_all()
    # What one transaction has logged stands together and in its order; a rolled back one has logged nothing.
    told = [(name, [each.payload["number"] for each in group]) for name, group in groupby(reader.seen, _name_of)]
    assert sorted(told) == sorted((name, [*range(count)]) for name, count in committed.items())
    assert 0 < len(committed) < WRITERS * TRANSACTIONS


def _name_of(event: LoggedEvent) -> str:
    return event.payload["name"]


@pytest.mark.usefixtures("slow_append")
def test_who_logs_first_and_locks_rows_later_does_not_stop_who_does_the_opposite(app, engine_name, pause):
    user = create_user()
    rows = sorted(create_category(user) for _ in range(3))

    def lock(tx: Transaction, dice: random.Random) -> None:
        for category_id in sorted(dice.sample(rows, 2)):
            statement = update(Category).where(Category.id == category_id).values(version=Category.version + 1)
            tx.session.execute(statement.execution_options(synchronize_session=False))
            pause()

    def write(writer: int) -> None:
        dice = random.Random(writer)
        with app.app_context():
            for round_ in range(TRANSACTIONS):
                with transaction() as tx:
                    if writer % 2:
                        emit(tx, f"{writer}.{round_}")
                        pause()
                        lock(tx, dice)
                    else:
                        lock(tx, dice)
                        emit(tx, f"{writer}.{round_}")
                        pause()
                    # Rows that many transactions write are locked after these, and before the log.
                    tx.revise("tests")

    before = len(read_all())
    run_together(engine_name, [lambda writer=writer: write(writer) for writer in range(SOAKERS)])
    assert len(read_all()) == before + SOAKERS * TRANSACTIONS


def test_rolled_back_transaction_leaves_no_event_and_no_lock(app):
    first = log_one()
    with pytest.raises(GivenUpError), transaction() as tx:
        emit(tx, "two", 3)
        raise GivenUpError
    assert [event.id for event in read_all()] == [first]
    assert log_one() > first


def test_log_knows_its_ends(app):
    assert (event_log.first_id(), event_log.last_id()) == (1, 0)
    first = log_one()
    last = [log_one() for _ in range(3)][-1]
    assert (event_log.first_id(), event_log.last_id()) == (first, last)


def test_read_what_comes_after_a_position(app):
    ids = [log_one(str(number)) for number in range(5)]
    assert [event.id for event in event_log.read_after(ids[1], limit=2)] == ids[2:4]
    assert [event.id for event in event_log.read_after(ids[0], limit=10, until=ids[2])] == ids[1:3]
    assert event_log.read_after(ids[4], limit=10) == []


def test_read_gives_back_what_was_logged(app):
    user_id = create_user().id
    since = event_log.last_id()
    with transaction() as tx:
        tx.emit(Counted(name="Æ \N{GRINNING FACE}", number=2**53, audience=("user:7", "project:3")), actor_id=user_id)
    (event,) = event_log.read_after(since, limit=2)
    assert (event.type, event.actor_id, list(event.audience)) == ("tests.counted", user_id, ["user:7", "project:3"])
    assert event.payload == {"name": "Æ \N{GRINNING FACE}", "number": 2**53}
    assert event.occurred_at.utcoffset().total_seconds() == 0


# The cursor of lists


class Silence:
    """Follows the log and tells nobody."""

    def handle(self, events: Any) -> None:
        """Do nothing with the events."""


@pytest.fixture
def tail(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Tail:
    """A tail that follows only when a test says so."""
    tail = Tail(app, Silence())
    tail.position = newest_id()
    monkeypatch.setitem(app.extensions, event_tail._KEY, tail)
    return tail


@pytest.mark.parametrize(
    ("path", "create"),
    [
        pytest.param("/api/tasks/", create_task, id="tasks"),
        pytest.param("/api/tasks/projects/", create_project, id="projects"),
        pytest.param("/api/tasks/categories/", create_category, id="categories"),
    ],
)
def test_list_holds_everything_up_to_its_cursor(app, client, engine_name, monkeypatch, tail, path, create):
    user = create_user()
    headers = sign_in(client, user)
    position = event_tail.position
    made: list[int] = []

    def commit_and_follow() -> None:
        with app.app_context():
            made.append(create(user))
            while tail.step():
                pass
            release_connection()

    def late_position() -> int | None:
        # In the very moment before the cursor is taken, somebody else writes, and this process has heard of it.
        run_together(engine_name, [commit_and_follow])
        return position()

    for _ in range(3):
        with monkeypatch.context() as patches:
            patches.setattr(event_tail, "position", late_position)
            answer = client.get(path, headers=headers)
        assert int(answer.headers["X-Event-Cursor"]) == newest_id()
        assert {row["id"] for row in answer.json["results"]} == set(made)


def test_list_has_the_cursor_from_before_it_was_read(app, client, monkeypatch, tail):
    user = create_user()
    headers = sign_in(client, user)
    create_task(user)
    since = tail.position
    # The event is logged, but this process has not read it yet.
    assert int(client.get("/api/tasks/", headers=headers).headers["X-Event-Cursor"]) == since
    while tail.step():
        pass
    assert int(client.get("/api/tasks/", headers=headers).headers["X-Event-Cursor"]) == newest_id() > since


def test_process_that_follows_no_log_gives_no_cursor(app, client):
    headers = sign_in(client, create_user())
    assert "X-Event-Cursor" not in client.get("/api/tasks/", headers=headers).headers
