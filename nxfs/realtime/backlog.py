"""What was missed: the newest events, kept in memory and rendered once for all who ask at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from itertools import takewhile

from gevent.lock import RLock

from nxfs.core import event_log
from nxfs.core.event_log import LoggedEvent
from nxfs.core.transaction import release_connection
from nxfs.realtime.message import Message
from nxfs.realtime.renderings import RENDERINGS, render, rooms_of
from nxfs.realtime.rooms import Memberships

# How many events of a client's rooms are told again; a client that missed more had better load its data anew.
MOST_REPLAYED = 1_000
# How many events of all rooms are kept in memory.
MOST_KEPT = 10_000
# How often what is missed is read again, because something changed while it was read.
MOST_ATTEMPTS = 3
PRESENCE = frozenset({"user_joined", "user_left"})
# Not told again: the answer to joining says who is there, and a job says how far it is. One job alone would push the
# news of a minute out of memory.
PASSING = PRESENCE | {"job_progressed"}
TOLD_AGAIN = frozenset(RENDERINGS) - PASSING


class Backlog:
    """The newest events of the log, as this process has delivered them."""

    def __init__(self, memberships: Memberships) -> None:
        self._memberships = memberships
        self._events: deque[LoggedEvent] = deque(maxlen=MOST_KEPT)
        # Everything above it, up to the last event that was added, is in memory.
        self._floor = 0
        # Of those that somebody has missed, until one of them may look different.
        self._rendered: dict[int, list[Message]] = {}
        # Counts what may make a difference to who sees what, and to what it looks like.
        self.changes = 0
        self._rendering = RLock()

    def begin(self, position: int) -> None:
        """Remember the events up to ``position``, the present end of the log."""
        newest = event_log.read_newest(TOLD_AGAIN, until=position, limit=MOST_KEPT)
        self._floor = newest[0].id - 1 if len(newest) == MOST_KEPT else event_log.first_id() - 1
        self._events = deque(newest, maxlen=MOST_KEPT)
        self._rendered = {}

    def add(self, event: LoggedEvent) -> None:
        """Remember ``event``, the next of the log, if it is one that is told."""
        if event.type not in TOLD_AGAIN:
            return
        if len(self._events) == MOST_KEPT:
            self._floor = self._events[0].id
        self._events.append(event)
        # Who may see what, and what it looks like, may be different now.
        self.changes += 1
        self._rendered = {}

    def missed(self, rooms: Collection[str], since: int, until: int) -> list[Message] | None:
        """Return the messages of the events after ``since`` up to ``until`` in ``rooms``, in order.

        None when they are too many or no longer in the log.
        """
        if since >= until:
            return []
        if since < self._floor:
            return None
        # From the end on: most have missed little.
        newest = takewhile(lambda event: event.id > since, reversed(self._events))
        wanted = [event for event in newest if event.id <= until and not set(rooms).isdisjoint(rooms_of(event))]
        if len(wanted) > MOST_REPLAYED:
            return None
        wanted.reverse()
        # One reads for all who wait; the connection of whoever waits is another's meanwhile.
        release_connection()
        with self._rendering:
            rendered = self._render(wanted)
            release_connection()
        return [message for messages in rendered for message in messages]

    def _render(self, events: Sequence[LoggedEvent]) -> list[list[Message]]:
        rendered = self._rendered
        for _ in range(MOST_ATTEMPTS):
            missing = [event for event in events if event.id not in self._rendered]
            if not missing:
                break
            changes = self.changes
            rendered = self._rendered | render(missing, self._memberships)
            if changes == self.changes:
                self._rendered = rendered
                break
        return [rendered[event.id] for event in events]
