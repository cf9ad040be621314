"""Tests of work at intervals: one process runs it, at once and again, late rather than never, whatever happens."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import gevent
import pytest
from gevent.event import Event as Signal
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from nxfs.app import SCHEDULE
from nxfs.core import clock, leadership, scheduler
from nxfs.core.leadership import Leadership, Lease
from nxfs.core.scheduled_runs import ScheduledRun
from nxfs.core.scheduler import LEASE_NAME, Scheduled, Scheduler
from nxfs.core.settings import setting
from nxfs.extensions import db
from tests.waiting import wait_until

OFTEN, RARELY = 0.05, 86400


@pytest.fixture
def begin(app, monkeypatch):
    """Starts what runs ``entries`` in a process ``name``, all with hasty leases; ends it after the test."""
    monkeypatch.setattr(leadership, "RENEWAL_SECONDS", 0.05)
    begun = []

    def begin(name, *entries):
        former = app.extensions["nxfs.schedule"]
        scheduler.install(app, entries)
        begun.append(Scheduler(app, Leadership(LEASE_NAME, name)))
        scheduler.install(app, former)
        begun[-1].start()
        return begun[-1]

    yield begin
    for each in begun:
        each.stop()
        assert each.join(10)


def leader():
    db.session.rollback()
    return db.session.scalar(select(Lease.holder))


def stored(name):
    """Return the row of an entry, if there is one."""
    db.session.rollback()
    return db.session.execute(select(*ScheduledRun.__table__.columns).where(ScheduledRun.name == name)).one_or_none()


def store(name, next_run_at, **values):
    db.session.execute(insert(ScheduledRun).values(name=name, next_run_at=next_run_at, run_count=7, **values))
    db.session.commit()


def ticking(name, log, seconds=OFTEN, **options):
    """Return an entry that writes into ``log`` when it runs."""
    return Scheduled(name, lambda: log.append(clock.now()), seconds=seconds, **options)


def test_entries_have_names_of_their_own_that_fit():
    names = [entry.name for entry in SCHEDULE]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= ScheduledRun.__table__.c.name.type.length
    assert min(entry.seconds for entry in SCHEDULE) > 0


def test_entries_run_at_once_and_again_whatever_happens(begin):
    runs, failures, rare, together, most = [], [], [], [0], [0]

    def work():
        together[0] += 1
        most[0] = max(most[0], together[0])
        runs.append(setting("NXFS_ENV"))
        gevent.sleep(0.12)
        together[0] -= 1

    def fail():
        failures.append(1)
        raise RuntimeError("this time not")

    entries = Scheduled("work", work, seconds=OFTEN), Scheduled("fail", fail, seconds=OFTEN)
    first = begin("first", *entries, ticking("rare", rare, RARELY))
    # What is due once a day has run as well: at once.
    wait_until(lambda: len(runs) >= 4 and len(failures) >= 5 and rare)
    first.stop()
    assert first.join(10)
    assert (most, set(runs), len(rare)) == ([1], {"test"}, 1)
    assert (stored("work").run_count, stored("work").outcome, stored("work").failure) == (len(runs), "success", None)
    assert stored("work").finished_at - stored("work").started_at >= timedelta(seconds=0.1)
    assert (stored("fail").run_count, stored("fail").outcome) == (len(failures), "failure")
    assert stored("fail").failure == "RuntimeError: this time not"
    assert stored("rare").next_run_at - stored("rare").started_at > timedelta(seconds=RARELY - 60)


def test_what_is_due_during_its_former_run_is_late_told_of_and_made_up_for_once(begin, caplog):
    begun, may_end = [], Signal()

    def work():
        begun.append(clock.now())
        may_end.wait()

    begin("first", Scheduled("work", work, seconds=1))
    wait_until(lambda: "scheduled run is late" in caplog.text)
    gevent.sleep(OFTEN)
    assert (len(begun), stored("work").run_count) == (1, 1)
    released = clock.now()
    may_end.set()
    wait_until(lambda: len(begun) == 2)
    assert begun[1] - released < timedelta(seconds=0.5)
    # The moments go on as before.
    wait_until(lambda: len(begun) == 3)
    assert begun[2] - begun[0] > timedelta(seconds=1.5)
    assert (caplog.text.count("scheduled run is late"), "skipped" in caplog.text) == (1, False)


def test_only_one_of_two_processes_runs_what_is_for_one(begin):
    logs = {name: ([], []) for name in ("first", "second")}
    for name, (alone, everywhere) in logs.items():
        begin(name, ticking("alone", alone), ticking("everywhere", everywhere, in_every_process=True))
    wait_until(lambda: all(len(everywhere) >= 6 for _, everywhere in logs.values()))
    [led] = [name for name, (alone, _) in logs.items() if alone]
    assert leader() == led
    assert len(logs[led][0]) >= 3
    wait_until(lambda: stored("everywhere"))


def test_stop_hands_over_at_once_and_nothing_is_run_twice_or_left_out(begin):
    logs = {name: ([], []) for name in ("first", "second")}
    entries = {name: (ticking("often", often), ticking("rare", rare, RARELY)) for name, (often, rare) in logs.items()}
    first = begin("first", *entries["first"])
    wait_until(lambda: logs["first"][1])
    second = begin("second", *entries["second"])
    wait_until(lambda: len(logs["first"][0]) >= 3)
    first.stop()
    # The lease is that of a server: nobody could wait for its end here.
    wait_until(lambda: len(logs["second"][0]) >= 3, seconds=leadership.LEASE.total_seconds() / 2)
    at_handover = len(logs["first"][0])
    second.stop()
    assert second.join(10)
    assert leader() is None
    assert len(logs["first"][0]) == at_handover
    assert max(logs["first"][0]) < min(logs["second"][0])
    assert stored("often").run_count == len(logs["first"][0]) + len(logs["second"][0])
    assert ([len(rare) for _, rare in logs.values()], stored("rare").run_count) == ([1, 0], 1)


def test_stop_waits_a_moment_for_a_run_and_leaves_a_long_one_to_the_next_process(begin):
    runs, may_end = [], Signal()

    def work(name, seconds):
        runs.append(name)
        may_end.wait(seconds)
        runs.append(f"{name} ended")

    first = begin("first", Scheduled("short", partial(work, "short", 0.1), seconds=RARELY))
    wait_until(lambda: runs)
    first.stop()
    assert first.join(10)
    assert (runs, stored("short").outcome) == (["short", "short ended"], "success")
    second = begin("second", Scheduled("long", partial(work, "long", 60), seconds=RARELY))
    wait_until(lambda: "long" in runs)
    second.stop()
    assert second.join(10)
    assert "long ended" not in runs
    begin("third", Scheduled("long", partial(work, "again", 0), seconds=RARELY))
    wait_until(lambda: "again ended" in runs)
    wait_until(lambda: stored("long").outcome == "success")
    # What the former process still does is no longer its to tell.
    may_end.set()
    wait_until(lambda: "long ended" in runs)
    assert stored("long").run_count == 2


def test_killed_leader_is_followed_and_its_run_made_up_for(begin, monkeypatch):
    monkeypatch.setattr(leadership, "LEASE", timedelta(seconds=2))
    monkeypatch.setattr(leadership, "MARGIN", timedelta(seconds=0.5))
    runs, may_end = [], Signal()

    def work(name):
        runs.append(name)
        may_end.wait(60 if name == "first" else 0)

    def entries(name, rare):
        return Scheduled("work", partial(work, name), seconds=RARELY), ticking("rare", rare, RARELY)

    rare = {"first": [], "second": []}
    first = begin("first", *entries("first", rare["first"]))
    wait_until(lambda: stored("work") and stored("rare") and stored("rare").outcome)
    first.kill()
    begin("second", *entries("second", rare["second"]))
    wait_until(lambda: runs == ["first", "second"], seconds=10)
    wait_until(lambda: stored("work").outcome == "success")
    assert ([len(each) for each in rare.values()], stored("rare").run_count) == ([1, 0], 1)
    may_end.set()


def test_frozen_leader_that_wakes_up_runs_nothing(begin, monkeypatch):
    alone, everywhere = [], []
    begin("first", ticking("alone", alone), ticking("everywhere", everywhere, in_every_process=True))
    wait_until(lambda: len(alone) >= 2 and len(everywhere) >= 2)
    # It does not get to renew its lease before its runs are due.
    monkeypatch.setattr(leadership, "RENEWAL_SECONDS", 60)
    gevent.sleep(2 * OFTEN)
    real = leadership.monotonic
    monkeypatch.setattr(leadership, "monotonic", lambda: real() + 3600)
    before, ticks = len(alone), len(everywhere)
    wait_until(lambda: len(everywhere) >= ticks + 5)
    assert len(alone) == before


def test_leader_without_its_database_stops_in_time_and_begins_again(begin, monkeypatch, caplog):
    monkeypatch.setattr(leadership, "LEASE", timedelta(seconds=1.5))
    monkeypatch.setattr(leadership, "MARGIN", timedelta(seconds=0.5))
    alone, everywhere, may_end, long = [], [], Signal(), []

    def last_long():
        long.append("begun")
        may_end.wait()
        long.append("ended")

    entries = ticking("alone", alone), Scheduled("long", last_long, seconds=RARELY)
    begin("first", *entries, ticking("everywhere", everywhere, in_every_process=True))
    wait_until(lambda: len(alone) >= 2 and long)

    def away():
        raise OperationalError("SELECT 1", {}, ConnectionError("away"))

    with monkeypatch.context() as trouble:
        trouble.setattr(leadership, "transaction", away)
        before = len(alone)
        wait_until(lambda: "leads no longer" in caplog.text)
        # It went on as long as nobody else could.
        assert len(alone) > before
        before, ticks = len(alone), len(everywhere)
        wait_until(lambda: len(everywhere) >= ticks + 5)
        assert len(alone) == before
        # How it went is nothing that this process may write any more.
        may_end.set()
        wait_until(lambda: long[-1] == "ended")
    wait_until(lambda: len(alone) >= before + 2)
    wait_until(lambda: stored("long").outcome == "success")
    assert (long, stored("long").run_count) == (["begun", "ended"] * 2, 2)
    assert "renewing the lease failed" in caplog.text
    assert "KeyError" not in caplog.text


def test_new_leader_runs_what_is_overdue_at_once_and_the_rest_when_it_is_due(begin):
    now = clock.now()
    store("overdue", now - timedelta(days=400))
    store("soon", now + timedelta(seconds=0.5))
    store("far", now + timedelta(hours=20))
    # Its interval was shortened since.
    store("shortened", now + timedelta(days=30))
    logs = {name: [] for name in ("overdue", "soon", "far", "shortened", "new")}
    seconds = {"overdue": RARELY, "soon": RARELY, "far": RARELY, "shortened": 0.5, "new": RARELY}
    begin("first", *(ticking(name, log, seconds[name]) for name, log in logs.items()))
    wait_until(lambda: logs["overdue"] and logs["new"])
    wait_until(lambda: logs["soon"] and logs["shortened"])
    assert logs["soon"][0] >= now + timedelta(seconds=0.5)
    assert [len(logs[name]) for name in ("overdue", "soon", "far", "new")] == [1, 1, 0, 1]
    wait_until(lambda: stored("overdue").run_count == 8 and stored("overdue").outcome == "success")
    assert stored("overdue").next_run_at > now + timedelta(seconds=RARELY - 60)
