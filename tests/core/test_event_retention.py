"""Tests of what the event log forgets: by age, by count, in small batches, and never its last id."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from sqlalchemy import func, insert, select

from nxfs.core import clock, database, event_log, event_retention
from nxfs.core.event_log import EventRecord
from nxfs.core.transaction import release_connection, transaction
from nxfs.extensions import db
from tests.turns import turns_during

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
DAYS, COUNT = 7, 1_000

Log = Callable[..., list[int]]


@pytest.fixture(autouse=True)
def limits(app, monkeypatch):
    """A week, a thousand events, and a clock that stands still."""
    monkeypatch.setitem(app.config, "EVENT_RETENTION_DAYS", DAYS)
    monkeypatch.setitem(app.config, "EVENT_RETENTION_COUNT", COUNT)
    with time_machine.travel(NOW, tick=False):
        yield


def log(count: int = 1, *, age: timedelta = timedelta()) -> list[int]:
    """Log ``count`` events that happened ``age`` ago, and return their ids."""
    before = newest_id()
    row = {"type": "tests", "audience": [], "payload": {}, "occurred_at": clock.now() - age}
    with transaction() as tx:
        tx.session.execute(insert(EventRecord), [row] * count)
    return [each for each in kept() if each > before]


def newest_id() -> int:
    """Return the log's last id."""
    release_connection()
    return event_log.last_id()


def kept() -> list[int]:
    """Return the ids that are there."""
    release_connection()
    return list(db.session.scalars(select(EventRecord.id).order_by(EventRecord.id)))


def prune() -> int:
    """Prune as the scheduler does: with no transaction open and no connection held."""
    release_connection()
    return event_retention.prune()


def statements_of(action: Callable[[], object]) -> int:
    """Return how many statements ``action`` needs."""
    counter = database.start_counting()
    action()
    return counter[0]


def test_old_events_are_forgotten():
    old = log(3, age=timedelta(days=DAYS, seconds=1))
    recent = log(2, age=timedelta(days=DAYS)) + log(2)
    assert prune() == len(old)
    assert kept() == recent


def test_events_above_the_count_are_forgotten(app, monkeypatch):
    ids = log(25)
    monkeypatch.setitem(app.config, "EVENT_RETENTION_COUNT", 10)
    assert prune() == 15
    assert kept() == ids[-10:]


def test_gaps_between_ids_keep_fewer_never_more(app, monkeypatch):
    ids = log(20)
    with transaction() as tx:
        for event_id in ids[1::2]:
            tx.session.execute(EventRecord.__table__.delete().where(EventRecord.id == event_id))
    monkeypatch.setitem(app.config, "EVENT_RETENTION_COUNT", 10)
    prune()
    assert kept() == ids[10::2]


def test_what_is_within_both_limits_stays():
    ids = log(COUNT)
    assert prune() == 0
    assert kept() == ids


def test_the_newest_always_stays_however_old_it_is():
    ids = log(5, age=timedelta(days=400))
    assert prune() == 4
    assert prune() == 0
    assert kept() == ids[-1:]
    assert (event_log.first_id(), event_log.last_id()) == (ids[-1], ids[-1])


def test_ids_go_on_growing_after_everything_else_was_forgotten():
    (newest,) = log(3, age=timedelta(days=400))[-1:]
    prune()
    later = log(3)
    assert min(later) > newest
    assert kept() == [newest, *later]
    assert prune() == 1
    assert kept() == later


def test_a_log_without_events_is_left_alone():
    assert prune() == 0
    assert kept() == []


def test_an_old_time_behind_a_recent_one_stays():
    # It was logged by a transaction that took long, or by a clock that was set back.
    first = log(age=timedelta(days=1))
    late = log(age=timedelta(days=30))
    log()
    assert prune() == 0
    assert kept()[:2] == first + late


def test_many_are_forgotten_in_batches_of_bounded_size(monkeypatch):
    monkeypatch.setattr(event_retention, "BATCH", 100)
    sizes: list[int] = []
    old = log(950, age=timedelta(days=30))
    recent = log(5)
    seen_first = event_log.first_id

    def first_id() -> int:
        sizes.append(db.session.scalar(select(func.count(EventRecord.id))) or 0)
        return seen_first()

    monkeypatch.setattr(event_log, "first_id", first_id)
    assert prune() == len(old)
    assert kept() == recent
    assert [before - after for before, after in zip(sizes, sizes[1:], strict=False)] == [100] * 9 + [50]


def test_statements_are_few():
    log(10)
    assert statements_of(prune) <= 4
    log(2_500, age=timedelta(days=30))
    newest = log(1)
    release_connection()
    # Three batches, for each the first id and the deletion, besides what is asked once.
    assert statements_of(prune) <= 10
    assert kept()[-1:] == newest


def test_pruning_that_was_interrupted_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr(event_retention, "BATCH", 10)
    log(35, age=timedelta(days=30))
    newest = log(1)
    rounds = iter(range(2))
    first_id = event_log.first_id

    def failing() -> int:
        if next(rounds, None) is None:
            raise ConnectionError("the database is away")
        return first_id()

    with monkeypatch.context() as patches, pytest.raises(ConnectionError):
        patches.setattr(event_log, "first_id", failing)
        prune()
    assert len(kept()) == 36 - 20
    assert prune() == 15
    assert kept() == newest


def test_others_run_between_the_batches(monkeypatch):
    monkeypatch.setattr(event_retention, "BATCH", 10)
    log(60, age=timedelta(days=30))
    log(1)
    release_connection()
    assert turns_during(event_retention.prune) >= 6
