"""What was missed: the newest events, kept in memory and rendered once for all who ask at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from nxfs.core import event_log
from nxfs.core.event_log import LoggedEvent
from nxfs.realtime.renderings import Message, render, rooms_of
from nxfs.realtime.rooms import Memberships

# How many events of a client's rooms are told again; a client that missed more had better load its data anew.
MOST_REPLAYED = 1_000
# How many events of all rooms are looked through for them, and kept in memory.
MOST_READ = 5_000
# How often what is missed is read again, because something changed while it was read.
MOST_ATTEMPTS = 3
# Not told again: the answer to joining says who is there.
PASSING = frozenset({"user_joined", "user_left"})


class Backlog:
    """The newest events of the log, as this process has delivered them."""

    def __init__(self, memberships: Memberships) -> None:
        self._memberships = memberships
        self._events: deque[LoggedEvent] = deque(maxlen=MOST_READ)
        # Everything above it, up to the last event that was added, is in memory.
        self._floor = 0
        # Of those that somebody has missed, until one of them may look different.
        self._rendered: dict[int, list[Message]] = {}
        self._changes = 0

    def begin(self, position: int) -> None:
        """Remember the events up to ``position``, the present end of the log."""
        self._floor = max(event_log.first_id() - 1, position - MOST_READ)
        self._events = deque(event_log.read_after(self._floor, until=position, limit=MOST_READ), maxlen=MOST_READ)
        self._rendered = {}

    def add(self, event: LoggedEvent) -> None:
        """Remember ``event``, the next of the log."""
        if len(self._events) == MOST_READ:
            self._floor = self._events[0].id
        self._events.append(event)
        if event.type not in PASSING:
            # Who may see what, and what it looks like, may be different now.
            self._changes += 1
            self._rendered = {}

    def missed(self, rooms: Collection[str], since: int, until: int) -> list[Message] | None:
        """Return the messages of the events after ``since`` up to ``until`` in ``rooms``, in order.

        None when they are too many or no longer in the log.
        """
        if since >= until:
            return []
        if since < self._floor:
            return None
        events = [event for event in self._events if since < event.id <= until]
        wanted = [event for event in events if not set(rooms).isdisjoint(rooms_of(event)) and event.type not in PASSING]
        if len(wanted) > MOST_REPLAYED:
            return None
        return [message for messages in self._render(wanted) for message in messages]

    def _render(self, events: Sequence[LoggedEvent]) -> list[list[Message]]:
        rendered = self._rendered
        for _ in range(MOST_ATTEMPTS):
            missing = [event for event in events if event.id not in self._rendered]
            if not missing:
                break
            changes = self._changes
            rendered = self._rendered | render(missing, self._memberships)
            if changes == self._changes:
                self._rendered = rendered
                break
        return [rendered[event.id] for event in events]
