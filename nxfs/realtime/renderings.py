"""From an event of the log to what clients get: which rooms, who of those in them, and the payload.

The log holds ids; the payload is what these ids stand for when it is sent, dumped with the schemas of the REST API, and
who may get it is asked at that moment too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from nxfs.core.event_log import LoggedEvent
from nxfs.core.transaction import release_connection
from nxfs.core.turns import let_others_run
from nxfs.notifications import queries as notifications
from nxfs.realtime import bulk_renderings
from nxfs.realtime.bulk_renderings import Holder
from nxfs.realtime.message import EVERYBODY, Message, Viewers, make, subjects
from nxfs.realtime.rooms import TASKS, Memberships, parse, project_room, user_room
from nxfs.system.queries import jobs
from nxfs.tasks.queries import categories, projects, tasks

log = structlog.get_logger("nxfs.realtime")


@dataclass(frozen=True, slots=True)
class Found:
    """What the ids of a batch of events stand for."""

    tasks: Mapping[int, Any]
    projects: Mapping[int, Any]
    categories: Mapping[int, Any]
    notifications: Mapping[int, Any]
    unread: Mapping[int, int]
    # By the event that tells of it.
    jobs: Mapping[int, Any]
    # Of the tasks of batches only who sees them.
    holders: Mapping[int, Holder]
    # Of projects, all at one moment.
    people: Mapping[int, frozenset[int]]


# Which id of an event's payload is needed to show it, and where it is looked up.
_SHOWN = {
    "task_created": "task_id",
    "task_updated": "task_id",
    "project_created": "project_id",
    "project_updated": "project_id",
    "category_created": "category_id",
    "category_updated": "category_id",
    "notification_created": "notification_id",
}


def project_ids_of(events: Iterable[LoggedEvent]) -> set[int]:
    """Return the projects that the audiences and payloads of ``events`` name."""
    named = {event.payload["project_id"] for event in events if event.payload.get("project_id") is not None}
    visited = [parse(event.payload["room"]) for event in events if "room" in event.payload]
    named |= {room.subject_id for room in visited if room.kind == "project"}
    return named | {subject for event in events for subject in subjects(event.audience, "project")}


def rooms_of(event: LoggedEvent) -> tuple[str, ...]:
    """Return the rooms in which somebody may have to hear of ``event``; none for what is told to nobody."""
    payload = event.payload
    if event.type not in RENDERINGS:
        return ()
    if event.type.startswith("category_"):
        return (TASKS,)
    if event.type in ("user_joined", "user_left"):
        return (payload["room"],)
    if event.type.startswith(("notification", "job_")):
        return (user_room(payload["user_id"]),)
    named = {payload["project_id"]} if event.type.startswith("project_") else subjects(event.audience, "project")
    return (*(project_room(project_id) for project_id in sorted(named)), TASKS)


def render(events: Sequence[LoggedEvent], memberships: Memberships) -> dict[int, list[Message]]:
    """Return the messages of each event by its id, in a handful of statements for all of them."""
    found = _find(events)
    shown = {row.project for row in found.tasks.values()} | {each.project_id for each in found.holders.values()}
    found = replace(found, people=memberships.people_of(project_ids_of(events) | (shown - {None})))
    release_connection()
    messages = {}
    for event in events:
        messages[event.id] = _render_one(event, found)
        if event.type in bulk_renderings.TYPES:
            # A job makes many of them in a row.
            let_others_run()
    return messages


def _find(events: Sequence[LoggedEvent]) -> Found:
    ids: dict[str, set[int]] = {"task_id": set(), "project_id": set(), "category_id": set(), "notification_id": set()}
    for event in events:
        if event.type in _SHOWN:
            name = _SHOWN[event.type]
            ids[name].add(event.payload[name])
    readers = {event.payload["user_id"] for event in events if event.type == "notifications_read"}
    return Found(
        tasks=tasks.find_tasks(ids["task_id"]) if ids["task_id"] else {},
        projects=projects.find_projects(ids["project_id"]) if ids["project_id"] else {},
        categories=categories.find_categories(ids["category_id"]) if ids["category_id"] else {},
        notifications=notifications.find_pushed(sorted(ids["notification_id"])) if ids["notification_id"] else {},
        unread=notifications.count_unread_of(readers) if readers else {},
        jobs=_find_jobs(events),
        holders=bulk_renderings.find_holders(events),
        people={},
    )


def _find_jobs(events: Iterable[LoggedEvent]) -> dict[int, Any]:
    """Return each job by the last event that tells of it: what is shown is how it is now, and once is enough."""
    last = {event.payload["job_id"]: event.id for event in events if event.type == "job_progressed"}
    return {last[job_id]: job for job_id, job in jobs.find_pushed(last).items()} if last else {}


def _render_one(event: LoggedEvent, found: Found) -> list[Message]:
    rendering = RENDERINGS.get(event.type)
    if rendering is None:
        return []
    try:
        return rendering(event, found)
    except SQLAlchemyError:
        raise
    except Exception as error:
        # A defect of ours: nobody else's events shall wait for it, and nobody shall believe to have seen everything.
        log.error("event cannot be shown", event_id=event.id, type=event.type, exc_info=error)
        rooms = rooms_of(event)
        body = {"room": None, "last_event_id": event.id}
        return [Message(event.id, "resync_required", (room,), EVERYBODY, dict(body)) for room in rooms]


def _task_created(event: LoggedEvent, found: Found) -> list[Message]:
    task = found.tasks.get(event.payload["task_id"])
    if task is None:
        # It is gone already, which a later event tells.
        return []
    viewers = _viewers_of_task(task, found)
    return [make(event, "task_created", rooms_of(event), viewers, task=task, created_by=event.actor_id)]


def _task_updated(event: LoggedEvent, found: Found) -> list[Message]:
    task_id = event.payload["task_id"]
    task = found.tasks.get(task_id)
    gone = {"task_id": task_id, "deleted_by": event.actor_id, "reason": "access_ended"}
    if task is None:
        # It is gone already, which its last audience will hear of; who heard of it before hears it here.
        heard = Viewers(_heard(event.audience, found))
        return [make(event, "task_deleted", rooms_of(event), heard, **gone)]
    viewers = _viewers_of_task(task, found)
    values = {"task_id": task_id, "task": task, "updated_by": event.actor_id}
    messages = [make(event, "task_updated", rooms_of(event), viewers, **values)]
    # Whoever saw it before and does not any longer: on that screen it has to go.
    lost = _heard(event.audience, found) - viewers.user_ids
    if lost:
        messages.append(make(event, "task_deleted", rooms_of(event), Viewers(lost, not_admins=True), **gone))
    return messages


def _task_deleted(event: LoggedEvent, found: Found) -> list[Message]:
    viewers = Viewers(_heard(event.audience, found), admins=True)
    values = {"task_id": event.payload["task_id"], "deleted_by": event.actor_id, "reason": "deleted"}
    return [make(event, "task_deleted", rooms_of(event), viewers, **values)]


def _tasks_bulk_updated(event: LoggedEvent, found: Found) -> list[Message]:
    return bulk_renderings.in_turns(bulk_renderings.updated(event, rooms_of(event), found.holders, found.people))


def _tasks_bulk_hidden(event: LoggedEvent, found: Found) -> list[Message]:
    return bulk_renderings.in_turns(bulk_renderings.hidden(event, rooms_of(event), found.holders, found.people))


def _tasks_bulk_deleted(event: LoggedEvent, found: Found) -> list[Message]:
    return bulk_renderings.in_turns(bulk_renderings.deleted(event, rooms_of(event), found.people))


def _project_created(event: LoggedEvent, found: Found) -> list[Message]:
    project = found.projects.get(event.payload["project_id"])
    if project is None:
        return []
    values = {"project": project, "created_by": event.actor_id}
    return [make(event, "project_created", rooms_of(event), _viewers_of_project(event, found), **values)]


def _project_updated(event: LoggedEvent, found: Found) -> list[Message]:
    project = found.projects.get(event.payload["project_id"])
    if project is None:
        return []
    values = {"project_id": project.id, "project": project, "updated_by": event.actor_id}
    return [make(event, "project_updated", rooms_of(event), _viewers_of_project(event, found), **values)]


def _project_deleted(event: LoggedEvent, found: Found) -> list[Message]:
    viewers = Viewers(_heard(event.audience, found), admins=True)
    values = {"project_id": event.payload["project_id"], "deleted_by": event.actor_id}
    return [make(event, "project_deleted", rooms_of(event), viewers, **values)]


def _membership_changed(event: LoggedEvent, found: Found) -> list[Message]:
    by = "added_by" if event.type == "project_member_added" else "removed_by"
    viewers = Viewers(_viewers_of_project(event, found).user_ids | {event.payload["user_id"]}, admins=True)
    values = {"project_id": event.payload["project_id"], "user_id": event.payload["user_id"], by: event.actor_id}
    return [make(event, event.type, rooms_of(event), viewers, **values)]


def _category_shown(event: LoggedEvent, found: Found) -> list[Message]:
    category = found.categories.get(event.payload["category_id"])
    if category is None:
        return []
    by = "created_by" if event.type == "category_created" else "updated_by"
    values = {"category_id": category.id, "category": category, by: event.actor_id}
    return [make(event, event.type, rooms_of(event), EVERYBODY, **values)]


def _category_deleted(event: LoggedEvent, found: Found) -> list[Message]:
    values = {**event.payload, "deleted_by": event.actor_id}
    return [make(event, "category_deleted", rooms_of(event), EVERYBODY, **values)]


def _notification(event: LoggedEvent, found: Found) -> list[Message]:
    notification = found.notifications.get(event.payload["notification_id"])
    if notification is None:
        return []
    viewers = Viewers(frozenset({event.payload["user_id"]}))
    values = {**notification, "notification_id": notification["id"]}
    return [make(event, "notification", rooms_of(event), viewers, **values)]


def _notifications_read(event: LoggedEvent, found: Found) -> list[Message]:
    user_id = event.payload["user_id"]
    viewers = Viewers(frozenset({user_id}))
    values = {"notification_ids": event.payload["notification_ids"], "unread_count": found.unread[user_id]}
    return [make(event, "notifications_read", rooms_of(event), viewers, **values)]


def _job_progressed(event: LoggedEvent, found: Found) -> list[Message]:
    job = found.jobs.get(event.id)
    if job is None:
        return []
    viewers = Viewers(frozenset({event.payload["user_id"]}))
    return [make(event, "job_progress", rooms_of(event), viewers, job=job)]


def _presence(event: LoggedEvent, found: Found) -> list[Message]:
    user_id = event.payload["user_id"]
    # Who may be in the room may see who else is.
    room = parse(event.payload["room"])
    people = found.people[room.subject_id] if room.kind == "project" else frozenset()
    viewers = Viewers(people, everybody=room.kind == TASKS, admins=True, but_not=user_id)
    return [make(event, event.type, rooms_of(event), viewers, user_id=user_id)]


RENDERINGS: Mapping[str, Callable[[LoggedEvent, Found], list[Message]]] = {
    "task_created": _task_created,
    "task_updated": _task_updated,
    "task_deleted": _task_deleted,
    "tasks_bulk_updated": _tasks_bulk_updated,
    "tasks_bulk_hidden": _tasks_bulk_hidden,
    "tasks_bulk_deleted": _tasks_bulk_deleted,
    "project_created": _project_created,
    "project_updated": _project_updated,
    "project_deleted": _project_deleted,
    "project_member_added": _membership_changed,
    "project_member_removed": _membership_changed,
    "category_created": _category_shown,
    "category_updated": _category_shown,
    "category_deleted": _category_deleted,
    "notification_created": _notification,
    "notifications_read": _notifications_read,
    "job_progressed": _job_progressed,
    "user_joined": _presence,
    "user_left": _presence,
}


def _viewers_of_task(task: Any, found: Found) -> Viewers:
    people = found.people[task.project] if task.project is not None else frozenset()
    own = {user_id for user_id in (task.user_id, task.assignee_id) if user_id is not None}
    return Viewers(people | own, admins=True)


def _viewers_of_project(event: LoggedEvent, found: Found) -> Viewers:
    return Viewers(found.people[event.payload["project_id"]], admins=True)


def _heard(audience: Sequence[str], found: Found) -> frozenset[int]:
    """Return the users that the audience names, and those who work on the projects that it names."""
    people = [found.people[project_id] for project_id in subjects(audience, "project")]
    return frozenset(subjects(audience, "user")).union(*people)
