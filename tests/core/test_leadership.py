"""Tests of the lease: one process leads, another one after its end, and none that only believes to."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from nxfs.core import clock, leadership
from nxfs.core.leadership import LEASE, MARGIN, RENEWAL_SECONDS, Leadership, Lease, process_name
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests.tasks.racing import Pause, run_together

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clocks:
    """Both clocks of a process, which stand still until they are moved."""

    def __init__(self) -> None:
        self.moment, self.seconds = BEGIN, 1_000.0

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds


@pytest.fixture
def clocks(monkeypatch):
    clocks = Clocks()
    monkeypatch.setattr(clock, "now", lambda: clocks.moment)
    monkeypatch.setattr(leadership, "monotonic", lambda: clocks.seconds)
    return clocks


@pytest.fixture
def pair(app, clocks):
    return Leadership("test", "first"), Leadership("test", "second")


def nothing(tx):
    """Write nothing beside the lease."""


def holder():
    db.session.rollback()
    return db.session.scalar(select(Lease.holder).where(Lease.name == "test"))


def test_process_names_differ_and_fit():
    assert len({process_name() for _ in range(100)}) == 100
    assert len(process_name()) <= Lease.__table__.c.holder.type.length


def test_only_one_leads_as_long_as_it_renews(pair, clocks):
    first, second = pair
    assert (first.renew(nothing), second.renew(nothing)) == (True, False)
    for _ in range(20):
        clocks.move(RENEWAL_SECONDS)
        # It led before: this is no new beginning.
        assert (second.renew(nothing), first.renew(nothing)) == (False, False)
        assert (first.is_leading, second.is_leading) == (True, False)
    assert db.session.scalar(select(Lease.taken_at)) == BEGIN


def test_leader_stops_before_another_may_begin(pair, clocks):
    first, second = pair
    first.renew(nothing)
    clocks.move((LEASE - MARGIN).total_seconds() - 0.001)
    assert first.is_leading
    clocks.move(0.001)
    assert not first.is_leading
    assert not second.renew(nothing)
    clocks.move(MARGIN.total_seconds() - 0.001)
    assert not second.renew(nothing)
    clocks.move(0.001)
    assert second.renew(nothing)
    assert (first.renew(nothing), first.is_leading, second.is_leading, holder()) == (False, False, True, "second")


@pytest.mark.parametrize("name", ["both", "monotonic"])
def test_slow_renewal_counts_from_its_beginning(pair, clocks, monkeypatch, name):
    first, second = pair
    opened = transaction

    def slow_transaction():
        clocks.seconds += LEASE.total_seconds()
        if name == "both":
            clocks.moment += LEASE
        return opened()

    with monkeypatch.context() as trouble:
        trouble.setattr(leadership, "transaction", slow_transaction)
        # It has the lease, but what it promised to others is over already.
        assert not first.renew(nothing)
    assert (holder(), first.is_leading) == ("first", False)
    clocks.moment = BEGIN + LEASE
    assert second.renew(nothing)


@pytest.mark.parametrize("name", ["moment", "seconds"])
def test_either_clock_ends_leading(pair, clocks, name):
    first, _ = pair
    first.renew(nothing)
    if name == "moment":
        clocks.moment += LEASE
    else:
        clocks.seconds += LEASE.total_seconds()
    assert not first.is_leading


def test_leader_that_slept_and_is_alone_leads_anew(pair, clocks):
    first, _ = pair
    first.renew(nothing)
    clocks.move(LEASE.total_seconds() - 1)
    # The lease had not run out, but what was due meanwhile was not run.
    assert first.renew(nothing)
    assert db.session.scalar(select(Lease.taken_at)) == BEGIN
    clocks.move(3600)
    assert first.renew(nothing)
    db.session.rollback()
    assert db.session.scalar(select(Lease.taken_at)) == clocks.moment


def test_resigning_lets_another_lead_at_its_next_look(pair):
    first, second = pair
    first.renew(nothing)
    assert not second.renew(nothing)
    first.resign(nothing)
    assert (first.is_leading, holder()) == (False, None)
    assert second.renew(nothing)
    # Once more, and by somebody who does not lead: nothing to give up.
    first.resign(nothing)
    assert (holder(), second.is_leading) == ("second", True)


def test_resigning_gives_up_what_was_taken_unnoticed(pair, clocks, monkeypatch):
    first, second = pair
    written = []

    @contextmanager
    def transaction_with_lost_answer():
        with transaction() as tx:
            yield tx
        raise OperationalError("COMMIT", {}, ConnectionError("lost"))

    with monkeypatch.context() as trouble:
        trouble.setattr(leadership, "transaction", transaction_with_lost_answer)
        with pytest.raises(OperationalError):
            first.renew(nothing)
    assert (first.is_leading, second.renew(nothing)) == (False, False)
    first.resign(written.append)
    assert (second.renew(nothing), written) == (True, [])


def test_resigning_late_leaves_the_successor_alone(pair, clocks):
    first, second = pair
    written = []
    first.renew(written.append)
    clocks.move(3600)
    second.renew(nothing)
    first.resign(written.append)
    assert (holder(), written) == ("second", [])


def test_only_a_leader_that_was_not_replaced_writes(pair, clocks):
    first, second = pair
    written = []
    first.renew(written.append)
    assert written == []
    first.renew(written.append)
    clocks.move(LEASE.total_seconds() - 1)
    first.renew(written.append)
    assert len(written) == 2
    clocks.move(3600)
    second.renew(nothing)
    first.renew(written.append)
    clocks.move(3600)
    # It leads again, with a memory that is older than what the other one wrote.
    assert first.renew(written.append)
    assert len(written) == 2
    first.resign(written.append)
    assert len(written) == 3


def test_what_is_written_fails_together_with_the_renewal(pair, clocks):
    first, second = pair
    first.renew(nothing)
    clocks.move(10)

    def fail(tx):
        raise RuntimeError("cannot be written")

    with pytest.raises(RuntimeError):
        first.renew(fail)
    db.session.rollback()
    assert db.session.scalar(select(Lease.expires_at)) == BEGIN + LEASE
    clocks.move(10)
    assert second.renew(nothing)


def test_leader_outlives_a_database_that_is_away_for_a_moment(pair, clocks, monkeypatch):
    first, second = pair
    first.renew(nothing)

    def away():
        raise OperationalError("SELECT 1", {}, ConnectionError("away"))

    with monkeypatch.context() as trouble:
        trouble.setattr(leadership, "transaction", away)
        for _ in range(2):
            clocks.move(RENEWAL_SECONDS)
            with pytest.raises(OperationalError):
                first.renew(nothing)
            assert first.is_leading
        clocks.move(RENEWAL_SECONDS)
        assert not first.is_leading
    assert not second.renew(nothing)
    assert first.renew(nothing)
    assert first.is_leading


def test_of_many_that_begin_together_one_leads(app, engine_name, monkeypatch):
    leaders = [Leadership("test", f"process {number}") for number in range(6)]
    # All find the lease free before the first takes it.
    Pause(monkeypatch, engine_name, Leadership, "_is_mine_or_free")

    def renew(leader):
        with app.app_context():
            return leader.renew(nothing)

    begun = run_together(engine_name, [partial(renew, leader) for leader in leaders])
    assert sorted(begun) == [False] * 5 + [True]
    assert [leader.is_leading for leader in leaders] == begun
    assert holder() == leaders[begun.index(True)].holder


def test_leases_of_different_names_are_different(pair):
    pair[0].renew(nothing)
    other = Leadership("other", "second")
    assert other.renew(nothing)
    assert (pair[0].is_leading, other.is_leading) == (True, True)
