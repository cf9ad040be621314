"""Changes and deletions of many tasks in one transaction, with the events of a batch and nothing else of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select

from nxfs.auth.models import User
from nxfs.auth.queries import actor_of
from nxfs.core.transaction import Transaction, transaction
from nxfs.tasks.events import task_audience
from nxfs.tasks.models import Task
from nxfs.tasks.service.bulk_changes import BulkChange
from nxfs.tasks.service.bulk_events import emit_bulk_deletion, emit_bulk_events

COLUMNS = {"project": "project_id"}


def change_tasks(actor: User, task_ids: Iterable[int], *, with_single_events: bool = False, **updates: Any) -> None:
    """Give the tasks new values, by the names of the wire: columns with plain values, ``project`` among them."""
    with transaction() as tx:
        changed = [_change(task, updates) for task in _tasks(tx, task_ids)]
        emit_bulk_events(tx, actor_of(actor), changed, updates, with_single_events=with_single_events)


def delete_tasks(actor: User, task_ids: Iterable[int], *, with_single_events: bool = False) -> None:
    """Delete the tasks."""
    with transaction() as tx:
        tasks = _tasks(tx, task_ids)
        deleted = [_change(task, {}) for task in tasks]
        emit_bulk_deletion(tx, actor_of(actor), deleted, with_single_events=with_single_events)
        for task in tasks:
            tx.session.delete(task)


def _tasks(tx: Transaction, task_ids: Iterable[int]) -> list[Task]:
    return list(tx.session.scalars(select(Task).where(Task.id.in_(list(task_ids))).order_by(Task.id)))


def _change(task: Task, updates: dict[str, Any]) -> BulkChange:
    before, assignee_before = task_audience(task), task.assignee_id
    for name, value in updates.items():
        setattr(task, COLUMNS.get(name, name), value)
    return BulkChange(
        task_id=task.id,
        title=task.title,
        project_id=task.project_id,
        user_id=task.user_id,
        assignee_before=assignee_before,
        assignee_after=task.assignee_id,
        fields=tuple(updates),
        is_completion=updates.get("status") == "completed",
        audience_before=before,
        audience_after=task_audience(task),
    )
