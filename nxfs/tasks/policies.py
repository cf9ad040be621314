"""Who may do what with tasks, projects and categories."""

from __future__ import annotations

from nxfs.core.actor import Actor
from nxfs.core.errors import ForbiddenError
from nxfs.tasks.models import Category, Project, Task


def can_delete_task(actor: Actor, task: Task, *, is_project_member: bool) -> bool:
    """Whoever sees a task may edit it; deleting it is not for somebody who is only its assignee."""
    return actor.is_admin or task.user_id == actor.id or is_project_member


def can_manage_project(actor: Actor, project: Project) -> bool:
    """Deleting a project and choosing its members is for its owner."""
    return actor.is_admin or project.user_id == actor.id


def can_change_category(actor: Actor, category: Category) -> bool:
    """Categories are shared: only staff and the creator change one."""
    return actor.is_staff or category.created_by == actor.id


def require(allowed: bool) -> None:
    """Raise ``ForbiddenError`` unless ``allowed``."""
    if not allowed:
        raise ForbiddenError
