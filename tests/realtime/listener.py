"""A connection that keeps what it is sent, and a hub that is driven by hand: no server, no greenlets, no waiting."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

from flask import Flask

from nxfs.auth.models import User
from nxfs.auth.queries import actor_of
from nxfs.auth.service import tokens
from nxfs.core import event_log
from nxfs.core.actor import Actor
from nxfs.core.transaction import release_connection
from nxfs.realtime.connections import Connection, Reason
from nxfs.realtime.hub import Hub, Joined
from nxfs.realtime.message import Message
from tests.factories.users import open_session

_numbers = count(1)


class Listener(Connection):
    """Keeps what it is sent: ``events`` of the log as names and payloads, ``told`` what is no event, ``reason``."""

    def __init__(self, actor: Actor) -> None:
        super().__init__(f"listener-{next(_numbers)}", actor, None)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.reason: Reason | None = None

    @property
    def names(self) -> list[str]:
        """The names of the events in the order in which they came."""
        return [name for name, _ in self.events]

    @property
    def event_ids(self) -> list[int]:
        """The ids of the events in the order in which they came."""
        return [payload["event_id"] for _, payload in self.events]

    def is_busy(self) -> bool:
        return False

    def send(self, message: Message, room: str) -> None:
        self.events.append((message.name, message.payload(room)))

    def tell(self, name: str, payload: dict[str, Any]) -> None:
        self.told.append((name, payload))

    def end(self, reason: Reason) -> None:
        self.reason = reason


class Desk:
    """A hub of ``app`` that follows the log whenever ``follow`` is called."""

    def __init__(self, app: Flask) -> None:
        self.hub = Hub(app)
        self.hub.position = event_log.last_id()
        self.hub._backlog.begin(self.hub.position)
        release_connection()

    def follow(self) -> None:
        """Hand on what was logged since the last time."""
        while events := event_log.read_after(self.hub.position, limit=500):
            self.hub.handle(events)
        release_connection()

    def connect(self, user: User) -> Listener:
        """Return a new connection of ``user``, in no room, with a session of its own."""
        session_id = tokens.decode_access_token(open_session(user).access).session_id
        actor = replace(actor_of(user), session_id=session_id)
        listener = Listener(actor)
        self.hub.add(listener)
        return listener

    def join(self, listener: Listener, *rooms: str, since: int | None = None) -> Joined:
        """Bring the connection into rooms."""
        joined = self.hub.join(listener, rooms, since=since)
        release_connection()
        return joined
