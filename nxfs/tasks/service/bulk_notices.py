"""Who is notified of a batch: each person once of all tasks together, and of a single one as if it were no batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from nxfs.core.actor import Actor
from nxfs.core.transaction import Transaction
from nxfs.notifications.service.notifying import notify
from nxfs.tasks.service.bulk_changes import BulkChange

# A notification names so many tasks, and says how many there were.
MOST_NAMED = 100


def tell_of_bulk_change(
    tx: Transaction, actor: Actor, changed: Sequence[BulkChange], *, batch: str | None = None
) -> None:
    """Notify owners and assignees of the tasks that ``actor`` has changed together, when ``tx`` commits.

    New assignees hear that the tasks are theirs, and not what else changed; former ones hear nothing. ``batch`` names
    a batch that is done in several transactions: what somebody has not read yet of it takes up what comes next.
    """
    assigned: dict[int, list[BulkChange]] = defaultdict(list)
    concerned: dict[int, list[BulkChange]] = defaultdict(list)
    for change in changed:
        told = {change.user_id, change.assignee_after} - {actor.id, None}
        if change.assignee_after != change.assignee_before and change.assignee_after in told:
            assigned[change.assignee_after].append(change)
            told.discard(change.assignee_after)
        for user_id in told:
            concerned[user_id].append(change)
    for user_id, changes in assigned.items():
        if len(changes) == 1:
            (change,) = changes
            key = f"task_assigned:{change.task_id}"
            notify(tx, "task_assigned", [user_id], actor_id=actor.id, data=_facts(change), key=key)
        else:
            _tell_of_several(tx, actor, "tasks_assigned", user_id, changes, batch)
    # The same for all: rows that differ in it are written by statements of their own.
    keeps_type = not any("status" in change.fields for change in changed)
    for user_id, changes in concerned.items():
        if len(changes) == 1:
            (change,) = changes
            notify(
                tx,
                "task_completed" if change.is_completion else "task_changed",
                [user_id],
                actor_id=actor.id,
                data={**_facts(change), "fields": list(change.fields)},
                # The key of changes by themselves, so that the last word is told.
                key=f"task_changed:{change.task_id}",
                keeps_type=keeps_type,
            )
        else:
            _tell_of_several(tx, actor, "tasks_changed", user_id, changes, batch, keeps_type=keeps_type)


def _tell_of_several(
    tx: Transaction,
    actor: Actor,
    type_: str,
    user_id: int,
    changes: Sequence[BulkChange],
    batch: str | None,
    *,
    keeps_type: bool = False,
) -> None:
    data = {"task_ids": [change.task_id for change in changes[:MOST_NAMED]], "total": len(changes)}
    key = f"{type_}:{batch}" if batch is not None else None
    notify(tx, type_, [user_id], actor_id=actor.id, data=data, key=key, keeps_type=keeps_type)


def _facts(change: BulkChange) -> dict[str, Any]:
    return {"task_id": change.task_id, "title": change.title, "project_id": change.project_id}
