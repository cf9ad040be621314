"""Tests of transactions: all or nothing, effects only afterwards, one writer on SQLite, and conflicts by name."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gevent
import pytest
from flask import Flask
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from nxfs.auth.models import RefreshToken, User
from nxfs.config import PROJECT_ROOT
from nxfs.core import audit
from nxfs.core.audit import AuditEntry, Origin
from nxfs.core.errors import BusinessRuleError, ConflictError
from nxfs.core.event_log import EventRecord
from nxfs.core.events import Event
from nxfs.core.transaction import Transaction, after_transaction, one_commit, release_connection, transaction
from nxfs.extensions import db
from nxfs.tasks.models import Category, ProjectMember
from tests.factories.tasks import create_project
from tests.factories.users import create_user


@dataclass(frozen=True, kw_only=True)
class ThingHappened(Event):
    """An event of these tests."""

    type: ClassVar[str] = "tests.thing_happened"
    thing_id: int


class SlugTakenError(ConflictError):
    """What a test wants to see."""


class MemberTwiceError(ConflictError):
    """What a test wants to see."""


def write(tx: Transaction, slug: str) -> Category:
    """Add a category, an event and an audit entry."""
    category = Category(name=slug, name_key=slug, slug=slug)
    tx.session.add(category)
    tx.session.flush()
    tx.emit(ThingHappened(thing_id=category.id, audience=("user:7",)), actor_id=7)
    tx.audit("tests.thing_done", actor_id=7, target=category)
    return category


def counts() -> tuple[int, int, int]:
    """Return how many categories, events and audit entries another connection sees."""
    with db.engine.connect() as connection:
        models = (Category, EventRecord, AuditEntry)
        return tuple(connection.scalar(select(func.count()).select_from(model)) for model in models)


def test_commit_writes_rows_events_and_audit_entries_together(app):
    with transaction() as tx:
        category = write(tx, "a")
        assert counts() == (0, 0, 0)
    assert counts() == (1, 1, 1)
    record = db.session.scalar(select(EventRecord))
    assert (record.type, record.actor_id, record.audience) == ("tests.thing_happened", 7, ["user:7"])
    assert record.payload == {"thing_id": category.id}


def test_rollback_writes_nothing_and_runs_no_effect(app):
    effects: list[str] = []
    with pytest.raises(BusinessRuleError), transaction() as tx:
        write(tx, "a")
        tx.after_commit(lambda: effects.append("ran"))
        raise BusinessRuleError
    assert (counts(), effects) == ((0, 0, 0), [])


def test_transaction_after_a_rolled_back_one_starts_clean(app):
    with pytest.raises(KeyboardInterrupt), transaction() as tx:
        write(tx, "a")
        raise KeyboardInterrupt
    with transaction() as tx:
        write(tx, "b")
    assert counts() == (1, 1, 1)


def test_after_commit_runs_in_order_when_others_see_the_rows(app):
    seen: list[Any] = []
    with transaction() as tx:
        write(tx, "a")
        tx.after_commit(lambda: seen.append(("first", counts())))
        tx.after_commit(lambda: seen.append("second"))
        assert seen == []
    assert seen == [("first", (1, 1, 1)), "second"]


def test_after_commit_may_open_a_transaction_of_its_own(app):
    def effect() -> None:
        with transaction() as tx:
            write(tx, "b")

    with transaction() as tx:
        write(tx, "a")
        tx.after_commit(effect)
    assert counts() == (2, 2, 2)


def test_nested_transaction_joins_and_commits_with_the_outer_one(app):
    effects: list[str] = []
    with transaction() as outer:
        write(outer, "a")
        with transaction() as inner:
            assert inner is outer
            write(inner, "b")
            inner.after_commit(lambda: effects.append("inner"))
        assert (counts(), effects) == ((0, 0, 0), [])
    assert (counts(), effects) == ((2, 2, 2), ["inner"])


def test_nested_transaction_is_rolled_back_with_the_outer_one(app):
    with pytest.raises(BusinessRuleError), transaction() as outer:
        with transaction() as inner:
            write(inner, "a")
        write(outer, "b")
        raise BusinessRuleError
    assert counts() == (0, 0, 0)


def test_transaction_reads_anew_what_was_loaded_before(app):
    user_id = create_user(display_name="Before").id
    user = db.session.get_one(User, user_id)
    with db.engine.connect().execution_options(is_writer=True) as other:
        other.execute(update(User).where(User.id == user_id).values(display_name="After"))
        other.commit()
    assert user.display_name == "Before"
    with transaction() as tx:
        assert tx.session.get_one(User, user_id).display_name == "After"


def test_objects_after_the_commit_are_readable_without_a_statement(app):
    with transaction() as tx:
        category = write(tx, "a")
    db.session.close()
    assert category.slug == "a"


# Audit


def test_audit_notes_target_origin_and_outcome(app):
    token = audit.origin.set(Origin("request-1", "192.0.2.7", "tests"))
    try:
        with transaction() as tx:
            category = Category(name="a", name_key="a", slug="a")
            tx.session.add(category)
            tx.audit("tests.failed", actor_id=None, target=category, changes={"slug": [None, "a"]}, outcome="failure")
    finally:
        audit.origin.reset(token)
    entry = db.session.scalar(select(AuditEntry))
    assert (entry.target_type, entry.target_id, entry.outcome) == ("category", category.id, "failure")
    assert (entry.request_id, entry.address, entry.user_agent) == ("request-1", "192.0.2.7", "tests")
    assert entry.changes == {"slug": [None, "a"]}


def test_difference_names_what_changed_and_hides_secrets():
    before = {"name": "a", "same": 1, "password_hash": "x", "gone": True}
    after = {"name": "b", "same": 1, "password_hash": "y", "refresh_token": "z"}
    assert audit.difference(before, after) == {
        "gone": [True, None],
        "name": ["a", "b"],
        "password_hash": [audit.REDACTED, audit.REDACTED],
        "refresh_token": [None, audit.REDACTED],
    }


# Conflicts


def add_category_twice(tx: Transaction) -> None:
    """Violate a unique index."""
    tx.session.add(Category(name="b", name_key="b", slug="taken"))


def add_member_twice(tx: Transaction) -> None:
    """Violate a primary key of two columns."""
    member = tx.session.scalar(select(ProjectMember))
    tx.session.execute(
        text("INSERT INTO project_members SELECT * FROM project_members WHERE user_id = :id"), {"id": member.user_id}
    )


def point_nowhere(tx: Transaction) -> None:
    """Violate a foreign key."""
    tx.session.add(RefreshToken(session_id=10**9, token_hash="x"))


def break_a_check(tx: Transaction) -> None:
    """Violate a check."""
    tx.session.execute(update(User).values(role="emperor"))


@pytest.mark.parametrize(
    ("violate", "expected"),
    [
        (add_category_twice, SlugTakenError),
        (add_member_twice, MemberTwiceError),
        (point_nowhere, ConflictError),
        (break_a_check, ConflictError),
    ],
)
def test_violated_constraint_raises_the_error_of_its_name(app, violate: Callable[[Transaction], None], expected):
    create_project(create_user(), members=(create_user(),))
    with transaction() as tx:
        write(tx, "taken")
    before = counts()
    with (
        pytest.raises(ConflictError) as caught,
        transaction({"uq_categories_slug": SlugTakenError, "pk_project_members": MemberTwiceError}) as tx,
    ):
        tx.emit(ThingHappened(thing_id=1), actor_id=None)
        violate(tx)
    assert type(caught.value) is expected
    assert counts() == before


# Writers


def in_greenlet(app: Flask, work: Callable[[], None]) -> gevent.Greenlet:
    """Run ``work`` in a greenlet with an application context of its own."""

    def run() -> None:
        with app.app_context():
            work()

    return gevent.spawn(run)


def test_two_greenlets_write_one_after_the_other_on_sqlite(app, engine_name):
    steps: list[str] = []

    def work(name: str) -> None:
        with transaction() as tx:
            steps.append(f"{name} begins")
            write(tx, name)
            # Nothing may yield in here; if something does, the others wait without blocking.
            gevent.sleep(0.05)
            steps.append(f"{name} ends")

    gevent.joinall([in_greenlet(app, lambda: work("a")), in_greenlet(app, lambda: work("b"))], raise_error=True)
    assert counts() == (2, 2, 2)
    if engine_name == "sqlite":
        assert steps == ["a begins", "a ends", "b begins", "b ends"]


def test_greenlet_that_fails_gives_the_writer_lock_back(app):
    def work() -> None:
        with pytest.raises(BusinessRuleError), transaction():
            raise BusinessRuleError

    gevent.joinall([in_greenlet(app, work)], raise_error=True)
    with transaction() as tx:
        write(tx, "a")
    assert counts() == (1, 1, 1)


WAITING_PROCESS = """
from gevent import monkey; monkey.patch_all()
import json, sys, time
import gevent
from nxfs.core.transaction import transaction
from nxfs.core import database
from tests.core.laboratory import create_laboratory
from tests.core.test_transaction import write

app = create_laboratory(DATABASE_URL=sys.argv[1], LOG_LEVEL="ERROR")
gaps, started = [0.0], time.monotonic()

def tick():
    while True:
        before = time.monotonic()
        gevent.sleep(0.01)
        gaps.append(time.monotonic() - before)

ticker = gevent.spawn(tick)
gevent.sleep(0.1)
print("ready", flush=True)
started = time.monotonic()
outcome = "written"
try:
    with app.app_context(), transaction() as tx:
        waited = time.monotonic() - started
        write(tx, "a")
except Exception as error:
    waited, outcome = time.monotonic() - started, type(error).__name__
print(json.dumps({"waited": waited, "longest_gap": max(gaps), "outcome": outcome}))
"""


def wait_for_writer(url: str, hold_seconds: float, lock: sqlite3.Connection) -> dict[str, Any]:
    """Return how a process that wants to write fares while ``lock`` is held for a while."""
    lock.execute("BEGIN IMMEDIATE")
    command = [sys.executable, "-c", WAITING_PROCESS, url]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        gevent.sleep(hold_seconds)
        lock.execute("COMMIT")
        return json.loads(process.stdout.read())


@pytest.fixture
def migrated_file(app, engine_name, tmp_path) -> Path:
    """A SQLite file with all tables, which only another process has open."""
    if engine_name != "sqlite":
        pytest.skip("PostgreSQL has more than one writer.")
    file = tmp_path / "shared.db"
    with sqlite3.connect(db.engine.url.database) as source, sqlite3.connect(file) as target:
        source.backup(target)
    source.close()
    target.close()
    return file


def test_writer_of_another_process_makes_ours_wait_without_blocking_the_loop(migrated_file):
    lock = sqlite3.connect(migrated_file, isolation_level=None)
    told = wait_for_writer(f"sqlite:///{migrated_file}", 1.0, lock)
    lock.close()
    assert told["outcome"] == "written"
    assert told["waited"] > 0.8
    assert told["longest_gap"] < 0.1


def test_writer_of_another_process_that_never_ends_is_given_up_on(migrated_file):
    lock = sqlite3.connect(migrated_file, isolation_level=None)
    told = wait_for_writer(f"sqlite:///{migrated_file}", 7.0, lock)
    lock.close()
    assert told["outcome"] == "OperationalError"
    assert 4.5 < told["waited"] < 6.5
    assert told["longest_gap"] < 0.1


def test_effect_that_fails_neither_takes_the_rest_along_nor_the_answer(app, caplog):
    effects: list[str] = []

    def fail() -> None:
        raise LookupError("the effect")

    with transaction() as tx:
        tx.after_commit(fail)
        tx.after_commit(lambda: effects.append("ran"))
    assert effects == ["ran"]
    assert "effect of a committed transaction failed" in caplog.text


def test_connection_is_not_given_back_in_the_middle_of_a_transaction(app):
    db.session.execute(select(User.id))
    release_connection()
    assert db.engine.pool.checkedout() == 0
    with pytest.raises(RuntimeError, match="transaction is open"), transaction() as tx:
        write(tx, "first")
        release_connection()
    assert counts() == (0, 0, 0)


# Last steps


def test_last_steps_are_taken_in_the_order_of_their_names(app):
    taken: list[str] = []
    with transaction() as tx:
        for name in ("b", "c", "a"):
            tx.last(name, lambda name=name: taken.append(name))
        assert taken == []
    assert taken == ["a", "b", "c"]


@pytest.mark.parametrize("add", [lambda tx: tx.last("late", lambda: None), lambda tx: tx.revise("late")])
def test_last_step_that_adds_another_fails_the_transaction_and_is_not_lost(app, add: Callable[[Transaction], None]):
    with pytest.raises(RuntimeError, match="too late to add '(revision )?late'"), transaction() as tx:
        write(tx, "a")
        tx.last("early", lambda: add(tx))
    assert counts() == (0, 0, 0)
    with transaction() as tx:
        write(tx, "b")
        tx.last("early", lambda: None)
    assert counts() == (1, 1, 1)


# Several transactions, one commit


class AnotherProcessError(Exception):
    """What a test raises when its commit begins."""


def nothing(session: Session) -> None:
    """Do nothing when a commit begins."""


def test_blocks_of_one_commit_are_there_together_with_their_effects(app):
    effects: list[str] = []
    with one_commit(nothing) as together:
        with transaction() as tx:
            write(tx, "a")
            tx.after_commit(lambda: effects.append("ran"))
        with transaction() as tx:
            write(tx, "b")
            with transaction() as inner:
                assert inner is tx
        assert (counts(), effects) == ((0, 0, 0), [])
        together.commit(first=lambda session: session.add(Category(name="c", name_key="c", slug="c")))
        assert (counts(), effects) == ((3, 2, 2), ["ran"])
        # From here on each is one of its own again.
        with transaction() as tx:
            write(tx, "d")
        assert counts() == (4, 3, 3)


def test_effect_of_one_commit_may_open_a_transaction_of_its_own(app):
    def effect() -> None:
        with transaction() as tx:
            write(tx, "b")

    with one_commit(nothing) as together:
        with transaction() as tx:
            write(tx, "a")
            tx.after_commit(effect)
        together.commit()
    assert counts() == (2, 2, 2)


def test_one_commit_without_blocks_writes_what_it_is_given_and_nothing_otherwise(app):
    with one_commit(nothing) as together:
        together.commit()
    with one_commit(nothing) as together:
        together.commit(first=lambda session: session.add(Category(name="a", name_key="a", slug="a")))
    assert counts() == (1, 0, 0)


def test_block_that_fails_takes_the_former_ones_along_and_the_next_begins_anew(app):
    undone: list[str] = []
    with one_commit(nothing) as together:
        with transaction() as tx:
            write(tx, "a")
            tx.after_rollback(lambda: undone.append("a"))
        with pytest.raises(BusinessRuleError), transaction() as tx:
            raise BusinessRuleError
        assert undone == ["a"]
        # Nothing is held now: what takes its time may follow.
        release_connection()
        with transaction() as tx:
            write(tx, "b")
            tx.after_rollback(lambda: undone.append("b"))
        together.commit()
    assert (counts(), undone) == ((1, 1, 1), ["a"])


@pytest.mark.parametrize("failure", [None, LookupError], ids=["forgotten", "failed"])
def test_one_commit_that_is_not_asked_for_is_none(app, failure: type[Exception] | None):
    undone: list[str] = []
    with nullcontext() if failure is None else pytest.raises(failure), one_commit(nothing):
        with transaction() as tx:
            write(tx, "a")
            tx.after_rollback(lambda: undone.append("ran"))
        if failure is not None:
            raise failure
    assert (counts(), undone) == ((0, 0, 0), ["ran"])
    with transaction() as tx:
        write(tx, "b")
    assert counts() == (1, 1, 1)


def test_conflict_is_that_of_its_own_block(app):
    with transaction() as tx:
        write(tx, "taken")
    with one_commit(nothing) as together:
        with transaction({"uq_categories_slug": MemberTwiceError}) as tx:
            write(tx, "a")
        with pytest.raises(SlugTakenError), transaction({"uq_categories_slug": SlugTakenError}) as tx:
            # Not flushed by the block itself.
            tx.session.add(Category(name="b", name_key="b", slug="taken"))
        together.commit()
    assert counts() == (1, 1, 1)


def test_last_step_that_fails_undoes_one_commit_and_another_may_follow(app):
    undone: list[str] = []

    def fail() -> None:
        raise BusinessRuleError

    with one_commit(nothing) as together:
        with transaction() as tx:
            write(tx, "a")
            tx.last("step", fail)
            tx.after_rollback(lambda: undone.append("ran"))
        with pytest.raises(BusinessRuleError):
            together.commit()
        assert (counts(), undone) == ((0, 0, 0), ["ran"])
        together.commit(first=lambda session: session.add(Category(name="b", name_key="b", slug="b")))
    assert counts() == (1, 0, 0)


def test_nothing_takes_its_time_between_the_blocks_of_one_commit(app):
    with one_commit(nothing):
        release_connection()
        with transaction() as tx:
            write(tx, "a")
        with pytest.raises(RuntimeError, match="transaction is open"):
            release_connection()
    release_connection()


def test_beginning_of_one_commit_may_refuse_it(app):
    def refuse(session: Session) -> None:
        assert session.scalar(select(func.count()).select_from(Category)) == 0
        raise AnotherProcessError

    with pytest.raises(AnotherProcessError), one_commit(refuse), transaction() as tx:
        write(tx, "a")
    with transaction() as tx:
        write(tx, "b")
    assert counts() == (1, 1, 1)


def test_later_block_reads_anew_what_was_loaded_between_the_blocks(app):
    user_id = create_user(display_name="Before").id
    with one_commit(nothing) as together:
        with transaction() as tx:
            write(tx, "a")
        user = db.session.get_one(User, user_id)
        rename = update(User).where(User.id == user_id).values(display_name="After")
        db.session.execute(rename.execution_options(synchronize_session=False))
        assert user.display_name == "Before"
        with transaction() as tx:
            assert tx.session.get_one(User, user_id).display_name == "After"
        together.commit()


def test_writer_lock_is_held_until_the_one_commit_on_sqlite(app, engine_name):
    steps: list[str] = []

    def work(name: str) -> None:
        with one_commit(nothing) as together:
            for part in ("1", "2"):
                with transaction() as tx:
                    steps.append(name)
                    write(tx, name + part)
                gevent.sleep(0.02)
            together.commit()

    gevent.joinall([in_greenlet(app, lambda: work("a")), in_greenlet(app, lambda: work("b"))], raise_error=True)
    assert counts() == (4, 4, 4)
    if engine_name == "sqlite":
        assert steps == ["a", "a", "b", "b"]


@pytest.mark.parametrize("failure", [None, LookupError], ids=["committed", "rolled back"])
def test_what_waits_for_the_end_of_a_transaction_waits_whatever_becomes_of_it(app, failure):
    done: list[str] = []
    after_transaction(lambda: done.append("now"))
    with nullcontext() if failure is None else pytest.raises(failure), transaction():
        after_transaction(lambda: done.append("later"))
        assert done == ["now"]
        if failure is not None:
            raise failure
    assert done == ["now", "later"]
