"""Who is notified of which change to a task or a project. Whoever does something knows of it already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nxfs.core.actor import Actor
from nxfs.core.transaction import Transaction
from nxfs.notifications.service.notifying import notify
from nxfs.tasks.models import Project, Task
from nxfs.tasks.service.mentions import find_mentioned


def tell_of_new_task(tx: Transaction, actor: Actor, task: Task) -> None:
    """Notify the assignee of a new task and those whom its notes mention."""
    tell_assignee(tx, actor, task)
    _tell_mentioned(tx, actor, task, former_notes="")


def tell_of_change(tx: Transaction, actor: Actor, task: Task, changes: Mapping[str, Any]) -> None:
    """Notify the owner and the assignee of ``changes`` (of columns), and those who are mentioned for the first time.

    A new assignee hears that the task is his, and not what else changed. A former one no longer hears of it.
    """
    told = {task.user_id, task.assignee_id}
    if "assignee_id" in changes:
        tell_assignee(tx, actor, task)
        told.discard(task.assignee_id)
    is_completion = "status" in changes and task.status == "completed"
    notify(
        tx,
        "task_completed" if is_completion else "task_changed",
        told,
        actor_id=actor.id,
        data={**facts_of(task), "fields": list(changes)},
        # One key, so that of what somebody has not read yet the last word is told.
        key=f"task_changed:{task.id}",
        # A completed task whose notes change is news of a completed task.
        keeps_type="status" not in changes,
    )
    if "notes" in changes:
        _tell_mentioned(tx, actor, task, former_notes=changes["notes"][0])


def tell_assignee(tx: Transaction, actor: Actor, task: Task) -> None:
    """Notify the assignee, if there is one, that the task is assigned to him."""
    key = f"task_assigned:{task.id}"
    notify(tx, "task_assigned", [task.assignee_id], actor_id=actor.id, data=facts_of(task), key=key)


def tell_new_member(tx: Transaction, actor: Actor, project: Project, user_id: int) -> None:
    """Notify a user that he is a member of the project."""
    data = {"project_id": project.id, "title": project.name}
    key = f"project_member_added:{project.id}"
    notify(tx, "project_member_added", [user_id], actor_id=actor.id, data=data, key=key)


def facts_of(task: Any) -> dict[str, Any]:
    """Return what every notification says of its task, a row or a model."""
    return {"task_id": task.id, "title": task.title, "project_id": task.project_id}


def _tell_mentioned(tx: Transaction, actor: Actor, task: Task, *, former_notes: str) -> None:
    mentioned = find_mentioned(task, former_notes=former_notes)
    key = f"mention:{task.id}"
    notify(tx, "mention", mentioned, actor_id=actor.id, data=facts_of(task), key=key)
