"""What the database holds after a kill: whether it is whole, and whether it is what the clients were told."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, text

from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db
from nxfs.tasks.models import Task, task_categories

CREATED, UPDATED, DELETED = "task_created", "task_updated", "task_deleted"
EVENTS = (CREATED, UPDATED, DELETED)
# The fields that the clients write, and the columns in which they arrive.
COLUMNS = {"title": "title", "notes": "notes", "priority": "priority", "estimated_time": "estimated_hours"}


@dataclass
class Write:
    """One request that changes a task; ``task_id`` of a creation comes with its answer."""

    request_id: str
    event: str
    values: dict[str, Any]
    task_id: int | None = None
    is_acknowledged: bool = False


@dataclass(frozen=True)
class Stored:
    """What the database has, as far as the clients wrote it."""

    tasks: dict[int, dict[str, Any]]
    # Types of a task's events, and its audit entries, oldest first.
    events: dict[int, list[str]]
    entries: dict[int, list[AuditEntry]]
    by_request: dict[str | None, list[AuditEntry]]
    damage: list[str]


def find_lost(writes: Sequence[Write], stored: Stored) -> Iterator[str]:
    """Find acknowledged writes without their one audit entry."""
    for write in writes:
        entries = stored.by_request.get(write.request_id, [])
        if [(entry.action, entry.target_id) for entry in entries] != [(f"tasks.{write.event}", write.task_id)]:
            yield f"Lost: {write.event} {write.request_id} of task {write.task_id}."


def find_halves(stored: Stored) -> Iterator[str]:
    """Find tasks that are not what their events and their audit entries tell, whoever wrote them."""
    for task_id in sorted(stored.tasks.keys() | stored.events.keys() | stored.entries.keys()):
        events, entries = stored.events.get(task_id, []), stored.entries.get(task_id, [])
        task = stored.tasks.get(task_id)
        if [f"tasks.{event}" for event in events] != [entry.action for entry in entries]:
            yield f"Task {task_id} has the events {events} and other audit entries."
        if events[:1] != [CREATED] or Counter(events)[CREATED] != 1 or DELETED in events[:-1]:
            yield f"Task {task_id} has the events {events}."
        if (task is None) != (events[-1:] == [DELETED]):
            yield f"Task {task_id} is {'missing' if task is None else 'there'} with the events {events}."
        if task is not None:
            yield from _compare(task_id, task, _replay(entries), "its audit entries tell")
            if task["version"] != len(events):
                yield f"Task {task_id} has version {task['version']} after {len(events)} writes."


def find_differences(writes: Sequence[Write], stored: Stored) -> Iterator[str]:
    """Find tasks that are not as the acknowledged writes left them."""
    expected: dict[int, dict[str, Any] | None] = {}
    for write in writes:
        assert write.task_id is not None
        before = expected.get(write.task_id) or {}
        expected[write.task_id] = None if write.event == DELETED else before | write.values
    for task_id, values in expected.items():
        task = stored.tasks.get(task_id)
        if (task is None) != (values is None):
            yield f"Task {task_id} is {'missing' if task is None else 'there'} against what was acknowledged."
        elif task is not None and values is not None:
            yield from _compare(task_id, task, values, "was acknowledged")
    for task_id in stored.tasks.keys() - expected.keys():
        yield f"Task {task_id} was written by nobody."


def _compare(task_id: int, task: Mapping[str, Any], values: Mapping[str, Any], source: str) -> Iterator[str]:
    for name, value in values.items():
        if task[name] != value:
            yield f"Task {task_id} has the {name} {str(task[name])[:60]!r}, but {str(value)[:60]!r} {source}."


def _replay(entries: Sequence[AuditEntry]) -> dict[str, Any]:
    """Return what the fields that clients write must hold after the changes in ``entries``."""
    values: dict[str, Any] = {"category": []}
    for entry in entries:
        for name, column in (*COLUMNS.items(), ("category", "category")):
            if column in (entry.changes or {}):
                values[name] = entry.changes[column][1]
    return values


def read() -> Stored:
    """Read what the database has; nobody may write meanwhile."""
    categories: dict[int, list[int]] = defaultdict(list)
    for task_id, category_id in db.session.execute(select(task_categories).order_by(*task_categories.c)):
        categories[task_id].append(category_id)
    rows = db.session.scalars(select(Task)).all()
    tasks = {row.id: {name: getattr(row, column) for name, column in COLUMNS.items()} for row in rows}
    for row in rows:
        tasks[row.id] |= {"category": categories.pop(row.id, []), "version": row.version}
    damage = [f"Task {task_id} is missing, but has categories." for task_id in categories]
    events: dict[int, list[str]] = defaultdict(list)
    for event in db.session.scalars(select(EventRecord).where(EventRecord.type.in_(EVENTS)).order_by(EventRecord.id)):
        events[event.payload["task_id"]].append(event.type)
    entries: dict[int, list[AuditEntry]] = defaultdict(list)
    by_request: dict[str | None, list[AuditEntry]] = defaultdict(list)
    is_of_task = AuditEntry.target_type == "task"
    for entry in db.session.scalars(select(AuditEntry).where(is_of_task).order_by(AuditEntry.id)):
        entries[entry.target_id or 0].append(entry)
        by_request[entry.request_id].append(entry)
    return Stored(tasks, events, entries, by_request, damage + find_broken_file())


def find_broken_file() -> list[str]:
    """Return a sentence for whatever SQLite finds wrong with its file; nothing on PostgreSQL."""
    if db.engine.dialect.name != "sqlite":
        return []
    checks = ("PRAGMA integrity_check", "PRAGMA foreign_key_check")
    found = [str(row) for check in checks for row in db.session.execute(text(check)) if tuple(row) != ("ok",)]
    return [f"SQLite reports {row}." for row in found]
