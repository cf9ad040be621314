"""Tests of the database layer: column types, engine settings, the statement counter and the time limit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone

import pytest
from flask import Flask
from sqlalchemy import func, literal, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from nxfs.auth.models import User
from nxfs.core.database import IdentifierList, UtcDateTime, lift_time_limit, start_counting
from nxfs.core.transaction import release_connection, transaction
from nxfs.extensions import db
from tests import services
from tests.core.laboratory import create_laboratory
from tests.factories.users import create_user

SLOW = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most) SELECT count(*) FROM n",
    "postgresql": "SELECT count(*) FROM generate_series(1, :most)",
}


# Column types


def test_time_with_another_zone_comes_back_as_utc(app):
    moment = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5)))
    user = create_user(last_seen=moment)
    loaded = db.session.scalar(select(User.last_seen).where(User.id == user.id))
    assert (loaded, loaded.tzinfo) == (moment, UTC)


def test_time_without_a_zone_is_refused(app):
    with pytest.raises(StatementError, match="without a zone"):
        db.session.scalar(select(User.id).where(User.last_seen == datetime.fromisoformat("2026-01-31")))


def test_time_that_is_null_stays_null(app):
    assert db.session.scalar(select(literal(None, UtcDateTime))) is None


@pytest.mark.parametrize(("aggregated", "expected"), [("3,1,2", [1, 2, 3]), ("7", [7]), (None, []), ("", [])])
def test_identifier_list_reads_aggregated_numbers(app, aggregated, expected):
    assert db.session.scalar(select(literal(aggregated, IdentifierList))) == expected


def test_version_counts_up_with_each_update_only(app):
    user = create_user()
    for name, version in (("A", 2), ("A", 2), ("B", 3)):
        with transaction() as tx:
            tx.session.get_one(User, user.id).display_name = name
        assert db.session.scalar(select(User.version).where(User.id == user.id)) == version


def test_updated_at_moves_with_an_update_and_created_at_stays(app):
    user = create_user()
    with transaction() as tx:
        tx.session.get_one(User, user.id).display_name = "Other"
    later = db.session.get_one(User, user.id)
    assert later.created_at == user.created_at
    assert later.updated_at > user.updated_at


# Engine settings


def test_sqlite_connection_is_durable_checked_and_in_wal_mode(app, engine_name):
    if engine_name != "sqlite":
        pytest.skip("SQLite's settings.")
    pragmas = {
        name: db.session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "foreign_keys", "synchronous")
    }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2}


def test_postgresql_connection_is_limited_and_in_utc(app, engine_name):
    if engine_name != "postgresql":
        pytest.skip("PostgreSQL's settings.")
    settings = {
        name: db.session.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout", "TimeZone")
    }
    assert settings == {"statement_timeout": "10s", "lock_timeout": "10s", "TimeZone": "UTC"}
    assert db.session.scalar(text("SHOW application_name")) == "nxfs"


def test_error_of_a_statement_does_not_tell_its_parameters(app):
    with pytest.raises(DBAPIError) as caught:
        db.session.execute(text("SELECT :secret FROM nowhere"), {"secret": "hunter2"})
    assert "hunter2" not in str(caught.value)


# The counter


def test_counter_counts_statements_and_no_begin(app):
    db.session.rollback()
    counter = start_counting()
    db.session.execute(select(1))
    db.session.execute(select(2))
    db.session.commit()
    assert counter == [2]


def test_counter_of_an_earlier_start_stands_still(app):
    first = start_counting()
    second = start_counting()
    db.session.execute(select(1))
    assert (first, second) == ([0], [1])


# The time limit


@pytest.fixture(scope="module")
def hurried(engine_name, tmp_path_factory) -> Iterator[Flask]:
    """An application that allows a statement one second."""
    file = tmp_path_factory.mktemp("hurried") / "nxfs.db"
    url = f"sqlite:///{file}" if engine_name == "sqlite" else services.new_postgresql_database()
    app = create_laboratory(DATABASE_URL=url, STATEMENT_TIMEOUT_SECONDS="1")
    app.add_url_rule("/api/laboratory/slow/", "slow", lambda: {"count": count_to(10**12, engine_name)})
    yield app
    with app.app_context():
        db.engine.dispose()


def count_to(most: int, engine_name: str) -> int:
    """Let the database count, which takes it a while."""
    return db.session.scalar(text(SLOW[engine_name]), {"most": most})


def test_statement_that_takes_too_long_is_503_and_the_next_one_works(hurried, engine_name):
    client = hurried.test_client()
    started = time.monotonic()
    response = client.get("/api/laboratory/slow/")
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert 0.9 < time.monotonic() - started < 3
    with hurried.app_context():
        assert count_to(10, engine_name) == 10


def test_statement_that_takes_too_long_rolls_its_transaction_back(hurried, engine_name):
    with hurried.app_context():
        with pytest.raises(OperationalError), transaction() as tx:
            tx.session.execute(text("CREATE TABLE halfway (id INTEGER)"))
            count_to(10**12, engine_name)
        with pytest.raises(DBAPIError):
            db.session.execute(text("SELECT * FROM halfway"))


def test_lifted_limit_lets_a_statement_take_its_time(hurried, engine_name):
    slow = {"sqlite": SLOW["sqlite"], "postgresql": "SELECT pg_sleep(1.5), CAST(:most AS bigint)"}[engine_name]
    with hurried.app_context(), db.engine.connect() as connection:
        lift_time_limit(connection)
        started = time.monotonic()
        most = 10_000
        while time.monotonic() - started < 1.2:
            connection.execute(text(slow), {"most": most}).all()
            most *= 4


def test_deadline_of_one_statement_does_not_hurry_the_next(hurried, engine_name):
    with hurried.app_context():
        assert db.session.scalar(select(func.count()).select_from(text("(SELECT 1) AS one"))) == 1
        time.sleep(1.1)
        assert count_to(100_000, engine_name) == 100_000


def test_lifted_limit_ends_with_its_connection(hurried, engine_name):
    with hurried.app_context():
        with db.engine.connect() as connection:
            lift_time_limit(connection)
            connection.commit()
        with pytest.raises(OperationalError):
            count_to(10**12, engine_name)


def test_connection_that_is_lost_after_the_last_read_fails_nobody(app, engine_name):
    if engine_name != "postgresql":
        pytest.skip("SQLite has no server whose connections could be cut.")
    for end in (release_connection, lambda: None):
        with app.app_context():
            backend = db.session.scalar(text("SELECT pg_backend_pid()"))
            with db.engine.connect() as other:
                assert other.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
            end()
        with app.app_context():
            assert db.session.scalar(text("SELECT pg_backend_pid()")) != backend


def test_what_was_read_stays_readable_when_its_context_has_ended(app):
    user_id = create_user(display_name="Kari").id
    with app.app_context():
        user = db.session.get_one(User, user_id)
    assert user.display_name == "Kari"
    with app.app_context():
        user = db.session.get_one(User, user_id)
        release_connection()
        assert user.display_name == "Kari"


def test_failure_while_the_session_is_closed_is_hidden_only_for_a_lost_connection(app, monkeypatch):
    for is_lost in (True, False):
        error = DBAPIError("ROLLBACK", {}, Exception("the server"), connection_invalidated=is_lost)

        def fail(error: DBAPIError = error) -> None:
            monkeypatch.undo()
            raise error

        with nullcontext() if is_lost else pytest.raises(DBAPIError), app.app_context():
            db.session.execute(select(User.id))
            release_connection()
            monkeypatch.setattr(db.session, "close", fail)
