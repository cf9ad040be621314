"""What is sent to clients: a name, a payload, and who may get it in which rooms."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nxfs.core.actor import Actor
from nxfs.core.event_log import LoggedEvent
from nxfs.realtime.schemas.events import EVENTS

Form = TypeVar("Form")


@dataclass(frozen=True, slots=True)
class Viewers:
    """Who may get a message, of those who are in one of its rooms."""

    user_ids: frozenset[int] = frozenset()
    everybody: bool = False
    admins: bool = False
    # Who knows already, and admins where it is not true for them.
    but_not: int | None = None
    not_admins: bool = False

    @property
    def are_named(self) -> bool:
        """True when nobody but ``user_ids`` may get it."""
        return not self.everybody and not self.admins

    def include(self, actor: Actor) -> bool:
        """True when ``actor`` may get it."""
        if actor.id == self.but_not or (self.not_admins and actor.is_admin):
            return False
        return self.everybody or actor.id in self.user_ids or (self.admins and actor.is_admin)


EVERYBODY = Viewers(everybody=True)


@dataclass(slots=True, eq=False)
class Message:
    """What is sent: a name and a payload, to ``viewers`` in ``rooms`` (the most specific first)."""

    event_id: int
    name: str
    rooms: tuple[str, ...]
    viewers: Viewers
    body: dict[str, Any]
    # Encoded once for all who get it in the same room over the same kind of connection.
    _forms: dict[tuple[str, str], Any] = field(default_factory=dict)

    def payload(self, room: str) -> dict[str, Any]:
        """Return the payload as those get it who are in ``room``."""
        return {**self.body, "room": room}

    def form(self, kind: str, room: str, encode: Callable[[Message, str], Form]) -> Form:
        """Return what ``encode`` makes of the message for ``room``; it is called once for each ``kind`` and room."""
        key = (kind, room)
        if key not in self._forms:
            self._forms[key] = encode(self, room)
        return self._forms[key]


def make(event: LoggedEvent, name: str, rooms: tuple[str, ...], viewers: Viewers, **values: Any) -> Message:
    """Return the message ``name`` that tells of ``event``, dumped with the schema of that name."""
    common = {"event_id": event.id, "room": rooms[0], "occurred_at": event.occurred_at}
    return Message(event.id, name, rooms, viewers, EVENTS[name].dump({**common, **values}))


def subjects(audience: Iterable[str], kind: str) -> set[int]:
    """Return the ids of those of one kind, ``user`` or ``project``, that an audience names."""
    parts = (entry.partition(":") for entry in audience)
    return {int(number) for name, _, number in parts if name == kind}
