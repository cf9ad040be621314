"""Tests of the memory of runs: written together, only what changed, and nothing lost by a transaction that fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from nxfs.core import clock
from nxfs.core.database import start_counting
from nxfs.core.scheduled_runs import LONGEST_FAILURE, LOST, Run, Runs, ScheduledRun, read_runs
from nxfs.core.transaction import transaction
from nxfs.extensions import db

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = BEGIN + timedelta(hours=1)


@pytest.fixture(autouse=True)
def moments(monkeypatch):
    """A second passes each time that somebody looks at the clock."""
    seconds = iter(range(1_000))
    monkeypatch.setattr(clock, "now", lambda: BEGIN + timedelta(seconds=next(seconds)))


def write(runs):
    """Write ``runs`` and return how many statements that took."""
    counter = start_counting()
    with transaction() as tx:
        runs.write(tx)
    return counter[0]


def stored():
    db.session.rollback()
    return db.session.scalars(select(ScheduledRun.name).order_by(ScheduledRun.name)).all()


def test_run_has_a_beginning_an_end_and_an_outcome():
    runs = Runs()
    runs.begin("a", next_run_at=LATER)
    assert runs.find("a") == Run("a", LATER, started_at=BEGIN, run_count=1)
    assert runs.find("a").is_running
    runs.end("a", None)
    ended = Run("a", LATER, BEGIN, BEGIN + timedelta(seconds=1), "success", None, 1)
    assert (runs.find("a"), ended.is_running) == (ended, False)
    runs.begin("a", next_run_at=LATER)
    # Until the end, outcome and end are those of the run before.
    assert runs.find("a").is_running
    assert (runs.find("a").outcome, runs.find("a").run_count) == ("success", 2)
    runs.end("a", "x" * (LONGEST_FAILURE + 1))
    assert (runs.find("a").outcome, runs.find("a").failure) == ("failure", "x" * LONGEST_FAILURE)
    runs.begin("a", next_run_at=LATER)
    runs.end("a", None)
    assert (runs.find("a").outcome, runs.find("a").failure) == ("success", None)
    assert runs.find("b") is None


def test_all_are_written_with_one_statement_and_once(app):
    runs = Runs()
    for name in ("a", "b", "c"):
        runs.begin(name, next_run_at=LATER)
    runs.end("b", "broken")
    assert (write(runs), write(runs)) == (1, 0)
    runs.end("a", None)
    assert write(runs) == 1
    known = read_runs()
    assert [known.find(name) for name in ("a", "b", "c")] == [runs.find(name) for name in ("a", "b", "c")]
    assert write(known) == 0


def test_what_a_failed_transaction_did_not_write_is_written_by_the_next(app):
    runs = Runs()
    runs.begin("a", next_run_at=LATER)
    with pytest.raises(RuntimeError), transaction() as tx:
        runs.write(tx)
        raise RuntimeError("rolled back")
    assert stored() == []
    assert write(runs) == 1
    assert stored() == ["a"]


def test_what_is_noted_during_a_transaction_is_written_by_the_next(app):
    runs = Runs()
    runs.begin("a", next_run_at=LATER)
    with transaction() as tx:
        runs.write(tx)
        runs.end("a", None)
    assert read_runs().find("a").is_running
    assert write(runs) == 1
    assert read_runs().find("a").outcome == "success"


def test_lost_runs_have_failed_and_are_due(app):
    runs = Runs([Run("whole", LATER, BEGIN, BEGIN, "success", None, 3), Run("lost", LATER, BEGIN, None, None, None, 4)])
    runs.end_lost()
    assert runs.find("whole").next_run_at == LATER
    lost = runs.find("lost")
    assert (lost.outcome, lost.failure, lost.is_running, lost.run_count) == ("failure", LOST, False, 4)
    assert lost.next_run_at < LATER
    write(runs)
    assert stored() == ["lost"]
