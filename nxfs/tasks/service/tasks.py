"""Changes to tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete, insert, select

from nxfs.auth.models import User
from nxfs.core import clock, search
from nxfs.core.actor import Actor
from nxfs.core.audit import difference
from nxfs.core.events import audience_of
from nxfs.core.messages import Text
from nxfs.core.transaction import transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.extensions import db
from nxfs.tasks import policies
from nxfs.tasks.errors import TaskNotFoundError, unknown_reference
from nxfs.tasks.events import TaskCreated, TaskDeleted, TaskUpdated
from nxfs.tasks.models import Project, Task, plain_values, task_categories
from nxfs.tasks.queries import references
from nxfs.tasks.queries.visibility import sees_project, sees_task

# The fields of the wire and the columns they live in; "category" lives in a table of its own.
COLUMNS = {
    "title": "title",
    "title_nb": "title_nb",
    "description": "description",
    "description_nb": "description_nb",
    "notes": "notes",
    "status": "status",
    "priority": "priority",
    "due_date": "due_date",
    "estimated_time": "estimated_hours",
    "project": "project_id",
    "assignee_id": "assignee_id",
}
AUDITED = (*COLUMNS.values(), "completed_at")
SEARCHED = frozenset({"title", "title_nb", "description", "description_nb", "notes"})
COPY = Text("{title} (copy)", "{title} (kopi)")
LONGEST_TITLE = 200


def create_task(*, actor: Actor, values: Mapping[str, Any]) -> int:
    """Create a task of ``actor`` from ``values`` (see ``TaskCreateSchema``) and return its id.

    Raises ``InvalidInputError`` for a project, category or assignee that the actor cannot use.
    """
    with transaction() as tx:
        task = Task(user_id=actor.id)
        _require_references(actor, values, task)
        _assign(task, values)
        tx.session.add(task)
        tx.session.flush()
        _replace_categories(task.id, values.get("category", ()))
        tx.emit(TaskCreated(task_id=task.id, audience=audience(task)), actor_id=actor.id)
        changes = difference({}, plain_values(task, AUDITED) | {"category": values.get("category")})
        tx.audit("tasks.task_created", actor_id=actor.id, target=task, changes=changes)
    return task.id


def update_task(
    *, actor: Actor, task_id: int, values: Mapping[str, Any], precondition: Precondition = NO_PRECONDITION
) -> None:
    """Change the fields of the task that are in ``values``; nothing is written when they hold already.

    Raises ``TaskNotFoundError``, ``InvalidInputError`` as in ``create_task``, ``PreconditionFailedError``.
    """
    with transaction() as tx:
        task = lock_task(actor, task_id)
        precondition.require(task.version)
        heard_before = audience(task)
        before = plain_values(task, AUDITED) | {"category": categories_of(task.id)}
        _require_references(actor, values, task)
        _assign(task, values)
        category = sorted(values["category"]) if "category" in values else before["category"]
        changes = difference(before, plain_values(task, AUDITED) | {"category": category})
        if not changes:
            return
        if "category" in changes:
            _replace_categories(task.id, category)
        task.updated_at = clock.now()
        heard = tuple(sorted({*heard_before, *audience(task)}))
        tx.emit(TaskUpdated(task_id=task.id, fields=tuple(changes), audience=heard), actor_id=actor.id)
        tx.audit("tasks.task_updated", actor_id=actor.id, target=task, changes=changes)


def delete_task(*, actor: Actor, task_id: int, precondition: Precondition = NO_PRECONDITION) -> None:
    """Delete the task.

    Raises ``TaskNotFoundError``, ``ForbiddenError`` for a mere assignee, ``PreconditionFailedError``.
    """
    with transaction() as tx:
        task = lock_task(actor, task_id)
        precondition.require(task.version)
        is_member = task.project_id is not None and can_use_project(actor, task.project_id)
        policies.require(policies.can_delete_task(actor, task, is_project_member=is_member))
        tx.emit(TaskDeleted(task_id=task.id, audience=audience(task)), actor_id=actor.id)
        tx.audit(
            "tasks.task_deleted", actor_id=actor.id, target=task, changes=difference(plain_values(task, AUDITED), {})
        )
        tx.session.delete(task)


def duplicate_task(*, actor: Actor, task_id: int) -> int:
    """Create an open copy of the task, owned by ``actor``, and return its id. Raises ``TaskNotFoundError``."""
    with transaction():
        original = lock_task(actor, task_id)
        values = {field: getattr(original, column) for field, column in COLUMNS.items()}
        values |= {"status": "todo", "category": categories_of(task_id), "title": copy_name(actor, original.title)}
        if original.project_id is not None and not can_use_project(actor, original.project_id):
            values["project"] = None
        return create_task(actor=actor, values=values)


def lock_task(actor: Actor, task_id: int) -> Task:
    """Return the task, locked until the transaction ends. Raises ``TaskNotFoundError``."""
    task = db.session.scalar(select(Task).where(Task.id == task_id, sees_task(actor)).with_for_update(of=Task))
    if task is None:
        raise TaskNotFoundError
    return task


def categories_of(task_id: int) -> list[int]:
    """Return the sorted ids of the task's categories."""
    ids = select(task_categories.c.category_id).where(task_categories.c.task_id == task_id)
    return sorted(db.session.scalars(ids))


def can_use_project(actor: Actor, project_id: int) -> bool:
    """Whether ``actor`` sees the project."""
    return db.session.scalar(select(Project.id).where(Project.id == project_id, sees_project(actor))) is not None


def audience(task: Task) -> tuple[str, ...]:
    """Return who may hear of changes to the task."""
    return audience_of(user_ids=(task.user_id, task.assignee_id), project_ids=(task.project_id,))


def copy_name(actor: Actor, name: str) -> str:
    """Return the name of a copy in the actor's language, cut to the longest title."""
    wording = COPY.nb if actor.language == "no" else COPY.en
    room = LONGEST_TITLE - len(wording.format(title=""))
    return wording.format(title=name[:room])


def _require_references(actor: Actor, values: Mapping[str, Any], task: Task) -> None:
    project_id = values.get("project")
    if project_id is not None and project_id != task.project_id and not can_use_project(actor, project_id):
        raise unknown_reference("project", project_id)
    references.require_categories(values.get("category", ()))
    assignee_id = values.get("assignee_id")
    if assignee_id is not None and assignee_id != task.assignee_id:
        is_there = db.session.scalar(select(User.id).where(User.id == assignee_id, User.is_active))
        if is_there is None:
            raise unknown_reference("assignee_id", assignee_id)


def _assign(task: Task, values: Mapping[str, Any]) -> None:
    for field, column in COLUMNS.items():
        if field in values and field != "status":
            setattr(task, column, values[field])
    if "status" in values:
        task.set_status(values["status"])
    if SEARCHED & values.keys():
        task.title_key = search.sort_key(task.title)
        task.search_title = search.document_of(task.title, task.title_nb)
        task.search_text = search.document_of(task.description, task.description_nb, task.notes)


def _replace_categories(task_id: int, category_ids: Iterable[int]) -> None:
    db.session.execute(delete(task_categories).where(task_categories.c.task_id == task_id))
    links = [{"task_id": task_id, "category_id": category_id} for category_id in sorted(set(category_ids))]
    if links:
        db.session.execute(insert(task_categories), links)
