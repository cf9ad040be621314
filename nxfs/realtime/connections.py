"""A client's connection, whatever it is made of: who it is, where it is, and what waits for it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import gevent

from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.messages import Text, translate
from nxfs.realtime.message import Message

# How long before its end a client is asked for a new token.
WARNING = timedelta(seconds=60)
# What may wait for a client that reads slowly.
MOST_WAITING = 1_000
MOST_WAITING_BYTES = 1024 * 1024
# So many may wait whatever their size. What was missed is told while fewer than half of it wait.
PORTION = 50
CATCH_UP_SECONDS = 20.0
CATCH_UP_PAUSE_SECONDS = 0.03


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the server closes a connection, and whether the client should connect again at once."""

    name: str
    message: Text
    reconnect: bool


TOKEN_EXPIRED = Reason("token_expired", Text("Your session needs to be renewed.", "Økten din må fornyes."), False)
SESSION_ENDED = Reason(
    "session_ended",
    Text("This session has ended. Please sign in again.", "Økten er avsluttet. Logg inn på nytt."),
    False,
)
TOO_MANY_EVENTS = Reason("too_many_events", Text("Your client sends too much.", "Klienten din sender for mye."), False)
TOO_SLOW = Reason(
    "too_slow", Text("Your connection is too slow to keep up.", "Tilkoblingen din er for treg til å følge med."), True
)
SERVER_DRAINING = Reason(
    "server_draining",
    Text(
        "The server restarts. You are connected again soon.", "Serveren starter på nytt. Du er tilkoblet igjen snart."
    ),
    True,
)


class Connection(ABC):
    """One socket or stream of a signed-in user.

    ``rooms`` maps each room to the id after which this connection has got its events.
    """

    __slots__ = ("_held", "actor", "expires_at", "id", "presence_rooms", "rooms", "warn_at")

    def __init__(self, connection_id: str, actor: Actor, expires_at: datetime | None) -> None:
        self.id = connection_id
        self.prolong(actor, expires_at)
        self.rooms: dict[str, int] = {}
        # Those of which it wants presence_diff.
        self.presence_rooms: frozenset[str] = frozenset()
        self._held: list[tuple[Message, str]] | None = None

    def prolong(self, actor: Actor, expires_at: datetime | None) -> None:
        """Go on until ``expires_at``; None is for what lives as long as the session."""
        self.actor = actor
        self.expires_at = expires_at
        # A token that is short-lived anyway is renewed in the second half of its life, not all the time.
        self.warn_at = None if expires_at is None else expires_at - min(WARNING, (expires_at - clock.now()) / 2)

    def push(self, message: Message, room: str) -> None:
        """Send ``message`` as those get it who are in ``room``, or keep it while the past is told."""
        if self._held is None:
            self.send(message, room)
        elif len(self._held) < MOST_WAITING:
            self._held.append((message, room))
        else:
            self.end(TOO_SLOW)

    def hold(self) -> None:
        """Keep what happens from now on: what was missed has to come first."""
        self._held = []

    def release(self) -> None:
        """Send what was kept, and go on."""
        held, self._held = self._held or [], None
        for message, room in held:
            # It may have been taken out of the room meanwhile.
            if room in self.rooms:
                self.send(message, room)

    def catch_up(self) -> None:
        """Wait until the client has taken most of what waits for it; end the connection when it does not."""
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while self.is_busy():
            if time.monotonic() > deadline:
                self.end(TOO_SLOW)
                return
            gevent.sleep(CATCH_UP_PAUSE_SECONDS)

    def closing_payload(self, reason: Reason) -> dict[str, Any]:
        """Return the payload of ``closing`` in the user's language."""
        message = translate(reason.message, self.actor.language)
        return {"reason": reason.name, "message": message, "reconnect": reason.reconnect}

    @abstractmethod
    def is_busy(self) -> bool:
        """True while more than a little waits for the client."""

    @abstractmethod
    def send(self, message: Message, room: str) -> None:
        """Send ``message``; end the connection when too much waits for it already. Never fails, never waits."""

    @abstractmethod
    def tell(self, name: str, payload: dict[str, Any]) -> None:
        """Send something that is no event of the log. Never fails, never waits."""

    @abstractmethod
    def end(self, reason: Reason) -> None:
        """Tell the client ``reason`` if it still listens, and close the connection. Never fails, never waits."""
