"""What each client hears of a batch: one message, with the ids of those tasks that its user sees, or saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from nxfs.core.event_log import LoggedEvent
from nxfs.core.transaction import release_connection
from nxfs.core.turns import let_others_run
from nxfs.realtime.message import Message, Viewers, make, subjects
from nxfs.tasks.queries import tasks

TYPES = frozenset({"tasks_bulk_updated", "tasks_bulk_hidden", "tasks_bulk_deleted"})
# So many tasks are read by one statement, which nobody shall notice.
IDS_AT_ONCE = 1_000
LISTS_AT_ONCE = 50

People = Mapping[int, frozenset[int]]


class Holder(NamedTuple):
    """Who sees a task: its owner, its assignee, the people of its project."""

    user_id: int | None
    assignee_id: int | None
    project_id: int | None


class Shares:
    """Tasks and who is told of them, turned around into users and their tasks.

    Many tasks have the same people, and many people the same tasks: neither is looked at one by one.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self._of_projects: dict[int, list[int]] = defaultdict(list)
        self._of_users: dict[frozenset[int], list[int]] = defaultdict(list)

    def add(self, task_ids: Iterable[int], user_ids: Iterable[int], project_ids: Iterable[int] = ()) -> None:
        """Tell the users, and the people of the projects, of these tasks."""
        alone = set(user_ids)
        for project_id in project_ids:
            self._of_projects[project_id].extend(task_ids)
            alone -= self._people[project_id]
        if alone:
            self._of_users[frozenset(alone)].extend(task_ids)

    def __iter__(self) -> Iterator[tuple[list[int], frozenset[int]]]:
        """Go through lists of ids and the users to whom exactly these are told; each user is among one."""
        parts = [(self._people[project_id], ids) for project_id, ids in self._of_projects.items()]
        parts += self._of_users.items()
        numbers: dict[int, list[int]] = defaultdict(list)
        for number, (user_ids, _) in enumerate(parts):
            for user_id in user_ids:
                numbers[user_id].append(number)
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for user_id, own in numbers.items():
            alike[tuple(own)].append(user_id)
        for own, user_ids in alike.items():
            yield sorted({*chain(*(parts[number][1] for number in own))}), frozenset(user_ids)


def find_holders(events: Iterable[LoggedEvent]) -> dict[int, Holder]:
    """Return who sees the tasks that ``events`` tell of, of those that exist, by id; others run in between."""
    task_ids = sorted({task_id for event in events for task_id in _task_ids_of(event)})
    holders: dict[int, Holder] = {}
    for start in range(0, len(task_ids), IDS_AT_ONCE):
        if start:
            release_connection()
            let_others_run()
        rows = tasks.find_holders(task_ids[start : start + IDS_AT_ONCE])
        holders |= {row.id: Holder(row.user_id, row.assignee_id, row.project_id) for row in rows}
    return holders


def in_turns(messages: Iterable[Message]) -> list[Message]:
    """Return the messages of a batch, and let others run while they are made: each may have a list of its own."""
    made: list[Message] = []
    for number, message in enumerate(messages, 1):
        made.append(message)
        if number % LISTS_AT_ONCE == 0:
            let_others_run()
    return made


def updated(
    event: LoggedEvent, rooms: tuple[str, ...], holders: Mapping[int, Holder], people: People
) -> Iterator[Message]:
    """Give everybody the ids of those tasks that they see now. What is gone is told by its deletion."""
    shares = Shares(people)
    everything: list[int] = []
    for holder, ids in _by_holder(_task_ids_of(event), holders).items():
        if holder is not None:
            everything += ids
            shares.add(ids, *_viewers(holder))
    values = {"updates": event.payload["updates"], "updated_by": event.actor_id}
    yield from _messages(event, "tasks_bulk_updated", rooms, everything, shares, values)


def hidden(
    event: LoggedEvent, rooms: tuple[str, ...], holders: Mapping[int, Holder], people: People
) -> Iterator[Message]:
    """Give those who saw tasks before, and do not any longer, their ids: on that screen they have to go."""
    shares = Shares(people)
    for group in event.payload["groups"]:
        user_ids, project_ids = _named(group["audience"])
        before = user_ids.union(*(people[project_id] for project_id in project_ids))
        for holder, ids in _by_holder(group["task_ids"], holders).items():
            if holder is None:
                # Its deletion is told to its last audience, which need not be this one.
                shares.add(ids, before)
            else:
                own, shared = _viewers(holder)
                shares.add(ids, before.difference(own, *(people[project_id] for project_id in shared)))
    values = {"deleted_by": event.actor_id, "reason": "access_ended"}
    for ids, readers in shares:
        viewers = Viewers(readers, not_admins=True)
        yield make(event, "tasks_bulk_deleted", rooms, viewers, task_ids=ids, **values)


def deleted(event: LoggedEvent, rooms: tuple[str, ...], people: People) -> Iterator[Message]:
    """Give everybody the ids of those deleted tasks that they saw."""
    shares = Shares(people)
    everything: list[int] = []
    for group in event.payload["groups"]:
        everything += group["task_ids"]
        shares.add(group["task_ids"], *_named(group["audience"]))
    values = {"deleted_by": event.actor_id, "reason": "deleted"}
    yield from _messages(event, "tasks_bulk_deleted", rooms, everything, shares, values)


def _task_ids_of(event: LoggedEvent) -> list[int]:
    """Return the ids of the tasks of which it has to be asked who sees them now."""
    if event.type not in ("tasks_bulk_updated", "tasks_bulk_hidden"):
        return []
    return [task_id for group in event.payload["groups"] for task_id in group["task_ids"]]


def _messages(
    event: LoggedEvent,
    name: str,
    rooms: tuple[str, ...],
    everything: list[int],
    shares: Shares,
    values: Mapping[str, Any],
) -> Iterator[Message]:
    if not everything:
        return
    # Administrators see all of them, whichever are their own.
    yield make(event, name, rooms, Viewers(admins=True), task_ids=sorted(everything), **values)
    for ids, readers in shares:
        yield make(event, name, rooms, Viewers(readers, not_admins=True), task_ids=ids, **values)


def _by_holder(task_ids: Iterable[int], holders: Mapping[int, Holder]) -> dict[Holder | None, list[int]]:
    """Return the tasks by who holds them; None holds those that are gone."""
    found: dict[Holder | None, list[int]] = defaultdict(list)
    for task_id in task_ids:
        found[holders.get(task_id)].append(task_id)
    return found


def _viewers(holder: Holder) -> tuple[set[int], set[int]]:
    """Return the users, and the projects whose people, see what ``holder`` holds."""
    users = {user_id for user_id in (holder.user_id, holder.assignee_id) if user_id is not None}
    return users, {holder.project_id} if holder.project_id is not None else set()


def _named(audience: Iterable[str]) -> tuple[set[int], set[int]]:
    """Return the users, and the projects whose people, an audience names."""
    entries = list(audience)
    return subjects(entries, "user"), subjects(entries, "project")
