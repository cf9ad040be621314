"""Whatever connections and processes do, in whatever order: log, rows and what processes know agree in the end."""

from __future__ import annotations

from contextlib import ExitStack

from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nxfs.realtime import attendance
from tests.realtime.attendees import Process, World, create_users, new_world

ROOMS = ("tasks", "project_3")
SLOTS = st.sampled_from((0, 1))
USERS = st.integers(0, 2)
WHICH = st.integers(0, 1000)


class Presences(RuleBasedStateMachine):
    """Two processes with three users in two rooms."""

    app: Flask
    users: list[int]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.world: World = self.stack.enter_context(new_world(self.app))
        self.processes: list[Process | None] = [None, None]
        # Of living processes: which connection is where, as (slot, user) and rooms.
        self.connections: dict[str, tuple[int, int, set[str]]] = {}
        self.count = 0

    @initialize()
    def begin(self) -> None:
        self.start(0)
        self.start(1)

    def start(self, slot: int) -> Process:
        process = self.processes[slot] = self.world.start(f"process-{self.new_number()}")
        return process

    def new_number(self) -> int:
        self.count += 1
        return self.count

    def living(self) -> list[Process]:
        return [process for process in self.processes if process is not None]

    def pick(self, which: int) -> str:
        names = sorted(self.connections)
        return names[which % len(names)]

    def enter(self, name: str, slot: int, user_id: int, room: str) -> None:
        self.connections.setdefault(name, (slot, user_id, set()))[2].add(room)
        self.processes[slot].enter(name, room, user_id)

    @rule(slot=SLOTS, user=USERS, rooms=st.sets(st.sampled_from(ROOMS), min_size=1))
    def connect(self, slot: int, user: int, rooms: set[str]) -> None:
        if self.processes[slot] is not None:
            name = f"connection-{self.new_number()}"
            for room in sorted(rooms):
                self.enter(name, slot, self.users[user], room)

    @precondition(lambda self: self.connections)
    @rule(which=WHICH, room=st.sampled_from(ROOMS))
    def join(self, which: int, room: str) -> None:
        name = self.pick(which)
        slot, user_id, _ = self.connections[name]
        self.enter(name, slot, user_id, room)

    @precondition(lambda self: self.connections)
    @rule(which=WHICH, room=st.sampled_from(ROOMS))
    def leave(self, which: int, room: str) -> None:
        name = self.pick(which)
        slot, _, rooms = self.connections[name]
        rooms.discard(room)
        self.processes[slot].leave(name, room)

    @precondition(lambda self: self.connections)
    @rule(which=WHICH)
    def disconnect(self, which: int) -> None:
        name = self.pick(which)
        slot, _, _ = self.connections.pop(name)
        self.processes[slot].disconnect(name)

    @precondition(lambda self: self.connections)
    @rule(which=WHICH, slot=SLOTS)
    def reload(self, which: int, slot: int) -> None:
        name = self.pick(which)
        before, user_id, rooms = self.connections.pop(name)
        self.processes[before].disconnect(name)
        if self.processes[slot] is not None:
            name = f"connection-{self.new_number()}"
            for room in sorted(rooms):
                self.enter(name, slot, user_id, room)

    @rule(slot=SLOTS, in_good_order=st.booleans())
    def end(self, slot: int, in_good_order: bool) -> None:
        process, self.processes[slot] = self.processes[slot], None
        if process is not None and in_good_order:
            process.stop()
        self.connections = {name: each for name, each in self.connections.items() if each[0] != slot}

    @rule(slot=SLOTS)
    def start_again(self, slot: int) -> None:
        if self.processes[slot] is None:
            self.start(slot)

    @rule(slot=SLOTS)
    def flush(self, slot: int) -> None:
        if self.processes[slot] is not None:
            self.processes[slot].flush()

    @rule(slot=SLOTS, after=st.booleans())
    def flush_in_vain(self, slot: int, after: bool) -> None:
        """Lose the connection to the database before the commit or after it."""
        write = attendance.write

        def failing(*args: object, **keywords: object) -> None:
            if after:
                write(*args, **keywords)
            raise ConnectionError("the database is away")

        if self.processes[slot] is not None:
            attendance.write = failing
            try:
                self.processes[slot].flush()
            except ConnectionError:
                pass
            finally:
                attendance.write = write

    @rule(slot=SLOTS)
    def beat(self, slot: int) -> None:
        if self.processes[slot] is not None:
            self.processes[slot].beat()

    @rule(slot=SLOTS)
    def sweep_in_part(self, slot: int) -> None:
        """Take away what fits into one transaction, which is one row."""
        most, attendance.ROWS_AT_ONCE = attendance.ROWS_AT_ONCE, 1
        try:
            if self.processes[slot] is not None:
                attendance.sweep(self.processes[slot].process_id)
        finally:
            attendance.ROWS_AT_ONCE = most

    @rule(slot=SLOTS)
    def follow(self, slot: int) -> None:
        if self.processes[slot] is not None:
            self.processes[slot].follow()

    @rule(slot=SLOTS, room=st.sampled_from(ROOMS))
    def ask(self, slot: int, room: str) -> None:
        process = self.processes[slot]
        if process is not None:
            present = {user_id for each, user_id, rooms in self.connections.values() if each == slot and room in rooms}
            assert present <= process.people(room)

    @rule(seconds=st.sampled_from((1, 5, 9, 16, 31)))
    def wait(self, seconds: int) -> None:
        self.world.watch.advance(seconds)

    @invariant()
    def log_and_rows_agree_at_every_moment(self) -> None:
        assert self.world.present() == {(room, user_id) for room, user_id, _ in self.world.rows()}

    def teardown(self) -> None:
        try:
            self.settle()
        finally:
            self.world.clear()
            self.stack.close()

    def settle(self) -> None:
        """Let things come to rest, and compare."""
        if not self.living():
            self.start(0)
        for _ in range(5):
            self.world.watch.advance(10)
            for process in self.living():
                process.beat()
                process.follow()
        for process in self.living():
            process.follow()
        expected = {
            (room, user_id, self.processes[slot].process_id)
            for slot, user_id, rooms in self.connections.values()
            for room in rooms
        }
        assert self.world.rows() == expected
        present = self.world.present()
        assert present == {(room, user_id) for room, user_id, _ in expected}
        for process in self.living():
            for room in ROOMS:
                assert process.people(room) == {user_id for each, user_id in present if each == room}
        assert self.world.processes() == {process.process_id for process in self.living()}


def test_everything_agrees_whatever_happens(app):
    bound = type("Bound", (Presences,), {"app": app, "users": create_users(3)})
    run_state_machine_as_test(
        bound,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
