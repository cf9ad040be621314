"""Who is in which room: through this process from its connections, through all of them from the event log."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

import gevent
import structlog
from flask import Flask
from gevent import Greenlet
from gevent.event import Event as Signal
from gevent.lock import RLock

from nxfs.core import clock, event_log
from nxfs.core.event_log import LoggedEvent
from nxfs.core.transaction import release_connection
from nxfs.realtime import attendance, queries
from nxfs.realtime.attendance import ROWS_AT_ONCE, Key

# In rooms with more members, single ones are not announced: everybody would hear of everybody.
MOST_ANNOUNCED = 250
# What comes within this time is written together.
GATHER_SECONDS = 0.04
BEAT_SECONDS = 10.0
# A process that could not beat for longer does not judge others at once: perhaps the database was away for all.
LATE_SECONDS = 15.0
# After a failure of the database.
RETRY_SECONDS = 0.5

log = structlog.get_logger("nxfs.presence")


@dataclass(slots=True)
class _Stay:
    """A user who is in a room through this process."""

    since: datetime
    connections: int = 0


@dataclass(slots=True)
class _Visitor:
    """A connection of this process."""

    user_id: int
    rooms: set[str] = field(default_factory=set)


class _View:
    """Who is in a room through any process, and since when: read once, then kept by the events of the log."""

    def __init__(self) -> None:
        # None until it is read.
        self.members: dict[int, datetime] | None = None
        self.is_being_read = RLock()
        self._position = 0
        self._came_meanwhile: list[LoggedEvent] = []

    def begin(self, position: int, members: dict[int, datetime]) -> None:
        """Begin with ``members``, which hold all that the log says up to ``position``, and perhaps more."""
        self.members, self._position = members, position
        for event in self._came_meanwhile:
            self.observe(event)
        self._came_meanwhile.clear()

    def observe(self, event: LoggedEvent) -> None:
        """Take in that somebody came or went; doing so again changes nothing."""
        if self.members is None:
            self._came_meanwhile.append(event)
        elif event.id <= self._position:
            return
        elif event.type == "user_joined":
            self.members.setdefault(event.payload["user_id"], event.occurred_at)
        else:
            self.members.pop(event.payload["user_id"], None)


class Presence:
    """Who is in which room.

    Memory knows the connections of this process; ``flush`` brings the database to what memory knows. Whoever loses all
    connections stays for PRESENCE_GRACE_SECONDS, so that a reload of the page is no event.
    """

    def __init__(
        self, app: Flask, *, process_id: str | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.process_id = process_id or uuid4().hex
        self._app = app
        self._monotonic = monotonic
        self._grace = app.config["PRESENCE_GRACE_SECONDS"]
        self._visitors: dict[str, _Visitor] = {}
        self._here: dict[str, dict[int, _Stay]] = {}
        # Until when a disconnected one may come back, for each that was, the oldest first; and all of them in order.
        self._lingering: dict[Key, deque[float]] = {}
        self._deadlines: deque[tuple[float, Key]] = deque()
        # What may differ from the database, in the order in which it changed; what the database has of this process;
        # and of what this is not known, because a transaction may have failed before its commit or after it.
        self._changed: dict[Key, None] = {}
        self._written: set[Key] = set()
        self._unsure: set[Key] = set()
        self._views: dict[str, _View] = {}
        self._beaten_at: float | None = None
        self._writing = RLock()
        self._wake = Signal()
        self._greenlets: list[Greenlet] = []
        self._is_stopped = False

    # Connections: memory only

    def enter(self, connection_id: str, room: str, user_id: int) -> None:
        """Take in that a connection of the user has come into ``room``."""
        if _is_private(room):
            return
        visitor = self._visitors.setdefault(connection_id, _Visitor(user_id))
        if room in visitor.rooms:
            return
        visitor.rooms.add(room)
        inside = self._here.setdefault(room, {})
        if user_id not in inside:
            inside[user_id] = _Stay(clock.now())
        inside[user_id].connections += 1
        # One of those who were expected back.
        self._linger_no_longer((room, user_id))
        self._change((room, user_id))

    def leave(self, connection_id: str, room: str) -> None:
        """Take in that a connection has left ``room`` for good."""
        visitor = self._visitors.get(connection_id)
        if visitor is None or room not in visitor.rooms:
            return
        visitor.rooms.remove(room)
        if not visitor.rooms:
            del self._visitors[connection_id]
        self._take_out(room, visitor.user_id)

    def disconnect(self, connection_id: str) -> None:
        """Take in that a connection has ended, whose user may be back soon."""
        if self._is_stopped:
            # Sent away by us, to another process: not gone, however short the grace is.
            return
        visitor = self._visitors.pop(connection_id, None)
        if visitor is None:
            return
        deadline = self._monotonic() + self._grace
        for room in visitor.rooms:
            key = (room, visitor.user_id)
            self._lingering.setdefault(key, deque()).append(deadline)
            self._deadlines.append((deadline, key))
            self._take_out(room, visitor.user_id)

    # The event log

    def observe(self, event: LoggedEvent) -> None:
        """Take in ``user_joined`` and ``user_left`` of any process, in the order of the log."""
        view = self._views.get(event.payload["room"])
        if view is not None:
            view.observe(event)

    def members(self, room: str) -> dict[int, datetime]:
        """Return who is in ``room`` through any process and since when, by when they came.

        It is read from the database, in the present application context and outside of a transaction, only when no
        connection of this process has asked before.
        """
        members = self._view(room)
        own = self._here.get(room, {})
        unwritten = own.keys() - members.keys()
        return members | {user_id: own[user_id].since for user_id in own if user_id in unwritten}

    def is_announced(self, room: str) -> bool:
        """True when the room is small enough to tell everybody of each who comes and goes."""
        view = self._views.get(room)
        members = (view.members if view is not None else None) or ()
        return max(len(members), len(self._here.get(room, ()))) <= MOST_ANNOUNCED

    # The database

    def flush(self) -> None:
        """Write what has changed since the last time; when that fails, it is kept and written the next time."""
        with self._writing, self._app.app_context():
            self._end_lingering()
            while not self._write_changes():
                # The process was taken for dead, and has to write everything again.
                pass

    def beat(self) -> None:
        """Write that this process is alive, and take away the people of processes that are not."""
        with self._writing, self._app.app_context():
            now = self._monotonic()
            is_late = self._beaten_at is not None and now - self._beaten_at > LATE_SECONDS
            if not attendance.keep_alive(self.process_id):
                self._doubt()
            self._beaten_at = now
            self.flush()
            while not is_late and attendance.sweep(self.process_id):
                gevent.sleep(0)

    def start(self) -> None:
        """Write changes soon after they happen, and beat, until ``stop``."""
        self._is_stopped = False
        self._greenlets = [gevent.spawn(self._keep_flushing), gevent.spawn(self._keep_beating)]

    def stop(self) -> None:
        """Write for the last time. People stay for the time of a restart; then other processes take them away."""
        if self._is_stopped:
            return
        self._is_stopped = True
        # Not in the middle of a transaction.
        with self._writing:
            gevent.killall(self._greenlets)
            self._attempt(self._retire)

    def _retire(self) -> None:
        self.flush()
        with self._app.app_context():
            attendance.retire(self.process_id)

    def _keep_flushing(self) -> None:
        while True:
            self._wake.wait(self._seconds_to_deadline())
            gevent.sleep(GATHER_SECONDS)
            # Before writing: what changes meanwhile has to set it again.
            self._wake.clear()
            if not self._attempt(self.flush):
                self._wake.set()
                gevent.sleep(RETRY_SECONDS)

    def _keep_beating(self) -> None:
        while True:
            gevent.sleep(BEAT_SECONDS if self._attempt(self.beat) else RETRY_SECONDS)

    def _attempt(self, step: Callable[[], None]) -> bool:
        try:
            step()
        except Exception as error:
            # The database may be away; nothing is lost by it.
            log.error("writing who is present failed", exc_info=error)
            return False
        return True

    def _write_changes(self) -> bool:
        """Write what has changed; return False if the database did not know this process."""
        is_known = True
        keys = [key for key in self._changed if self._is_pending(key)]
        self._changed.clear()
        done = 0
        try:
            while done < len(keys):
                is_known = self._write(keys[done : done + ROWS_AT_ONCE]) and is_known
                done += ROWS_AT_ONCE
                gevent.sleep(0)
        finally:
            # What is not written comes before what has changed meanwhile.
            self._changed = dict.fromkeys(keys[done:]) | self._changed
        return is_known

    def _write(self, keys: Sequence[Key]) -> bool:
        here = [key for key in keys if self._is_wanted(key)]
        gone = [key for key in keys if not self._is_wanted(key)]
        self._unsure.update(keys)
        is_known = attendance.write(self.process_id, here=here, gone=gone)
        if not is_known:
            self._doubt()
        self._unsure.difference_update(keys)
        self._written.update(here)
        self._written.difference_update(gone)
        return is_known

    def _doubt(self) -> None:
        """Write everything again, because it was taken away."""
        self._unsure |= self._written
        self._changed |= dict.fromkeys(self._written)
        self._written.clear()
        self._wake.set()

    def _is_wanted(self, key: Key) -> bool:
        room, user_id = key
        return user_id in self._here.get(room, ()) or key in self._lingering

    def _is_pending(self, key: Key) -> bool:
        return key in self._unsure or self._is_wanted(key) != (key in self._written)

    # Memory

    def _change(self, key: Key) -> None:
        self._changed[key] = None
        self._wake.set()

    def _take_out(self, room: str, user_id: int) -> None:
        inside = self._here[room]
        inside[user_id].connections -= 1
        if not inside[user_id].connections:
            del inside[user_id]
        if not inside:
            del self._here[room]
            self._views.pop(room, None)
        self._change((room, user_id))

    def _linger_no_longer(self, key: Key, until: float | None = None) -> None:
        """Expect one less of ``key``, or none of those whose time is over at ``until``."""
        expected = self._lingering.get(key)
        if expected is None:
            return
        if until is None:
            expected.popleft()
        while until is not None and expected and expected[0] <= until:
            expected.popleft()
        if not expected:
            del self._lingering[key]

    def _end_lingering(self) -> None:
        now = self._monotonic()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, key = self._deadlines.popleft()
            self._linger_no_longer(key, now)
            self._changed[key] = None

    def _seconds_to_deadline(self) -> float | None:
        return max(0.0, self._deadlines[0][0] - self._monotonic()) if self._deadlines else None

    def _view(self, room: str) -> dict[int, datetime]:
        view = self._views.get(room)
        if view is not None and view.members is not None:
            return view.members
        # The last read may be older than an event that was observed since; nor is a connection held while waiting.
        release_connection()
        view = self._views.setdefault(room, _View())
        try:
            with view.is_being_read:
                if view.members is None:
                    position = event_log.last_id()
                    members = {row.user_id: row.since for row in queries.find_members(room)}
                    release_connection()
                    view.begin(position, members)
        finally:
            is_needed = room in self._here and view.members is not None
            if not is_needed and self._views.get(room) is view:
                del self._views[room]
        return view.members


def _is_private(room: str) -> bool:
    """True for the room of one user, in which nobody else is."""
    return room.startswith("user_")
