"""Changes to projects, their members and their tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, func, select

from nxfs.auth.models import User
from nxfs.core import names, search, slugs
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.events import audience_of
from nxfs.core.transaction import transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.extensions import db
from nxfs.tasks import policies
from nxfs.tasks.errors import (
    MemberExistsError,
    MemberNotFoundError,
    ProjectNotFoundError,
    ProjectTooLargeError,
    TaskInOtherProjectError,
    TaskNotFoundError,
    unknown_reference,
)
from nxfs.tasks.events import (
    ProjectCreated,
    ProjectDeleted,
    ProjectMemberAdded,
    ProjectMemberRemoved,
    ProjectUpdated,
    project_audience,
)
from nxfs.tasks.models import Project, ProjectMember, Task
from nxfs.tasks.queries.images import OF_PROJECTS
from nxfs.tasks.queries.visibility import sees_project
from nxfs.tasks.service import images, notices, tasks

FIELDS = ("name", "name_nb", "description", "description_nb", "status")
AUDITED = (*FIELDS, "completed_at")
LONGEST_NAME = 200
MOST_DUPLICATED_TASKS = 500


def create_project(*, actor: Actor, values: Mapping[str, Any]) -> int:
    """Create a project of ``actor`` from ``values`` (see ``ProjectCreateSchema``) and return its id.

    Tasks named in ``values`` move into it. Raises ``InvalidInputError`` for tasks that the actor may not see.
    """
    with transaction() as tx:
        project = Project(user_id=actor.id)
        _assign(project, values)
        tx.session.add(project)
        tx.session.flush()
        tx.emit(ProjectCreated(project_id=project.id, audience=project_audience(project)), actor_id=actor.id)
        changes = difference({}, plain_values(project, AUDITED))
        tx.audit("tasks.project_created", actor_id=actor.id, target=project, changes=changes)
        # Locked in one order, so that two such requests cannot wait for each other.
        for task_id in sorted(values.get("tasks", ())):
            _move_task(actor, task_id, project.id, named_in="tasks")
    return project.id


def update_project(
    *, actor: Actor, project_id: int, values: Mapping[str, Any], precondition: Precondition = NO_PRECONDITION
) -> None:
    """Change the fields of the project that are in ``values``; nothing is written when they hold already.

    Raises ``ProjectNotFoundError``, ``PreconditionFailedError``.
    """
    with transaction() as tx:
        project = _lock_project(actor, project_id)
        precondition.require(project.version)
        before = plain_values(project, AUDITED)
        _assign(project, values)
        changes = difference(before, plain_values(project, AUDITED))
        if not changes:
            return
        event = ProjectUpdated(project_id=project.id, fields=tuple(changes), audience=project_audience(project))
        tx.emit(event, actor_id=actor.id)
        tx.audit("tasks.project_updated", actor_id=actor.id, target=project, changes=changes)


def delete_project(*, actor: Actor, project_id: int, precondition: Precondition = NO_PRECONDITION) -> None:
    """Delete the project with its pictures; its tasks stay, without a project.

    Raises ``ProjectNotFoundError``, ``ForbiddenError`` for a member, ``PreconditionFailedError``.
    """
    with transaction() as tx:
        project = _lock_project(actor, project_id)
        precondition.require(project.version)
        policies.require(policies.can_manage_project(actor, project))
        changes = difference(plain_values(project, AUDITED), {})
        member_ids = tx.session.scalars(select(ProjectMember.user_id).where(ProjectMember.project_id == project_id))
        # Afterwards nobody is a member of it: those who were hear of it by name.
        heard = audience_of(user_ids=(project.user_id, *member_ids))
        tasks.touch_tasks(Task.project_id == project_id, project_id=None)
        tx.emit(ProjectDeleted(project_id=project_id, audience=heard), actor_id=actor.id)
        tx.audit("tasks.project_deleted", actor_id=actor.id, target=project, changes=changes)
        images.remove_all_images(tx, OF_PROJECTS, [project_id])
        tx.session.delete(project)


def duplicate_project(*, actor: Actor, project_id: int) -> int:
    """Create a copy of the project, owned by ``actor``, with open copies of its tasks, and return its id.

    Pictures are not copied. Raises ``ProjectNotFoundError``, ``ProjectTooLargeError``.
    """
    with transaction():
        original = _lock_project(actor, project_id)
        count = db.session.scalar(select(func.count()).where(Task.project_id == project_id)) or 0
        if count > MOST_DUPLICATED_TASKS:
            raise ProjectTooLargeError(most=MOST_DUPLICATED_TASKS)
        values = {field: getattr(original, field) for field in FIELDS}
        name = names.copy_name(original.name, language=actor.language, longest=LONGEST_NAME)
        values |= {"name": name, "status": "todo"}
        copy_id = create_project(actor=actor, values=values)
        originals = db.session.scalars(select(Task).where(Task.project_id == project_id).order_by(Task.id)).all()
        tasks.copy_tasks(actor, originals, project_id=copy_id)
    return copy_id


def add_member(*, actor: Actor, project_id: int, user_id: int) -> None:
    """Make the user a member of the project.

    Raises ``ProjectNotFoundError``, ``ForbiddenError``, ``MemberExistsError``, ``InvalidInputError`` for no such user.
    """
    with transaction({"pk_project_members": MemberExistsError}) as tx:
        project = _lock_project(actor, project_id)
        policies.require(policies.can_manage_project(actor, project))
        if tx.session.scalar(select(User.id).where(User.id == user_id, User.is_active)) is None:
            raise unknown_reference("user_id", user_id)
        if user_id == project.user_id or _is_member(project_id, user_id):
            raise MemberExistsError
        tx.session.add(ProjectMember(project_id=project_id, user_id=user_id))
        event = ProjectMemberAdded(project_id=project_id, user_id=user_id, audience=project_audience(project, user_id))
        tx.emit(event, actor_id=actor.id)
        changes = {"member": [None, user_id]}
        tx.audit("tasks.project_member_added", actor_id=actor.id, target=project, changes=changes)
        notices.tell_new_member(tx, actor, project, user_id)


def remove_member(*, actor: Actor, project_id: int, user_id: int) -> None:
    """End the user's membership; members may end their own.

    Raises ``ProjectNotFoundError``, ``ForbiddenError``, ``MemberNotFoundError``.
    """
    with transaction() as tx:
        project = _lock_project(actor, project_id)
        policies.require(user_id == actor.id or policies.can_manage_project(actor, project))
        if not _is_member(project_id, user_id):
            raise MemberNotFoundError
        membership = (ProjectMember.project_id == project_id) & (ProjectMember.user_id == user_id)
        tx.session.execute(delete(ProjectMember).where(membership))
        event = ProjectMemberRemoved(
            project_id=project_id, user_id=user_id, audience=project_audience(project, user_id)
        )
        tx.emit(event, actor_id=actor.id)
        changes = {"member": [user_id, None]}
        tx.audit("tasks.project_member_removed", actor_id=actor.id, target=project, changes=changes)


def add_task(*, actor: Actor, project_id: int, task_id: int) -> None:
    """Move the task into the project. Raises ``ProjectNotFoundError``, ``InvalidInputError`` for no such task."""
    with transaction():
        _lock_project(actor, project_id)
        _move_task(actor, task_id, project_id, named_in="task_id")


def remove_task(*, actor: Actor, project_id: int, task_id: int) -> None:
    """Take the task out of the project.

    Raises ``ProjectNotFoundError``, ``InvalidInputError`` for no such task, ``TaskInOtherProjectError``.
    """
    with transaction():
        _lock_project(actor, project_id)
        if _lock_task(actor, task_id, named_in="task_id").project_id != project_id:
            raise TaskInOtherProjectError
        tasks.update_task(actor=actor, task_id=task_id, values={"project": None})


def _move_task(actor: Actor, task_id: int, project_id: int, *, named_in: str) -> None:
    _lock_task(actor, task_id, named_in=named_in)
    tasks.update_task(actor=actor, task_id=task_id, values={"project": project_id})


def _lock_task(actor: Actor, task_id: int, *, named_in: str) -> Task:
    try:
        return tasks.lock_task(actor, task_id)
    except TaskNotFoundError:
        raise unknown_reference(named_in, task_id) from None


def _lock_project(actor: Actor, project_id: int) -> Project:
    statement = select(Project).where(Project.id == project_id, sees_project(actor)).with_for_update(of=Project)
    project = db.session.scalar(statement)
    if project is None:
        raise ProjectNotFoundError
    return project


def _is_member(project_id: int, user_id: int) -> bool:
    return db.session.get(ProjectMember, (project_id, user_id)) is not None


def _assign(project: Project, values: Mapping[str, Any]) -> None:
    for field in FIELDS:
        if field in values and field != "status":
            setattr(project, field, values[field])
    project.take_status(values)
    if "name" in values:
        project.name_key = names.name_key(project.name)
        project.slug = slugs.slug_of(project.name) or "project"
    texts = (project.name, project.name_nb, project.description, project.description_nb)
    project.search_document = search.document_of(*texts)
