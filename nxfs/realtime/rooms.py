"""Rooms: what their names mean, and who may be in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from nxfs.core.actor import Actor
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.realtime.errors import RoomNotFoundError
from nxfs.tasks.queries import projects

TASKS = "tasks"
_NUMBERED = re.compile(r"(project|user)_([1-9][0-9]{0,18})")
# Far more than the projects of those who are connected; beyond it all are asked for again.
MOST_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Room:
    """A room: ``tasks``, or that of the project or user ``subject_id``."""

    name: str
    kind: str
    subject_id: int = 0


def parse(name: str) -> Room:
    """Return the room of this name; raise ``RoomNotFoundError`` when no room can have it."""
    if name == TASKS:
        return Room(name, TASKS)
    match = _NUMBERED.fullmatch(name)
    if match is None or int(match[2]) > LARGEST_IDENTIFIER:
        raise RoomNotFoundError
    return Room(name, match[1], int(match[2]))


def project_room(project_id: int) -> str:
    """Return the name of the project's room."""
    return f"project_{project_id}"


def user_room(user_id: int) -> str:
    """Return the name of the user's room."""
    return f"user_{user_id}"


class Memberships:
    """Who works on which project: read once, and forgotten when the event log tells of a change."""

    def __init__(self) -> None:
        self._people: dict[int, frozenset[int]] = {}
        self._forgotten = 0

    def load(self, project_ids: Iterable[int]) -> None:
        """Read the people of those of the projects that are not known yet."""
        while missing := [project_id for project_id in set(project_ids) if project_id not in self._people]:
            forgotten = self._forgotten
            found = projects.find_people(missing)
            # What was read before a change must not be kept after it.
            if forgotten == self._forgotten:
                if len(self._people) > MOST_REMEMBERED:
                    self._people.clear()
                self._people.update({project_id: found.get(project_id, frozenset()) for project_id in missing})

    def people_of(self, project_ids: Iterable[int]) -> dict[int, frozenset[int]]:
        """Return the people of each of the projects at one moment, reading those that are not known yet."""
        wanted = set(project_ids)
        while True:
            self.load(wanted)
            if all(map(self.knows, wanted)):
                return {project_id: self._people[project_id] for project_id in wanted}

    def knows(self, project_id: int) -> bool:
        """True when ``of`` can answer without a read."""
        return project_id in self._people

    def of(self, project_id: int) -> frozenset[int]:
        """Return the ids of the project's owner and members, none if there is no such project; it has to be loaded."""
        return self._people[project_id]

    def forget(self, project_ids: Iterable[int]) -> None:
        """Read the people of these projects anew when they are asked for."""
        self._forgotten += 1
        for project_id in project_ids:
            self._people.pop(project_id, None)

    def may_enter(self, actor: Actor, room: Room) -> bool:
        """True when ``actor`` may be in the room; the project of a project's room has to be loaded."""
        if room.kind == "project":
            people = self.of(room.subject_id)
            return actor.id in people or (actor.is_admin and bool(people))
        return room.kind == TASKS or room.subject_id == actor.id
