"""Follows the event log in this process: hands on every event once, in order, soon after it was committed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import gevent
import psycopg
import structlog
from flask import Flask, current_app
from gevent import Greenlet
from sqlalchemy import Engine

from nxfs.core import event_log
from nxfs.core.event_log import LoggedEvent
from nxfs.core.transaction import release_connection
from nxfs.extensions import db

# Others tell of what they have logged; should that fail, it is found after this time.
POLL_SECONDS = 1.0
# After a failure of the database.
RETRY_SECONDS = 0.5
BATCH = 500
_KEY = "nxfs.event_tail"

log = structlog.get_logger("nxfs.events")


class Follower(Protocol):
    """What events are handed to."""

    def handle(self, events: Sequence[LoggedEvent]) -> None:
        """Hand the events on. When it fails it is called again with the same, and passes over those it has done."""


class Tail:
    """A greenlet that reads the log from its present end on."""

    def __init__(self, app: Flask, follower: Follower) -> None:
        self._app = app
        self._follower = follower
        self._greenlets: list[Greenlet] = []
        self.position = 0

    def start(self) -> None:
        """Begin with the next event that is logged; ``position`` is the log's present end."""
        with self._app.app_context():
            self.position = event_log.last_id()
            engine = db.engine
        self._app.extensions[_KEY] = self
        self._greenlets = [gevent.spawn(self._follow)]
        if engine.dialect.name == "postgresql":
            self._greenlets.append(gevent.spawn(_listen, engine))

    def stop(self) -> None:
        """Follow no longer."""
        self._app.extensions.pop(_KEY, None)
        gevent.killall(self._greenlets)

    def step(self) -> bool:
        """Hand on the next events; return whether there may be more at once."""
        events = event_log.read_after(self.position, limit=BATCH)
        if not events:
            return False
        # The follower may have to wait for others who need a connection.
        release_connection()
        self._follower.handle(events)
        self.position = events[-1].id
        return len(events) == BATCH

    def _follow(self) -> None:
        while True:
            # Before reading: what is logged meanwhile has to set it again.
            event_log.logged_here.clear()
            try:
                with self._app.app_context():
                    while self.step():
                        gevent.sleep(0)
            except Exception as error:
                # The database is away, or one event cannot be told: nothing is skipped.
                log.error("following the event log failed", exc_info=error)
                gevent.sleep(RETRY_SECONDS)
                continue
            event_log.logged_here.wait(POLL_SECONDS)


def position() -> int | None:
    """Return the id of the last event that this process has read, if it follows the log.

    What is read from the database afterwards includes everything up to it.
    """
    tail = current_app.extensions.get(_KEY)
    return tail.position if tail is not None else None


def _listen(engine: Engine) -> None:
    """Wake the tail whenever another process has logged something."""
    parameters = engine.url.translate_connect_args(username="user", database="dbname") | dict(engine.url.query)
    while True:
        try:
            with psycopg.connect(**parameters, autocommit=True, connect_timeout=5) as connection:
                connection.execute(f"LISTEN {event_log.CHANNEL}")
                # What was logged while nobody listened.
                event_log.logged_here.set()
                for _ in connection.notifies():
                    event_log.logged_here.set()
        except psycopg.Error as error:
            log.warning("listening for events failed", error=str(error))
        gevent.sleep(RETRY_SECONDS)
