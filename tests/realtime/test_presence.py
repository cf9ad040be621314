"""Tests of presence: the first to come and the last to go, told once for all processes, whatever happens to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import update

from nxfs.core import database, event_log
from nxfs.extensions import db
from nxfs.realtime import attendance, models, presence, queries
from nxfs.realtime.presence import MOST_ANNOUNCED, Presence
from tests import waiting
from tests.realtime.attendees import START, Process, World, create_users, new_world
from tests.tasks.racing import run_together

ROOM = "tasks"
OTHER_ROOM = "project_3"
GRACE = 8
SECONDS = 20
wait_until = partial(waiting.wait_until, seconds=SECONDS)


@pytest.fixture
def world(app: Flask) -> Iterator[World]:
    """Processes on the application's database."""
    with new_world(app) as made:
        yield made


@pytest.fixture
def users(world: World) -> list[int]:
    """Three users."""
    return create_users(3)


def statements_of(action: Callable[[], object]) -> int:
    """Return how many statements ``action`` needs."""
    counter = database.start_counting()
    action()
    return counter[0]


def fail_once(monkeypatch: pytest.MonkeyPatch, name: str, *, after: bool) -> None:
    """Let the next call of ``attendance.<name>`` lose its connection before or ``after`` it has done its work."""
    function = getattr(attendance, name)

    def failing(*args: object, **keywords: object) -> None:
        monkeypatch.setattr(attendance, name, function)
        if after:
            function(*args, **keywords)
        raise ConnectionError("the database is away")

    monkeypatch.setattr(attendance, name, failing)


# One process


def test_first_connection_joins_and_last_leaves(world, users):
    process, (kari, ola, _) = world.start("one"), users
    process.enter("a", ROOM, kari)
    process.enter("b", ROOM, kari)
    process.enter("c", ROOM, ola)
    process.flush()
    assert world.told() == [("joined", kari, ROOM), ("joined", ola, ROOM)]
    process.leave("a", ROOM)
    process.flush()
    assert world.rows() == {(ROOM, kari, "one"), (ROOM, ola, "one")}
    process.leave("b", ROOM)
    process.flush()
    assert world.told()[2:] == [("left", kari, ROOM)]
    assert world.rows() == {(ROOM, ola, "one")}


def test_nothing_is_written_before_the_flush_nor_without_a_change(world, users):
    process = world.start("one")
    process.enter("a", ROOM, users[0])
    assert (world.rows(), world.told()) == (set(), [])
    process.flush()
    process.enter("a", ROOM, users[0])
    process.enter("b", ROOM, users[0])
    process.leave("b", OTHER_ROOM)
    process.leave("unknown", ROOM)
    process.disconnect("unknown")
    assert statements_of(process.flush) == 0


def test_rooms_are_apart(world, users):
    process, kari = world.start("one"), users[0]
    process.enter("a", ROOM, kari)
    process.enter("a", OTHER_ROOM, kari)
    process.flush()
    process.leave("a", ROOM)
    process.flush()
    assert world.present() == {(OTHER_ROOM, kari)}
    assert (process.people(ROOM), process.people(OTHER_ROOM)) == (set(), {kari})


def test_rooms_of_one_user_have_no_presence(world, users):
    process = world.start("one")
    process.enter("a", f"user_{users[0]}", users[0])
    assert statements_of(process.flush) == 0
    assert process.members(f"user_{users[0]}") == {}
    process.leave("a", f"user_{users[0]}")
    process.disconnect("a")
    assert statements_of(process.flush) == 0


def test_explicit_leave_has_no_grace(world, users):
    process = world.start("one")
    process.enter("a", ROOM, users[0])
    process.flush()
    process.leave("a", ROOM)
    process.flush()
    assert world.present() == set()


def test_disconnected_user_leaves_after_the_grace(world, users):
    process = world.start("one")
    process.enter("a", ROOM, users[0])
    process.flush()
    process.disconnect("a")
    world.watch.advance(GRACE - 0.1)
    assert statements_of(process.flush) == 0
    world.watch.advance(0.1)
    process.flush()
    assert world.told()[1:] == [("left", users[0], ROOM)]


def test_reload_of_the_page_is_no_event_and_no_statement(world, users):
    process = world.start("one")
    process.enter("a", ROOM, users[0])
    process.flush()
    process.disconnect("a")
    world.watch.advance(GRACE - 1)
    process.enter("b", ROOM, users[0])
    world.watch.advance(3 * GRACE)
    assert statements_of(process.flush) == 0
    assert world.told() == [("joined", users[0], ROOM)]


def test_grace_belongs_to_the_connection_that_was_lost_not_to_the_one_that_came_back(world, users):
    process = world.start("one")
    process.enter("a", ROOM, users[0])
    process.flush()
    process.disconnect("a")
    process.enter("b", ROOM, users[0])
    process.leave("b", ROOM)
    process.flush()
    assert world.present() == set()


def test_ten_tabs_flapping_are_no_event(world, users):
    process = world.start("one")
    tabs = [f"tab-{number}" for number in range(10)]
    for tab in tabs:
        process.enter(tab, ROOM, users[0])
    process.flush()
    for round_ in range(20):
        for number, tab in enumerate(tabs):
            process.disconnect(f"{tab}" if round_ == 0 else f"{tab}.{round_ - 1}")
            world.watch.advance(0.3)
            process.enter(f"{tab}.{round_}", ROOM, users[0])
            assert number > 0 or statements_of(process.flush) == 0
    assert world.told() == [("joined", users[0], ROOM)]
    for tab in tabs:
        process.disconnect(f"{tab}.19")
        world.watch.advance(0.3)
    world.watch.advance(GRACE)
    process.flush()
    assert world.told() == [("joined", users[0], ROOM), ("left", users[0], ROOM)]


def test_coming_and_going_between_two_flushes_is_one_visit_at_most(world, users):
    process = world.start("one")
    process.enter("a", ROOM, users[0])
    process.leave("a", ROOM)
    process.enter("b", ROOM, users[1])
    process.leave("b", ROOM)
    process.enter("b", ROOM, users[1])
    process.flush()
    assert world.told() == [("joined", users[1], ROOM)]


# Cost


@pytest.mark.parametrize("count", [2, 500])
def test_statements_of_a_flush_do_not_grow_with_the_changes(world, engine_name, count):
    process, ids = world.start("one"), create_users(count)
    process.beat()
    for user_id in ids[: count // 2]:
        process.enter(f"old-{user_id}", ROOM, user_id)
    process.flush()
    for user_id in ids[: count // 2]:
        process.leave(f"old-{user_id}", ROOM)
    for user_id in ids[count // 2 :]:
        process.enter(f"new-{user_id}", ROOM, user_id)
    # The process is alive, who is elsewhere, insert, delete, events; PostgreSQL locks presence and the event log.
    assert statements_of(process.flush) == (5 if engine_name == "sqlite" else 7)
    assert world.present() == {(ROOM, user_id) for user_id in ids[count // 2 :]}


def test_many_changes_are_written_in_transactions_of_500(world, monkeypatch):
    sizes = []
    write = attendance.write
    monkeypatch.setattr(
        attendance,
        "write",
        lambda process_id, *, here, gone: (
            sizes.append(len(here) + len(gone)),
            write(process_id, here=here, gone=gone),
        )[1],
    )
    process, ids = world.start("one"), create_users(1201)
    for user_id in ids:
        process.enter(f"{user_id}", ROOM, user_id)
    process.flush()
    assert sizes == [500, 500, 201]
    # Nobody overtakes another.
    assert world.told() == [("joined", user_id, ROOM) for user_id in ids]


# Several processes


def test_two_processes_tell_of_a_user_once(world, users):
    one, two, kari = world.start("one"), world.start("two"), users[0]
    one.enter("a", ROOM, kari)
    two.enter("b", ROOM, kari)
    one.flush()
    two.flush()
    assert world.told() == [("joined", kari, ROOM)]
    assert world.rows() == {(ROOM, kari, "one"), (ROOM, kari, "two")}
    one.leave("a", ROOM)
    one.flush()
    assert world.present() == {(ROOM, kari)}
    two.leave("b", ROOM)
    two.flush()
    assert world.told()[1:] == [("left", kari, ROOM)]


def test_two_processes_that_write_at_once_tell_of_a_user_once(app, world, users, engine_name):
    processes = [world.start(f"process-{number}") for number in range(4)]
    for each in processes:
        for user_id in users:
            each.enter(f"{user_id}", ROOM, user_id)
    run_together(engine_name, [each.flush for each in processes])
    assert sorted(world.told()) == sorted(("joined", user_id, ROOM) for user_id in users)
    for each in processes:
        for user_id in users:
            each.leave(f"{user_id}", ROOM)
    run_together(engine_name, [each.flush for each in processes])
    assert sorted(world.told()[3:]) == sorted(("left", user_id, ROOM) for user_id in users)


def test_whoever_moves_to_another_process_is_there_since_he_came_first(world, users):
    one, two = world.start("one"), world.start("two")
    one.enter("a", ROOM, users[0])
    one.flush()
    world.watch.advance(60)
    two.enter("b", ROOM, users[0])
    two.flush()
    one.leave("a", ROOM)
    one.flush()
    db.session.rollback()
    assert queries.find_members(ROOM)[0].since == START
    assert two.members(ROOM) == {users[0]: START}


# Ends of processes


def test_people_of_a_killed_process_leave_within_a_minute(world, users):
    one, two, (kari, ola, per) = world.start("one"), world.start("two"), users
    for process, user_id in ((one, kari), (one, ola), (two, ola), (two, per)):
        process.enter(f"{user_id}", ROOM, user_id)
    one.beat()
    two.beat()
    # Process one is killed here.
    world.watch.advance(10)
    two.beat()
    world.watch.advance(10)
    two.beat()
    world.watch.advance(9)
    two.beat()
    assert world.present() == {(ROOM, kari), (ROOM, ola), (ROOM, per)}
    world.watch.advance(10)
    two.beat()
    assert world.told()[3:] == [("left", kari, ROOM)]
    assert world.rows() == {(ROOM, ola, "two"), (ROOM, per, "two")}
    assert world.processes() == {"two"}


def test_next_start_finds_the_people_of_a_killed_process(world, users):
    one = world.start("one")
    one.enter("a", ROOM, users[0])
    one.beat()
    world.watch.advance(3600)
    two = world.start("two")
    two.enter("b", ROOM, users[1])
    assert two.people(ROOM) == {users[0], users[1]}
    two.beat()
    two.follow()
    assert world.present() == {(ROOM, users[1])}
    assert two.people(ROOM) == {users[1]}


def test_two_processes_that_sweep_at_once_tell_once(world, users, engine_name):
    one = world.start("one")
    for user_id in users:
        one.enter(f"{user_id}", ROOM, user_id)
    one.beat()
    world.watch.advance(31)
    others = [world.start(f"other-{number}") for number in range(4)]
    run_together(engine_name, [each.beat for each in others])
    assert sorted(world.told()[3:]) == sorted(("left", user_id, ROOM) for user_id in users)


def test_process_that_was_taken_for_dead_writes_its_people_again(world, users):
    one, two, (kari, ola, per) = world.start("one"), world.start("two"), users
    for user_id in (kari, ola, per):
        one.enter(f"{user_id}", ROOM, user_id)
    one.beat()
    assert one.people(ROOM) == {kari, ola, per}
    # Its database is away, and its people come and go.
    world.watch.advance(60)
    one.leave(f"{per}", ROOM)
    two.beat()
    one.follow()
    assert (world.present(), world.processes()) == (set(), {"two"})
    # It knows better who is connected to it.
    assert one.people(ROOM) == {kari, ola}
    one.beat()
    assert world.present() == {(ROOM, kari), (ROOM, ola)}
    assert world.rows() == {(ROOM, kari, "one"), (ROOM, ola, "one")}
    one.follow()
    assert one.people(ROOM) == {kari, ola}
    one.disconnect(f"{kari}")
    world.watch.advance(GRACE)
    one.flush()
    assert world.present() == {(ROOM, ola)}


def test_process_that_was_taken_for_dead_learns_it_from_a_flush(world, users):
    one, two = world.start("one"), world.start("two")
    one.enter("a", ROOM, users[0])
    one.flush()
    world.watch.advance(31)
    two.beat()
    one.enter("b", ROOM, users[1])
    one.flush()
    assert world.present() == {(ROOM, users[0]), (ROOM, users[1])}


def test_process_that_lives_again_while_it_is_swept_writes_all_of_its_people_again(world):
    one, ids = world.start("one"), create_users(700)
    for user_id in ids:
        one.enter(f"{user_id}", ROOM, user_id)
    one.beat()
    world.watch.advance(31)
    assert attendance.sweep("two") is True
    assert len(world.present()) == len(world.rows()) == 200
    for user_id in ids[:10]:
        one.leave(f"{user_id}", ROOM)
    one.beat()
    assert attendance.sweep("two") is False
    assert world.present() == {(ROOM, user_id) for user_id in ids[10:]}
    assert world.rows() == {(ROOM, user_id, "one") for user_id in ids[10:]}


def test_process_with_many_people_is_swept_in_transactions_of_500(world):
    one, two, ids = world.start("one"), world.start("two"), create_users(600)
    for user_id in ids:
        one.enter(f"{user_id}", ROOM, user_id)
        one.enter(f"{user_id}", OTHER_ROOM, user_id)
    one.beat()
    world.watch.advance(31)
    assert [attendance.sweep("two"), attendance.sweep("two")] == [True, True]
    assert len(world.rows()) == 200
    two.beat()
    assert (world.present(), world.rows(), world.processes()) == (set(), set(), {"two"})


def test_process_whose_database_was_away_does_not_judge_others_at_once(world, users):
    one, two = world.start("one"), world.start("two")
    one.enter("a", ROOM, users[0])
    one.beat()
    two.beat()
    world.watch.advance(60)
    two.beat()
    assert world.present() == {(ROOM, users[0])}
    world.watch.advance(10)
    two.beat()
    assert world.present() == set()


def test_people_of_a_process_that_ends_stay_for_the_time_of_a_restart(world, users):
    one, (kari, ola, per) = world.start("one"), users
    for user_id in (kari, ola):
        one.enter(f"{user_id}", ROOM, user_id)
    one.beat()
    # Both what is not written yet and who is expected back.
    one.enter(f"{per}", ROOM, per)
    one.disconnect(f"{ola}")
    one.stop()
    one.disconnect(f"{kari}")
    one.stop()
    assert world.present() == {(ROOM, kari), (ROOM, ola), (ROOM, per)}
    two = world.start("two")
    two.beat()
    world.watch.advance(GRACE)
    two.enter("again", ROOM, kari)
    two.beat()
    world.watch.advance(6)
    two.beat()
    assert world.present() == {(ROOM, kari), (ROOM, ola), (ROOM, per)}
    world.watch.advance(2)
    two.beat()
    assert world.told()[3:] == [("left", ola, ROOM), ("left", per, ROOM)]
    assert world.rows() == {(ROOM, kari, "two")}


# Failures of the database


@pytest.mark.parametrize("after", [False, True], ids=["before the commit", "after the commit"])
def test_what_could_not_be_written_is_written_the_next_time(world, users, monkeypatch, after):
    process, (kari, ola, per) = world.start("one"), users
    process.enter("a", ROOM, kari)
    process.flush()
    process.leave("a", ROOM)
    process.enter("b", ROOM, ola)
    process.enter("c", ROOM, per)
    fail_once(monkeypatch, "write", after=after)
    with pytest.raises(ConnectionError):
        process.flush()
    # Whatever of it is in the database by now.
    process.enter("a", ROOM, kari)
    process.leave("b", ROOM)
    process.flush()
    assert world.present() == {(ROOM, kari), (ROOM, per)}
    assert world.rows() == {(ROOM, kari, "one"), (ROOM, per, "one")}
    assert statements_of(process.flush) == 0


@pytest.mark.parametrize("name", ["keep_alive", "sweep", "write"])
def test_beat_that_failed_is_made_up_for_by_the_next(world, users, monkeypatch, name):
    one, two = world.start("one"), world.start("two")
    one.enter("a", ROOM, users[0])
    one.beat()
    world.watch.advance(31)
    two.enter("b", ROOM, users[1])
    fail_once(monkeypatch, name, after=False)
    with pytest.raises(ConnectionError):
        two.beat()
    two.beat()
    assert world.present() == {(ROOM, users[1])}


# Who is there


def test_members_are_those_of_all_processes(world, users):
    one, two, (kari, ola, per) = world.start("one"), world.start("two"), users
    one.enter("a", ROOM, kari)
    one.flush()
    world.watch.advance(1)
    two.enter("b", ROOM, ola)
    # What is not written yet is known here only.
    assert list(two.members(ROOM).items()) == [(kari, START), (ola, START + timedelta(seconds=1))]
    assert one.people(ROOM) == {kari}
    two.flush()
    one.follow()
    two.follow()
    assert one.members(ROOM) == two.members(ROOM) == {kari: START, ola: START + timedelta(seconds=1)}
    one.leave("a", ROOM)
    one.flush()
    two.follow()
    assert two.people(ROOM) == {ola}
    # Nobody of this process is in there: it is read anew, and not kept.
    two.enter("c", ROOM, per)
    two.flush()
    assert one.people(ROOM) == {ola, per}


def test_members_are_read_once_for_all_who_ask(world):
    process, ids = world.start("one"), create_users(200)
    for user_id in ids:
        process.enter(f"{user_id}", ROOM, user_id)
    assert statements_of(lambda: process.members(ROOM)) == 2
    assert statements_of(lambda: [process.members(ROOM) for _ in range(200)]) == 0
    process.flush()
    process.follow()
    assert statements_of(lambda: [process.members(ROOM) for _ in range(200)]) == 0
    assert process.people(ROOM) == set(ids)


def test_members_are_forgotten_with_the_last_connection(world, users):
    one, two, (kari, ola, _) = world.start("one"), world.start("two"), users
    one.enter("a", ROOM, kari)
    one.members(ROOM)
    one.disconnect("a")
    two.enter("b", ROOM, ola)
    two.flush()
    one.follow()
    one.enter("c", ROOM, kari)
    assert statements_of(lambda: one.members(ROOM)) == 2
    assert one.people(ROOM) == {kari, ola}


def test_events_that_come_while_members_are_read_are_not_lost(world, users, monkeypatch):
    one, two, (kari, ola, per) = world.start("one"), world.start("two"), users
    two.enter("b", ROOM, ola)
    two.flush()
    one.enter("a", ROOM, kari)
    read = queries.find_members

    def read_slowly(room: str) -> object:
        rows = read(room)
        # Another process writes, and the log is followed, before the answer is there.
        two.leave("b", ROOM)
        two.enter("c", ROOM, per)
        two.flush()
        one.follow()
        return rows

    monkeypatch.setattr(queries, "find_members", read_slowly)
    assert one.people(ROOM) == {kari, per}
    monkeypatch.undo()
    one.follow()
    assert statements_of(lambda: one.members(ROOM)) == 0
    assert one.people(ROOM) == {kari, per}


def test_events_that_are_older_than_what_was_read_change_nothing(world, users):
    one, two, (kari, ola, _) = world.start("one"), world.start("two"), users
    for _ in range(3):
        two.enter("b", ROOM, ola)
        two.flush()
        two.leave("b", ROOM)
        two.flush()
    one.enter("a", ROOM, kari)
    assert one.people(ROOM) == {kari}
    for event in event_log.read_after(0, limit=100):
        one.observe(event)
        assert one.people(ROOM) == {kari}


def test_failed_read_of_members_is_tried_again(world, users, monkeypatch):
    process = world.start("one")
    process.enter("a", ROOM, users[0])

    def fail(room: str) -> None:
        raise ConnectionError("the database is away")

    with monkeypatch.context() as patched, pytest.raises(ConnectionError):
        patched.setattr(queries, "find_members", fail)
        process.members(ROOM)
    assert process.people(ROOM) == {users[0]}


def test_large_rooms_are_not_announced(world, users):
    one, two = world.start("one"), world.start("two")
    ids = create_users(MOST_ANNOUNCED)
    for user_id in ids:
        one.enter(f"{user_id}", ROOM, user_id)
    assert one.is_announced(ROOM)
    one.flush()
    two.enter("a", ROOM, users[0])
    # Before anybody has asked, it knows its own people only.
    assert two.is_announced(ROOM)
    two.members(ROOM)
    assert two.is_announced(ROOM)
    two.flush()
    two.follow()
    assert statements_of(lambda: two.is_announced(ROOM)) == 0
    assert not two.is_announced(ROOM)
    one.leave(f"{ids[0]}", ROOM)
    one.flush()
    two.follow()
    assert two.is_announced(ROOM)
    assert two.is_announced("project_7")


def test_reads_count_each_user_once(world, users):
    one, two, (kari, ola, per) = world.start("one"), world.start("two"), users
    for process, user_id in ((one, per), (one, ola), (two, ola), (two, kari)):
        process.enter(f"{user_id}", ROOM, user_id)
        process.flush()
        world.watch.advance(1)
    one.enter(f"{kari}", OTHER_ROOM, kari)
    one.flush()
    db.session.rollback()
    moments = [START, START + timedelta(seconds=1), START + timedelta(seconds=3)]
    assert [tuple(row) for row in queries.find_members(ROOM)] == list(zip((per, ola, kari), moments, strict=True))
    assert [row.user_id for row in queries.find_members(ROOM, 2)] == [per, ola]
    assert (queries.count_members(ROOM), queries.count_members(OTHER_ROOM)) == (3, 1)
    assert (queries.count_members("project_9"), queries.find_members("project_9")) == (0, [])


# The greenlets


@pytest.fixture
def running(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Presence]:
    """A process that works by itself, with a short grace."""
    monkeypatch.setitem(app.config, "PRESENCE_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(presence, "RETRY_SECONDS", 0.02)
    # Beating writes as well.
    monkeypatch.setattr(presence, "BEAT_SECONDS", 10 * SECONDS)
    process = Presence(app, process_id="running")
    process.start()
    yield process
    process.stop()


def test_changes_are_written_soon_and_graces_end_by_themselves(app, running):
    world, kari = World(app, None), create_users(1)[0]
    running.enter("a", ROOM, kari)
    wait_until(lambda: world.told() == [("joined", kari, ROOM)])
    running.disconnect("a")
    wait_until(lambda: world.told()[1:] == [("left", kari, ROOM)])


def test_failures_of_the_database_do_not_end_it(app, running, monkeypatch):
    world, (kari, ola) = World(app, None), create_users(2)
    wait_until(lambda: world.processes() == {"running"})
    fail_once(monkeypatch, "write", after=False)
    running.enter("a", ROOM, kari)
    wait_until(lambda: world.told() == [("joined", kari, ROOM)])
    running.enter("b", ROOM, ola)
    wait_until(lambda: world.present() == {(ROOM, kari), (ROOM, ola)})


def test_process_beats_by_itself(app, monkeypatch):
    monkeypatch.setattr(presence, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(presence, "RETRY_SECONDS", 0.02)
    world, process = World(app, None), Presence(app, process_id="beating")
    fail_once(monkeypatch, "keep_alive", after=False)
    process.start()
    try:
        wait_until(lambda: world.processes() == {"beating"})
        db.session.execute(update(models.ServerProcess).values(seen_at=START))
        db.session.commit()
        wait_until(lambda: db.session.rollback() or db.session.query(models.ServerProcess).one().seen_at > START)
    finally:
        process.stop()


def test_end_without_a_database_is_no_failure(world, users, monkeypatch):
    process: Process = world.start("one")
    process.enter("a", ROOM, users[0])
    fail_once(monkeypatch, "write", after=False)
    process.stop()
    assert world.told() == []
