"""What a batch will do, found out before anything is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import Row, select

from nxfs.core.actor import Actor
from nxfs.core.batches import Failure, is_among
from nxfs.core.errors import ForbiddenError
from nxfs.core.events import audience_of
from nxfs.extensions import db
from nxfs.tasks import policies
from nxfs.tasks.errors import TOO_MANY_CATEGORIES, TaskNotFoundError
from nxfs.tasks.models import Task, task_categories
from nxfs.tasks.queries.visibility import sees_named_task, select_visible_project_ids
from nxfs.tasks.service.bulk_changes import BulkChange
from nxfs.tasks.service.bulk_references import Updates

MOST_CATEGORIES = 50
_WHOSE = (Task.id, Task.title, Task.user_id, Task.assignee_id, Task.project_id)
_CHANGEABLE = (Task.status, Task.priority, Task.due_date, Task.completed_at)


@dataclass(frozen=True)
class Plan:
    """The tasks that will be changed or deleted, in the order of their ids, and those that will not and cannot.

    ``before`` has the values that will be gone: ``{column: {value as text: [ids]}}``.
    """

    changes: Sequence[BulkChange]
    failures: Sequence[Failure]
    before: Mapping[str, Mapping[str, Sequence[int]]]

    @property
    def task_ids(self) -> list[int]:
        """Return the ids of the tasks that will be changed or deleted."""
        return [change.task_id for change in self.changes]


def plan_updates(actor: Actor, task_ids: Sequence[int], updates: Updates, *, locks: bool) -> Plan:
    """Return what ``updates`` do to the tasks; with ``locks`` these stay as they are until the transaction ends."""
    rows = _find_tasks(actor, task_ids, _WHOSE + _CHANGEABLE, locks=locks)
    failures = _missing(task_ids, rows)
    # In a statement of its own: links that another transaction wrote while this one waited for its tasks count.
    categories = _find_categories([row.id for row in rows]) if updates.changes_categories else {}
    audience = cache(_audience)
    changes = []
    before: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        former = _former_values(row, updates)
        if updates.changes_categories:
            had = frozenset(categories.get(row.id, ()))
            gets = updates.categories_after(had)
            if len(gets) > MOST_CATEGORIES and gets != had:
                failures.append(Failure(row.id, TOO_MANY_CATEGORIES.fill(most=MOST_CATEGORIES)))
                continue
            if gets != had:
                former["category"] = ",".join(map(str, sorted(had)))
        if former:
            for column, value in former.items():
                before[column][value].append(row.id)
            changes.append(_change_of(row, updates, tuple(sorted(former)), audience))
    return Plan(changes, _in_order(failures, task_ids), before)


def plan_deletion(actor: Actor, task_ids: Sequence[int], *, locks: bool) -> Plan:
    """Return which of the tasks ``actor`` deletes; with ``locks`` they stay as they are until the transaction ends."""
    is_member = Task.project_id.in_(select_visible_project_ids(actor)).label("is_member")
    rows = _find_tasks(actor, task_ids, (*_WHOSE, is_member), locks=locks)
    failures = _missing(task_ids, rows)
    audience = cache(_audience)
    changes = []
    for row in rows:
        if not policies.can_delete_task(actor, row, is_project_member=bool(row.is_member)):
            failures.append(Failure(row.id, ForbiddenError.message))
            continue
        heard = audience(row.user_id, row.assignee_id, row.project_id)
        whose = (row.user_id, row.assignee_id, row.assignee_id)
        changes.append(BulkChange(row.id, row.title, row.project_id, *whose, (), False, heard, heard))
    return Plan(changes, _in_order(failures, task_ids), {})


def _find_tasks(actor: Actor, task_ids: Sequence[int], columns: Sequence[Any], *, locks: bool) -> Sequence[Row[Any]]:
    found = select(*columns).where(is_among(Task.id, task_ids), sees_named_task(actor)).order_by(Task.id)
    if locks:
        found = found.with_for_update(of=Task)
    return db.session.execute(found).all()


def _find_categories(task_ids: Sequence[int]) -> dict[int, list[int]]:
    links = select(task_categories).where(is_among(task_categories.c.task_id, task_ids))
    by_task: dict[int, list[int]] = defaultdict(list)
    for task_id, category_id in db.session.execute(links):
        by_task[task_id].append(category_id)
    return by_task


def _missing(task_ids: Sequence[int], rows: Sequence[Row[Any]]) -> list[Failure]:
    found = {row.id for row in rows}
    return [Failure(task_id, TaskNotFoundError.message) for task_id in task_ids if task_id not in found]


def _in_order(failures: list[Failure], task_ids: Sequence[int]) -> list[Failure]:
    """Return the failures in the order in which the tasks were named."""
    places = {task_id: place for place, task_id in enumerate(task_ids)} if failures else {}
    return sorted(failures, key=lambda failure: places[failure.id])


def _former_values(row: Row[Any], updates: Updates) -> dict[str, str]:
    """Return, as texts, the values of the columns that will change."""
    former = {
        column: _as_text(getattr(row, column))
        for column, value in updates.columns.items()
        if getattr(row, column) != value
    }
    if "status" in updates.columns and (updates.columns["status"] == "completed") == (row.completed_at is None):
        former["completed_at"] = _as_text(row.completed_at)
    return former


def _as_text(value: Any) -> str:
    if value is None:
        return "null"
    return value.isoformat() if isinstance(value, date) else str(value)


def _change_of(row: Row[Any], updates: Updates, fields: tuple[str, ...], audience: Any) -> BulkChange:
    assignee_id = updates.columns.get("assignee_id", row.assignee_id)
    project_id = updates.columns.get("project_id", row.project_id)
    return BulkChange(
        task_id=row.id,
        title=row.title,
        project_id=project_id,
        user_id=row.user_id,
        assignee_before=row.assignee_id,
        assignee_after=assignee_id,
        fields=fields,
        is_completion="status" in fields and updates.columns["status"] == "completed",
        audience_before=audience(row.user_id, row.assignee_id, row.project_id),
        audience_after=audience(row.user_id, assignee_id, project_id),
    )


def _audience(user_id: int, assignee_id: int | None, project_id: int | None) -> tuple[str, ...]:
    return audience_of(user_ids=(user_id, assignee_id), project_ids=(project_id,))
