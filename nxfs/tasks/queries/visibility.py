"""Which tasks and projects an actor sees."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, or_, select, true, union

from nxfs.core.actor import Actor
from nxfs.tasks.models import Project, ProjectMember, Task
from nxfs.tasks.queries import facets


def select_visible_project_ids(actor: Actor) -> Select[tuple[int]]:
    """Return the statement of the ids of the projects that ``actor`` owns or is a member of."""
    owned = select(Project.id).where(Project.user_id == actor.id)
    joined = select(ProjectMember.project_id).where(ProjectMember.user_id == actor.id)
    return select(union(owned, joined).subquery().c.id)


def sees_project(actor: Actor) -> ColumnElement[bool]:
    """Return the condition that ``actor`` sees a row of ``projects``."""
    if actor.is_admin:
        return true()
    return Project.id.in_(select_visible_project_ids(actor))


def sees_task(actor: Actor) -> ColumnElement[bool]:
    """Return the condition that ``actor`` sees a row of ``tasks``: its owner, its assignee, or a member of its project.

    A union of three look-ups, each by its index; ``OR`` over them made PostgreSQL read the whole table.
    """
    if actor.is_admin:
        return true()
    own = select(Task.id).where(Task.user_id == actor.id)
    assigned = select(Task.id).where(Task.assignee_id == actor.id)
    shared = select(Task.id).where(Task.project_id.in_(select_visible_project_ids(actor)))
    return Task.id.in_(select(union(own, assigned, shared).subquery().c.id))


def sees_named_task(actor: Actor) -> ColumnElement[bool]:
    """Return the same condition for statements that name their tasks by id, of which each is looked at by itself."""
    if actor.is_admin:
        return true()
    is_own = or_(Task.user_id == actor.id, Task.assignee_id == actor.id)
    return or_(is_own, Task.project_id.in_(select_visible_project_ids(actor)))


def visible_facets(actor: Actor, project_ids: Sequence[int]) -> list[str]:
    """Return the facets of which every task that ``actor`` sees has one; ``project_ids`` are the visible projects."""
    return [facets.owner(actor.id), facets.assignee(actor.id), *facets.projects(project_ids)]
