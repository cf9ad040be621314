"""``flask audit``: the newest entries, the chain and its first broken link, and exports."""

from __future__ import annotations

import csv
import json
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select, text

from nxfs.core import clock
from nxfs.core.audit import AuditDay, AuditEntry
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests.factories.users import create_user


@pytest.fixture
def run(app):
    """Run ``flask audit`` with arguments, where there are three entries."""
    kari = create_user(username="kari")
    # In the middle of a day, so that they are in one chain.
    noon = clock.now().replace(hour=12) - timedelta(days=1)
    for number, action in enumerate(("users.updated", "users.role_changed", "tasks.exported")):
        with time_machine.travel(noon + timedelta(minutes=number)), transaction() as tx:
            tx.audit(action, actor_id=kari.id, target=kari if action.startswith("users.") else None)
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["audit", *map(str, arguments)])


def test_tail_shows_the_newest_at_the_end(run):
    lines = run("tail").output.splitlines()
    assert lines[0].split() == ["ID", "TIME", "ACTOR", "ACTION", "TARGET", "OUTCOME", "ADDRESS"]
    assert [line.split()[3] for line in lines[1:]] == ["users.updated", "users.role_changed", "tasks.exported"]
    assert lines[1].split()[2] == "kari"
    limited = run("tail", "--limit", 1, "--action", "users.", "--actor", "kari", "--json").output.splitlines()
    assert [json.loads(line)["action"] for line in limited] == ["users.role_changed"]
    assert run("tail", "--outcome", "failure").output == "There are no such entries.\n"
    assert run("tail", "--limit", 0).exit_code == 2


def test_verify_says_that_all_is_well_and_names_the_head(run):
    verified = run("verify")
    head = db.session.scalar(select(AuditDay.head))
    assert (verified.exit_code, verified.stdout) == (
        0,
        f"3 entries of 1 days are what they were. The head is {head}.\n",
    )
    printed = json.loads(run("verify", "--json", "--since", clock.now().date() - timedelta(days=2)).stdout)
    assert printed == {"days": 1, "entries": 3, "head": head, "broken": None}
    assert run("verify", "--until", "2020-01-01").stdout == "0 entries of 0 days are what they were.\n"


def test_verify_names_the_first_broken_link_and_fails(run):
    db.session.execute(text("UPDATE audit_entries SET action = 'users.viewed' WHERE position > 1"))
    db.session.commit()
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.position == 2)).one()
    verified = run("verify")
    named = f"day {entry.day}, position 2, entry {entry.id}: What the entry says was changed."
    assert (verified.exit_code, verified.stdout) == (1, f"The chain is broken at {named}\n")
    as_json = run("verify", "--json")
    broken = {"day": str(entry.day), "position": 2, "id": entry.id, "reason": "What the entry says was changed."}
    assert (as_json.exit_code, json.loads(as_json.stdout)["broken"]) == (1, broken)


def test_export_writes_a_file_and_leaves_an_entry(run, tmp_path):
    file = tmp_path / "audit.csv"
    answer = run("export", "--format", "csv", "--output", file, "--action", "users.")
    assert (answer.exit_code, answer.output) == (0, "")
    with file.open(newline="") as lines:
        assert [row["action"] for row in csv.DictReader(lines)] == ["users.role_changed", "users.updated"]
    printed = [json.loads(line) for line in run("export").output.splitlines()]
    # The export itself is the newest entry.
    assert printed[0]["action"] == printed[1]["action"] == "audit.exported"
    assert printed[0]["actor"] is None
