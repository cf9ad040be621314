"""The audit log: known actions, no secrets, and a chain that tells what was done to it, also in the archive."""

from __future__ import annotations

import ast
import gzip
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, insert, select, text

from nxfs.config import PROJECT_ROOT
from nxfs.core import audit, audit_archive, audit_verification, clock
from nxfs.core.audit import AuditDay, AuditEntry, Origin, UnknownActionError, all_actions
from nxfs.core.audit_archive import UNREADABLE, archive_old_days, file_of
from nxfs.core.audit_chain import (
    CHANGED,
    CUT_OFF,
    MISSING,
    OTHER_HEAD,
    REORDERED,
    TOO_MANY,
    digest_of,
    link_of,
    ready_to_chain,
)
from nxfs.core.audit_verification import verify
from nxfs.core.errors import BusinessRuleError
from nxfs.core.transaction import transaction
from nxfs.extensions import db

ACTION = "tests.thing_done"
LONG_AGO = datetime(2024, 5, 17, 12, tzinfo=UTC)
# Of two entries that never change.
LINKS = [
    "c7a0964e3f7d3888115d64b669b851024c979cd693213862ca82cca5b0a2ac86",
    "c2caa81bfc9ee4bfeb50e5e0f4bf4406f1c76830de1aad0b95a7b526f5bab0fa",
]
NAME = re.compile(r"[a-z_]+\.[a-z_]+")


def make_entries(count: int, day: datetime | None = None) -> None:
    """Write entries, each in a transaction of its own."""
    with time_machine.travel(day or clock.now()):
        for number in range(1, count + 1):
            with transaction() as tx:
                tx.audit(ACTION, actor_id=7, changes={"number": [number, number / 3], "æ": None})


def execute(statement: str) -> None:
    """Do what somebody with access to the database might."""
    db.session.execute(text(statement))
    db.session.commit()


def names_in(node: ast.AST) -> Iterator[str]:
    """Yield the names of actions that an argument may have, those of both branches."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and NAME.fullmatch(each.value):
            yield each.value


def test_every_action_in_the_code_is_known_and_has_two_sentences(app):
    found = set()
    for path in (PROJECT_ROOT / "nxfs").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and "action" in (getattr(node.targets[0], "id", None),):
                found |= set(names_in(node.value))
            if not isinstance(node, ast.Call):
                continue
            found |= {name for keyword in node.keywords if keyword.arg == "action" for name in names_in(keyword.value)}
            if isinstance(node.func, ast.Attribute) and node.func.attr == "audit" and node.args:
                found |= set(names_in(node.args[0]))
    assert {"auth.signed_in", "auth.password_changed", "blog.tag_merged", "users.role_changed"} & found >= {
        "auth.signed_in",
        "auth.password_changed",
        "blog.tag_merged",
    }
    assert found - all_actions().keys() == set()
    for name, sentence in all_actions().items():
        assert NAME.fullmatch(name), name
        assert sentence.en.endswith("."), name
        assert sentence.nb.endswith("."), name


def test_unknown_action_is_refused_at_once(app):
    with pytest.raises(UnknownActionError), transaction() as tx:
        tx.audit("tests.never_heard_of", actor_id=None)


def test_secrets_are_redacted_however_deep_they_lie(app):
    changes = {
        "password": ["old", "new"],
        "must_change_password": [False, True],
        "settings": [{"smtp": {"Secret_Key": "x"}}, {"api_token": ["y", None], "host": "z"}],
        "name": ["a", "b"],
    }
    with transaction() as tx:
        tx.audit(ACTION, actor_id=None, changes=changes)
    assert db.session.scalar(select(AuditEntry.changes)) == {
        "password": ["[redacted]", "[redacted]"],
        "must_change_password": [False, True],
        "settings": [{"smtp": {"Secret_Key": "[redacted]"}}, {"api_token": ["[redacted]", None], "host": "z"}],
        "name": ["a", "b"],
    }
    assert verify().broken is None


def test_entries_have_the_same_links_on_both_engines(app):
    token = audit.origin.set(Origin("request-1", "192.0.2.7", "Firefox\r\n\x1f æ"))
    try:
        with time_machine.travel(LONG_AGO, tick=False), transaction() as tx:
            tx.audit(ACTION, actor_id=7, changes={"title": [None, "Blåbær\n\u2028\ud83d"], "share": (0.1, 1e300)})
            tx.audit("tests.failed", actor_id=None, outcome="failure")
    finally:
        audit.origin.reset(token)
    links = db.session.scalars(select(AuditEntry.link).order_by(AuditEntry.position)).all()
    assert links == LINKS
    assert verify().broken is None


def test_links_are_those_that_python_computes(app):
    make_entries(3, LONG_AGO)
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    link = "2024-05-17"
    for position, entry in enumerate(entries, 1):
        link = link_of(link, entry.digest)
        assert (entry.day, entry.position, entry.link) == (LONG_AGO.date(), position, link)
    state = db.session.scalars(select(AuditDay)).one()
    assert (state.day, state.entries, state.head, state.archived_at) == (LONG_AGO.date(), 3, link, None)


def test_several_days_in_one_transaction_are_chained_each(app):
    with transaction() as tx:
        for day in (2, 1, 2, 0, 1):
            with time_machine.travel(LONG_AGO + timedelta(days=day)):
                tx.audit(ACTION, actor_id=day)
    order = select(AuditEntry.actor_id, AuditEntry.position).order_by(AuditEntry.id)
    assert db.session.execute(order).all() == [(0, 1), (1, 1), (1, 2), (2, 1), (2, 2)]
    assert verify() == audit_verification.Verdict(3, 5, verify().head, None)


def test_transaction_that_is_rolled_back_leaves_no_gap(app):
    make_entries(1, LONG_AGO)
    with time_machine.travel(LONG_AGO), pytest.raises(BusinessRuleError), transaction() as tx:
        tx.audit(ACTION, actor_id=None)
        raise BusinessRuleError
    make_entries(1, LONG_AGO)
    assert list(db.session.scalars(select(AuditEntry.position).order_by(AuditEntry.id))) == [1, 2]
    assert verify().broken is None


def test_writers_at_the_same_time_append_to_one_chain(app):
    failures: list[BaseException] = []
    engine = db.engine

    def append() -> None:
        entry = dict.fromkeys(("actor_id", "target_type", "target_id", "changes", "request_id", "address"))
        try:
            for _ in range(10):
                moment = {"occurred_at": clock.now(), "action": ACTION, "outcome": "success", "user_agent": None}
                rows = [ready_to_chain({**entry, **moment, "target_id": number}) for number in range(3)]
                with engine.connect().execution_options(is_writer=True) as connection, connection.begin():
                    connection.execute(insert(AuditEntry), rows)
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    verdict = verify()
    assert (verdict.entries, verdict.broken) == (120, None)
    assert db.session.scalar(select(func.count(AuditEntry.link.distinct()))) == 120
    # Those of one statement stand together, in its order.
    targets = list(db.session.scalars(select(AuditEntry.target_id).order_by(AuditEntry.day, AuditEntry.position)))
    assert targets == [0, 1, 2] * 40


def where(position: int) -> str:
    """Return the condition of one entry."""
    return f"WHERE position = {position}"


@pytest.mark.parametrize(
    ("statements", "position", "sentence"),
    [
        ([f"UPDATE audit_entries SET action = 'auth.signed_in' {where(3)}"], 3, CHANGED),
        ([f"UPDATE audit_entries SET actor_id = NULL {where(1)}"], 1, CHANGED),
        ([f"""UPDATE audit_entries SET changes = '{{"number": [9, 3.0], "æ": null}}' {where(5)}"""], 5, CHANGED),
        ([f"UPDATE audit_entries SET link = digest {where(2)}"], 2, REORDERED),
        ([f"DELETE FROM audit_entries {where(3)}"], 3, MISSING),
        ([f"DELETE FROM audit_entries {where(1)}"], 1, MISSING),
        ([f"DELETE FROM audit_entries {where(5)}"], 5, CUT_OFF),
        (["DELETE FROM audit_entries"], 1, CUT_OFF),
        ([f"DELETE FROM audit_entries {where(5)}", "UPDATE audit_days SET entries = 4"], 4, OTHER_HEAD),
        (["UPDATE audit_days SET entries = 4"], 4, OTHER_HEAD),
        (["DELETE FROM audit_days"], None, TOO_MANY),
        ([f"UPDATE audit_entries SET position = NULL {where(4)}"], None, TOO_MANY),
        (
            [
                f"UPDATE audit_entries SET position = -1 {where(2)}",
                f"UPDATE audit_entries SET position = 2 {where(3)}",
                f"UPDATE audit_entries SET position = 3 {where(-1)}",
            ],
            2,
            REORDERED,
        ),
        (
            [
                "UPDATE audit_days SET entries = 4, head = "
                "(SELECT link FROM audit_entries WHERE audit_entries.day = audit_days.day AND position = 4)"
            ],
            5,
            TOO_MANY,
        ),
    ],
)
def test_tampering_is_found_and_named(app, statements, position, sentence):
    make_entries(5, LONG_AGO)
    for statement in statements:
        execute(statement)
    broken = verify().broken
    assert broken is not None
    assert (broken.day, broken.position, broken.sentence) == (LONG_AGO.date(), position, sentence)
    if sentence in (CHANGED, REORDERED):
        named = db.session.scalar(select(AuditEntry.position).where(AuditEntry.id == broken.entry_id))
        assert named == position


def test_tampering_with_the_digest_as_well_is_found(app):
    make_entries(4, LONG_AGO)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.position == 2)).one()
    contents = {name: getattr(entry, name) for name in audit_archive.CONTENTS} | {"outcome": "failure"}
    execute(f"UPDATE audit_entries SET outcome = 'failure', digest = '{digest_of(contents)}' {where(2)}")
    broken = verify().broken
    assert (broken.position, broken.sentence) == (2, REORDERED)


def test_verify_looks_at_the_days_that_are_asked_for(app):
    for day in range(3):
        make_entries(2, LONG_AGO + timedelta(days=day))
    execute("UPDATE audit_entries SET outcome = 'failure' WHERE day = '2024-05-18' AND position = 2")
    counted: list[int] = []
    assert verify(since=date(2024, 5, 19), progress=counted.append).broken is None
    assert (counted, audit_verification.count_entries(since=date(2024, 5, 19))) == ([2], 2)
    assert verify(until=date(2024, 5, 17)).entries == 2
    assert verify().broken.day == verify(since=date(2024, 5, 18)).broken.day == date(2024, 5, 18)


@pytest.fixture
def archive(app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of the test's own, that is not there yet."""
    monkeypatch.setitem(app.config, "AUDIT_ARCHIVE", str(tmp_path / "audit"))
    return tmp_path / "audit"


def stored_days() -> dict[date, int]:
    """Return how many entries of each day the database has."""
    db.session.rollback()
    return dict(db.session.execute(select(AuditEntry.day, func.count()).group_by(AuditEntry.day)).all())


def test_old_days_are_moved_to_the_archive_and_are_verified_there(archive, monkeypatch):
    monkeypatch.setattr(audit_archive, "BATCH", 2)
    for day in range(2):
        make_entries(5, LONG_AGO + timedelta(days=day))
    make_entries(3)
    assert archive_old_days() == 2
    assert archive_old_days() == 0
    # Two entries tell of what was archived.
    assert sum(stored_days().values()) == 5
    assert min(stored_days()) > date(2024, 5, 18)
    assert sorted(path.name for path in archive.iterdir()) == ["audit-2024-05-17.jsonl.gz", "audit-2024-05-18.jsonl.gz"]
    with gzip.open(file_of(LONG_AGO.date()), "rt") as lines:
        assert [json.loads(line)["position"] for line in lines] == [1, 2, 3, 4, 5]
    counted: list[int] = []
    verdict = verify(progress=counted.append)
    assert (verdict.entries, verdict.broken) == (15, None)
    assert sum(counted) == audit_verification.count_entries() == 15


@pytest.mark.parametrize("damage", ["edit", "cut", "garbage", "gone"])
def test_tampering_with_the_archive_is_found(archive, damage):
    make_entries(5, LONG_AGO)
    archive_old_days()
    path = file_of(LONG_AGO.date())
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    if damage == "edit":
        path.write_bytes(gzip.compress(b"".join(lines).replace(b'"actor_id":7', b'"actor_id":8')))
    elif damage == "cut":
        path.write_bytes(gzip.compress(b"".join(lines[:4])))
    elif damage == "garbage":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        path.unlink()
    expected = {"edit": (1, CHANGED), "cut": (5, CUT_OFF), "garbage": (1, UNREADABLE), "gone": (1, UNREADABLE)}
    broken = verify().broken
    assert broken.day == LONG_AGO.date()
    assert broken.sentence == expected[damage][1]
    assert damage == "garbage" or broken.position == expected[damage][0]


def test_day_with_a_broken_chain_stays_and_others_go(archive):
    for day in range(2):
        make_entries(2, LONG_AGO + timedelta(days=day))
    execute("UPDATE audit_entries SET outcome = 'failure' WHERE day = '2024-05-17' AND position = 2")
    assert archive_old_days() == 1
    assert stored_days()[date(2024, 5, 17)] == 2
    assert [path.name for path in archive.iterdir()] == ["audit-2024-05-18.jsonl.gz"]


@pytest.mark.parametrize("step", ["check_archived", "_mark", "_delete_entries"])
def test_archiving_that_is_interrupted_loses_nothing_and_goes_on(archive, monkeypatch, step):
    make_entries(3, LONG_AGO)

    def crash(*_: object) -> None:
        raise RuntimeError("The process ends here.")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(audit_archive, step, crash)
        archive_old_days()
    assert verify().broken is None
    assert archive_old_days() == 1
    assert LONG_AGO.date() not in stored_days()
    assert (verify().entries, verify().broken) == (4, None)
    # Nothing unfinished is left.
    assert [path.name for path in archive.iterdir()] == ["audit-2024-05-17.jsonl.gz"]
