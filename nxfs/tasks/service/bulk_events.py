"""The events of a batch: one of all its tasks together, and for small ones those of each task as well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nxfs.core.actor import Actor
from nxfs.core.transaction import Transaction
from nxfs.tasks.events import (
    TaskDeleted,
    TaskGroup,
    TasksBulkDeleted,
    TasksBulkHidden,
    TasksBulkUpdated,
    TaskUpdated,
)
from nxfs.tasks.service.bulk_changes import BulkChange

Audience = tuple[str, ...]


def emit_bulk_events(
    tx: Transaction,
    actor: Actor,
    changed: Sequence[BulkChange],
    updates: Mapping[str, Any],
    *,
    with_single_events: bool,
) -> None:
    """Log that ``actor`` has changed these tasks; nothing when there are none.

    ``updates`` are the new values as JSON, by the names of the wire and with ids in place of names. With
    ``with_single_events`` each task is told by itself first, as ``update_task`` does: clients know it then.
    """
    if not changed:
        return
    if with_single_events:
        for change in changed:
            event = TaskUpdated(task_id=change.task_id, fields=change.fields, audience=_before_or_after(change))
            tx.emit(event, actor_id=actor.id)
    groups = _groups((_before_or_after(change), change.task_id) for change in changed)
    tx.emit(TasksBulkUpdated(updates=dict(updates), groups=groups, audience=_everybody(groups)), actor_id=actor.id)
    # Who is in a project that a task has left may see it all the same; that is asked when it is told.
    left = [change for change in changed if not set(change.audience_before) <= set(change.audience_after)]
    if left:
        groups = _groups((change.audience_before, change.task_id) for change in left)
        tx.emit(TasksBulkHidden(groups=groups, audience=_everybody(groups)), actor_id=actor.id)


def emit_bulk_deletion(
    tx: Transaction, actor: Actor, deleted: Sequence[BulkChange], *, with_single_events: bool
) -> None:
    """Log that ``actor`` has deleted these tasks, for those who could see them; nothing when there are none."""
    if not deleted:
        return
    if with_single_events:
        for change in deleted:
            tx.emit(TaskDeleted(task_id=change.task_id, audience=change.audience_before), actor_id=actor.id)
    groups = _groups((change.audience_before, change.task_id) for change in deleted)
    tx.emit(TasksBulkDeleted(groups=groups, audience=_everybody(groups)), actor_id=actor.id)


def _before_or_after(change: BulkChange) -> Audience:
    if change.audience_before == change.audience_after:
        return change.audience_before
    return tuple(sorted({*change.audience_before, *change.audience_after}))


def _groups(tasks: Iterable[tuple[Audience, int]]) -> tuple[TaskGroup, ...]:
    by_audience: dict[Audience, list[int]] = defaultdict(list)
    for audience, task_id in tasks:
        by_audience[audience].append(task_id)
    return tuple(TaskGroup(task_ids=tuple(ids), audience=audience) for audience, ids in by_audience.items())


def _everybody(groups: Iterable[TaskGroup]) -> Audience:
    return tuple(sorted({entry for group in groups for entry in group.audience}))
