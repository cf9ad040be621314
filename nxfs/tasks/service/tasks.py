"""Changes to tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, insert, select, update

from nxfs.auth.models import User
from nxfs.core import clock, search
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.names import copy_name
from nxfs.core.transaction import Transaction, transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.extensions import db
from nxfs.tasks import policies
from nxfs.tasks.errors import TaskNotFoundError, unknown_reference
from nxfs.tasks.events import TaskCreated, TaskDeleted, TaskUpdated, task_audience
from nxfs.tasks.models import Category, Project, Task, task_categories
from nxfs.tasks.queries.images import OF_TASKS
from nxfs.tasks.queries.visibility import sees_project, sees_task
from nxfs.tasks.service import images, notices

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
LONGEST_TITLE = 200


@dataclass(frozen=True)
class _Held:
    """What of the project and the categories that somebody named is there, and stays until the transaction ends."""

    project_id: int | None
    category_ids: frozenset[int]


def create_task(*, actor: Actor, values: Mapping[str, Any]) -> int:
    """Create a task of ``actor`` from ``values`` (see ``TaskCreateSchema``) and return its id.

    Raises ``InvalidInputError`` for a project, category or assignee that the actor cannot use.
    """
    with transaction() as tx:
        task = Task(user_id=actor.id)
        _require_references(values, task, _hold(actor, values))
        _assign(task, values)
        tx.session.add(task)
        tx.session.flush()
        _link_categories({task.id: values.get("category", ())})
        _log_creation(tx, actor, task, values.get("category"))
        notices.tell_of_new_task(tx, actor, task)
    return task.id


def update_task(
    *, actor: Actor, task_id: int, values: Mapping[str, Any], precondition: Precondition = NO_PRECONDITION
) -> None:
    """Change the fields of the task that are in ``values``; nothing is written when they hold already.

    Raises ``TaskNotFoundError``, ``InvalidInputError`` as in ``create_task``, ``PreconditionFailedError``.
    """
    with transaction() as tx:
        # Held before the task is locked, which is the order in which deletions and merges lock.
        held = _hold(actor, values)
        task = lock_task(actor, task_id)
        precondition.require(task.version)
        heard_before = task_audience(task)
        before = plain_values(task, AUDITED) | {"category": sorted(_categories_of_many([task_id]).get(task_id, ()))}
        _require_references(values, task, held)
        _assign(task, values)
        category = sorted(values["category"]) if "category" in values else before["category"]
        changes = difference(before, plain_values(task, AUDITED) | {"category": category})
        if not changes:
            return
        task.updated_at = clock.now()
        if "category" in changes:
            tx.session.execute(delete(task_categories).where(task_categories.c.task_id == task_id))
            _link_categories({task_id: category})
        heard = tuple(sorted({*heard_before, *task_audience(task)}))
        tx.emit(TaskUpdated(task_id=task.id, fields=tuple(changes), audience=heard), actor_id=actor.id)
        tx.audit("tasks.task_updated", actor_id=actor.id, target=task, changes=changes)
        notices.tell_of_change(tx, actor, task, changes)


def delete_task(*, actor: Actor, task_id: int, precondition: Precondition = NO_PRECONDITION) -> None:
    """Delete the task with its pictures.

    Raises ``TaskNotFoundError``, ``ForbiddenError`` for a mere assignee, ``PreconditionFailedError``.
    """
    with transaction() as tx:
        task = lock_task(actor, task_id)
        precondition.require(task.version)
        is_member = task.project_id is not None and _sees_project(actor, task.project_id)
        policies.require(policies.can_delete_task(actor, task, is_project_member=is_member))
        tx.emit(TaskDeleted(task_id=task.id, audience=task_audience(task)), actor_id=actor.id)
        tx.audit(
            "tasks.task_deleted", actor_id=actor.id, target=task, changes=difference(plain_values(task, AUDITED), {})
        )
        images.remove_all_images(tx, OF_TASKS, [task_id])
        tx.session.delete(task)


def duplicate_task(*, actor: Actor, task_id: int) -> int:
    """Create an open copy of the task, without its pictures, owned by ``actor``, and return its id.

    Raises ``TaskNotFoundError``.
    """
    with transaction() as tx:
        original = db.session.scalar(select(Task).where(Task.id == task_id, sees_task(actor)))
        if original is None:
            raise TaskNotFoundError
        title = copy_name(original.title, language=actor.language, longest=LONGEST_TITLE)
        (copy_id,) = copy_tasks(actor, [original], project_id=original.project_id, title=title)
        notices.tell_assignee(tx, actor, tx.session.get_one(Task, copy_id))
    return copy_id


def copy_tasks(
    actor: Actor, originals: Sequence[Task], *, project_id: int | None, title: str | None = None
) -> list[int]:
    """Create open copies of ``originals``, without what ``actor`` can no longer use, and return their ids.

    Nobody is notified: whoever is named in the copies was told of the originals.
    """
    with transaction() as tx:
        linked = _categories_of_many([original.id for original in originals])
        held = _hold(actor, {"project": project_id, "category": {item for ids in linked.values() for item in ids}})
        active = set(tx.session.scalars(_select_active({original.assignee_id for original in originals})))
        copies = []
        for original in originals:
            copy = Task(user_id=actor.id)
            values = {field: getattr(original, column) for field, column in COLUMNS.items()}
            values |= {"title": title or original.title, "status": "todo", "project": held.project_id}
            values["assignee_id"] = original.assignee_id if original.assignee_id in active else None
            _assign(copy, values)
            copies.append(copy)
        tx.session.add_all(copies)
        tx.session.flush()
        kept = [sorted(held.category_ids & linked.get(original.id, set())) for original in originals]
        _link_categories({copy.id: ids for copy, ids in zip(copies, kept, strict=True)})
        for copy, ids in zip(copies, kept, strict=True):
            _log_creation(tx, actor, copy, ids)
    return [copy.id for copy in copies]


def touch_tasks(condition: ColumnElement[bool], **values: Any) -> None:
    """Set columns of many tasks in one statement, counting their versions up as an update of one would."""
    # Locked in one order, so that two such statements cannot wait for each other.
    locked = select(Task.id).where(condition).order_by(Task.id).with_for_update().correlate(None)
    changed = {"version": Task.version + 1, "updated_at": clock.now(), **values}
    touch = update(Task).where(Task.id.in_(locked)).values(changed)
    db.session.execute(touch.execution_options(synchronize_session=False))


def lock_task(actor: Actor, task_id: int) -> Task:
    """Return the task, locked until the transaction ends. Raises ``TaskNotFoundError``."""
    task = db.session.scalar(select(Task).where(Task.id == task_id, sees_task(actor)).with_for_update(of=Task))
    if task is None:
        raise TaskNotFoundError
    return task


def _log_creation(tx: Transaction, actor: Actor, task: Task, category_ids: Iterable[int] | None) -> None:
    tx.emit(TaskCreated(task_id=task.id, audience=task_audience(task)), actor_id=actor.id)
    changes = difference({}, plain_values(task, AUDITED) | {"category": category_ids})
    tx.audit("tasks.task_created", actor_id=actor.id, target=task, changes=changes)


def _categories_of_many(task_ids: Sequence[int]) -> dict[int, set[int]]:
    links = select(task_categories).where(task_categories.c.task_id.in_(task_ids))
    by_task: dict[int, set[int]] = {}
    for task_id, category_id in db.session.execute(links):
        by_task.setdefault(task_id, set()).add(category_id)
    return by_task


def _hold(actor: Actor, values: Mapping[str, Any]) -> _Held:
    project_id, category_ids = values.get("project"), values.get("category")
    if project_id is not None:
        project = select(Project.id).where(Project.id == project_id, sees_project(actor))
        project_id = db.session.scalar(project.with_for_update(of=Project, read=True, key_share=True))
    found: frozenset[int] = frozenset()
    if category_ids:
        categories = select(Category.id).where(Category.id.in_(category_ids)).order_by(Category.id)
        found = frozenset(db.session.scalars(categories.with_for_update(read=True, key_share=True)))
    return _Held(project_id, found)


def _require_references(values: Mapping[str, Any], task: Task, held: _Held) -> None:
    project_id = values.get("project")
    if project_id not in (held.project_id, task.project_id):
        raise unknown_reference("project", project_id)
    for category_id in sorted(set(values.get("category", ())) - held.category_ids):
        raise unknown_reference("category", category_id)
    assignee_id = values.get("assignee_id")
    if assignee_id not in (None, task.assignee_id) and db.session.scalar(_select_active([assignee_id])) is None:
        raise unknown_reference("assignee_id", assignee_id)


def _sees_project(actor: Actor, project_id: int) -> bool:
    return db.session.scalar(select(Project.id).where(Project.id == project_id, sees_project(actor))) is not None


def _select_active(user_ids: Iterable[int | None]) -> Select[tuple[int]]:
    return select(User.id).where(User.id.in_([user_id for user_id in user_ids if user_id]), User.is_active)


def _assign(task: Task, values: Mapping[str, Any]) -> None:
    for field, column in COLUMNS.items():
        if field in values and field != "status":
            setattr(task, column, values[field])
    task.take_status(values)
    if SEARCHED & values.keys():
        task.title_key = search.sort_key(task.title)
        task.search_title = search.document_of(task.title, task.title_nb)
        task.search_text = search.document_of(task.description, task.description_nb, task.notes)


def _link_categories(by_task: Mapping[int, Iterable[int]]) -> None:
    links = [
        {"task_id": task_id, "category_id": category_id}
        for task_id, category_ids in by_task.items()
        for category_id in sorted(set(category_ids))
    ]
    if links:
        db.session.execute(insert(task_categories), links)
