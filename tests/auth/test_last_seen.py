"""Tests of when users were last seen: noted by whatever they do, written together and seldom, no change of accounts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, update

from nxfs.app import SCHEDULE
from nxfs.auth.models import ActiveDay, User
from nxfs.auth.service import last_seen
from nxfs.auth.service.last_seen import Sightings
from nxfs.core import database
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests.factories.users import bearer, create_user, open_session, reload
from tests.realtime.attendees import create_users
from tests.tasks.racing import run_together

START = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def sightings(monkeypatch: pytest.MonkeyPatch) -> Sightings:
    """What this process has noted: nothing yet."""
    made = Sightings()
    monkeypatch.setattr(last_seen, "_sightings", made)
    return made


@pytest.fixture
def traveller(app: Flask) -> Iterator[time_machine.Traveller]:
    """Time that stands still until it is shifted."""
    with time_machine.travel(START, tick=False) as made:
        yield made


def statements_of_write() -> int:
    """Return how many statements writing needs."""
    counter = database.start_counting()
    last_seen.write()
    return counter[0]


def test_every_authenticated_request_is_noted(app, client, traveller):
    kari, ola = create_user(), create_user()
    grant = open_session(kari)
    with app.app_context():
        client.get("/api/tasks/", headers=bearer(grant.access))
        client.get("/api/blog/posts/", headers=bearer(open_session(ola).access))
        client.get("/api/tasks/")
    assert (reload(kari).last_seen, reload(ola).last_seen) == (None, None)
    last_seen.write()
    # The list of posts is one of those that a token is not needed for.
    assert (reload(kari).last_seen, reload(ola).last_seen) == (START, START)


def test_refused_tokens_are_not_noted(app, client):
    kari = create_user()
    access = open_session(kari).access
    with transaction() as tx:
        tx.session.execute(update(User).where(User.id == kari.id).values(is_active=False))
    assert client.get("/api/tasks/", headers=bearer(access)).status_code == 401
    assert client.get("/api/tasks/", headers=bearer("nonsense")).status_code == 401
    assert statements_of_write() == 0


def test_noting_needs_no_statement_and_nobody_noted_no_write(app):
    counter = database.start_counting()
    last_seen.note([create_users(1)[0]])
    before = counter[0]
    last_seen.note(range(1, 100))
    assert counter[0] == before
    last_seen.write()
    assert statements_of_write() == 0


def test_it_is_no_change_of_the_account(app, traveller):
    kari = create_user()
    traveller.shift(60)
    last_seen.note([kari.id])
    last_seen.write()
    after = reload(kari)
    assert after.last_seen == START + timedelta(seconds=60)
    assert (after.version, after.updated_at) == (kari.version, kari.updated_at)


def test_user_is_written_once_in_thirty_seconds(app, traveller, monkeypatch):
    kari = create_user()
    written = []
    for second in range(95):
        last_seen.note([kari.id])
        if second % 5 == 0:
            # Whichever process it is.
            monkeypatch.setattr(last_seen, "_sightings", Sightings())
            last_seen.note([kari.id])
            last_seen.write()
            written.append(reload(kari).last_seen)
        traveller.shift(1)
    assert sorted(set(written)) == [START + timedelta(seconds=seconds) for seconds in (0, 30, 60, 90)]


def test_only_those_who_were_noted_are_written(app, traveller):
    ids = create_users(3)
    last_seen.note(ids[:2])
    last_seen.note([10**9])
    last_seen.write()
    db.session.rollback()
    seen = {user.id: user.last_seen for user in db.session.query(User)}
    assert seen == {ids[0]: START, ids[1]: START, ids[2]: None}


def test_many_are_written_by_two_statements_for_500(app):
    last_seen.note(create_users(1001))
    assert statements_of_write() == 6
    db.session.rollback()
    assert db.session.query(User).filter(User.last_seen.is_(None)).count() == 0


def test_what_could_not_be_written_is_written_the_next_time(app, traveller, monkeypatch):
    ids = create_users(501)
    last_seen.note(ids)
    write, calls = last_seen._write, []

    def fail_second(user_ids: list[int]) -> None:
        calls.append(user_ids)
        if len(calls) == 2:
            raise ConnectionError("the database is away")
        write(user_ids)

    monkeypatch.setattr(last_seen, "_write", fail_second)
    with pytest.raises(ConnectionError):
        last_seen.write()
    last_seen.write()
    assert [len(user_ids) for user_ids in calls] == [500, 1, 1]
    db.session.rollback()
    assert db.session.query(User).filter(User.last_seen == START).count() == 501


def test_memory_is_bounded(app, sightings, monkeypatch):
    monkeypatch.setattr(last_seen, "MOST_NOTED", 10)
    for user_id in range(1, 1000):
        last_seen.note([user_id])
    assert len(sightings._noted) == 10


def test_processes_that_write_at_once_write_each_user_once(app, engine_name):
    ids = create_users(300)
    changed = []

    def count(connection: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE users"):
            changed.append(cursor.rowcount)

    def write(user_ids: list[int]) -> None:
        with app.app_context():
            mine = Sightings()
            mine.note(user_ids)
            mine.write()

    event.listen(db.engine, "after_cursor_execute", count)
    try:
        run_together(engine_name, [lambda: write(ids), lambda: write(ids[::-1]), lambda: write(ids)])
    finally:
        event.remove(db.engine, "after_cursor_execute", count)
    assert sum(changed) == 300


def test_a_job_writes_it_every_few_seconds():
    (job,) = [job for job in SCHEDULE if job.run is last_seen.write]
    assert 0 < job.seconds <= 10


def days() -> list[tuple[str, int]]:
    """Return who was active on which day."""
    db.session.rollback()
    rows = db.session.query(ActiveDay).order_by(ActiveDay.day, ActiveDay.user_id)
    return [(row.day.isoformat(), row.user_id) for row in rows]


def test_day_of_the_servers_time_zone_is_written_once(app, traveller):
    kari, ola = create_users(2)
    for _ in range(3):
        last_seen.note([kari, ola, 10**9])
        last_seen.write()
        traveller.shift(60)
    # It is the next day in Oslo already, an hour before it is in UTC.
    traveller.move_to(datetime(2026, 2, 1, 23, 0, tzinfo=UTC))
    last_seen.note([ola])
    last_seen.write()
    assert days() == [("2026-02-01", kari), ("2026-02-01", ola), ("2026-02-02", ola)]
