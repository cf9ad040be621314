"""Who is in a room, as clients see it: presence with names and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from cachetools import TTLCache

from nxfs.core import clock
from nxfs.core.event_log import LoggedEvent
from nxfs.realtime import queries
from nxfs.realtime.presence import Presence
from nxfs.realtime.profiles import Profiles
from nxfs.realtime.schemas.events import EVENTS

# Of a room's members: in the answer to joining, which costs memory for each client, and for those who ask for them.
MOST_ANSWERED = 50
MOST_SHOWN = 250
# For how long the members of a room with more than that are remembered.
REMEMBERED_SECONDS = 1.0
MOST_REMEMBERED = 1_000

# Some of those who are in a room, and how many are.
Members = tuple[list[dict[str, Any]], int]


class Roll:
    """The members of rooms, by when they came."""

    def __init__(self, presence: Presence, profiles: Profiles) -> None:
        self._presence = presence
        self._profiles = profiles
        self._large_rooms: TTLCache[str, Members] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)

    def call(self, room: str, *, most: int = MOST_ANSWERED) -> Members:
        """Return who is in ``room`` as clients see it, the first ``most`` that came, and how many are.

        Everybody who joins is answered with it: it is made by hand, since a schema takes ten times as long, and the
        short answer of a large room anew only now and then. Anything longer is what differences are told of next, and
        is as the room is at the moment of returning.
        """
        remembered: Members | None = self._large_rooms.get(room) if most == MOST_ANSWERED else None
        if remembered is not None:
            return remembered
        profiles: dict[int, dict[str, Any] | None] = {}
        while True:
            since = self._presence.members(room)
            shown = list(islice(since, most))
            missing = [user_id for user_id in shown if user_id not in profiles]
            if not missing:
                break
            # While they are read people come and go, and are told of: who is there is asked again afterwards.
            profiles |= dict.fromkeys(missing) | self._profiles.get(missing)
        members = [
            {**profile, "since": clock.to_wire(since[user_id])}
            for user_id in shown
            if (profile := profiles[user_id]) is not None
        ]
        if most == MOST_ANSWERED and len(since) > most:
            self._large_rooms[room] = members, len(since)
        return members, len(since)

    def read(self, room: str, *, count_only: bool) -> dict[str, Any]:
        """Return who is in ``room`` over all processes (see ``PresenceSchema``), as the database has it."""
        rows = [] if count_only else queries.find_members(room, MOST_SHOWN)
        profiles = self._profiles.get([row.user_id for row in rows])
        members = [{**profiles[row.user_id], "since": row.since} for row in rows if row.user_id in profiles]
        return {"room": room, "count": queries.count_members(room), "members": members}

    def difference(self, room: str, events: Sequence[LoggedEvent]) -> dict[str, Any]:
        """Return the payload of ``presence_diff`` that says what ``events`` of ``room`` have changed.

        It is as the room is at the moment of returning: who left in between, of which later events tell, did not come.
        """
        # Only the last thing that a user did counts.
        last = {event.payload["user_id"]: event for event in events}
        joined = [user_id for user_id, event in last.items() if event.type == "user_joined"]
        left = [user_id for user_id, event in last.items() if event.type == "user_left"]
        # In this order: from the members on nobody else runs.
        profiles = self._profiles.get(joined)
        since = self._presence.members(room)
        members = [
            {**profiles[user_id], "since": since[user_id]}
            for user_id in joined
            if user_id in profiles and user_id in since
        ]
        version = max(event.id for event in events)
        values = {"room": room, "version": version, "count": len(since), "joins": members, "leaves": left}
        payload: dict[str, Any] = EVENTS["presence_diff"].dump(values)
        return payload
