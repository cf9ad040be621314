"""Several processes on one database, driven by hand: each has its presence, follows the log and knows no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import time_machine
from flask import Flask
from sqlalchemy import delete, func, insert, select

from nxfs.auth.models import User
from nxfs.core import event_log
from nxfs.core.event_log import EventRecord
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.realtime import models
from nxfs.realtime.attendance import Key
from nxfs.realtime.presence import Presence
from tests.factories.users import PASSWORD_HASH

START = datetime(2026, 2, 1, 8, 30, tzinfo=UTC)
MOST_EVENTS = 100_000


class Watch:
    """Both clocks, moved by hand."""

    def __init__(self, traveller: time_machine.Traveller) -> None:
        self._traveller = traveller
        self._seconds = 0.0

    def __call__(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self._seconds += seconds
        self._traveller.shift(seconds)


class Process(Presence):
    """A process whose log is read, and whose greenlets' work is done, only when a test says so."""

    def __init__(self, app: Flask, watch: Watch, name: str) -> None:
        super().__init__(app, process_id=name, monotonic=watch)
        self.position = event_log.last_id()

    def follow(self) -> None:
        """Read what was logged since the last time."""
        db.session.rollback()
        for event in event_log.read_after(self.position, limit=MOST_EVENTS):
            if event.type in ("user_joined", "user_left"):
                self.observe(event)
            self.position = event.id

    def people(self, room: str) -> set[int]:
        """Return the ids of the members, as the process knows them."""
        return set(self.members(room))


class World:
    """All processes there are, and what the database says."""

    def __init__(self, app: Flask, watch: Watch) -> None:
        self._app = app
        self.watch = watch
        self._begin = event_log.last_id()

    def start(self, name: str) -> Process:
        """Return a new process."""
        return Process(self._app, self.watch, name)

    def told(self) -> list[tuple[str, int, str]]:
        """Return what the log tells: ``("joined" or "left", user, room)``, in order."""
        db.session.rollback()
        events = event_log.read_after(self._begin, limit=MOST_EVENTS)
        assert all(event.actor_id == event.payload["user_id"] for event in events if event.type.startswith("user_"))
        return [
            (event.type.removeprefix("user_"), event.payload["user_id"], event.payload["room"])
            for event in events
            if event.type in ("user_joined", "user_left")
        ]

    def present(self) -> set[Key]:
        """Return who is in which room, as the log tells; fail if anybody ever came or went twice in a row."""
        balance: Counter[Key] = Counter()
        for kind, user_id, room in self.told():
            balance[room, user_id] += 1 if kind == "joined" else -1
            assert balance[room, user_id] in (0, 1), (kind, user_id, room)
        return {key for key, count in balance.items() if count}

    def rows(self) -> set[tuple[str, int, str]]:
        """Return the rows: room, user, process."""
        db.session.rollback()
        columns = (models.Presence.room, models.Presence.user_id, models.Presence.process_id)
        return {tuple(row) for row in db.session.execute(select(*columns))}

    def processes(self) -> set[str]:
        """Return the ids of the processes that the database knows."""
        db.session.rollback()
        return set(db.session.scalars(select(models.ServerProcess.id)))

    def clear(self) -> None:
        """Delete everything that processes write."""
        db.session.rollback()
        for model in (models.Presence, models.ServerProcess, EventRecord):
            db.session.execute(delete(model))
        db.session.commit()


@contextmanager
def new_world(app: Flask) -> Iterator[World]:
    """Give a world whose time stands still until its watch is advanced."""
    with time_machine.travel(START, tick=False) as traveller:
        yield World(app, Watch(traveller))


def create_users(count: int) -> list[int]:
    """Return the ids of ``count`` new users, written by one statement."""
    first = db.session.scalar(select(func.count(User.id))) or 0
    names = [f"member-{number}" for number in range(first, first + count)]
    rows = [
        {"username": name, "username_key": name, "email": name, "email_key": name, "password_hash": PASSWORD_HASH}
        for name in names
    ]
    with transaction() as tx:
        return sorted(tx.session.scalars(insert(User.__table__).returning(User.id), rows))
