"""Facts about tasks, projects and categories that others may want to hear of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from nxfs.core.events import Event, audience_of
from nxfs.tasks.models import Project, Task


@dataclass(frozen=True, kw_only=True)
class TaskCreated(Event):
    """A task was created."""

    type: ClassVar[str] = "task_created"
    task_id: int


@dataclass(frozen=True, kw_only=True)
class TaskUpdated(Event):
    """Fields of a task changed; ``fields`` names them."""

    type: ClassVar[str] = "task_updated"
    task_id: int
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TaskDeleted(Event):
    """A task was deleted."""

    type: ClassVar[str] = "task_deleted"
    task_id: int


@dataclass(frozen=True, kw_only=True)
class TaskGroup:
    """Tasks of a batch that the same people hear of: those who could see them before, or can now."""

    task_ids: tuple[int, ...]
    audience: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TasksBulkUpdated(Event):
    """Many tasks were changed at once; ``updates`` are the new values, as the wire has them, references as ids.

    The event's audience is that of all groups together.
    """

    type: ClassVar[str] = "tasks_bulk_updated"
    updates: dict[str, Any]
    groups: tuple[TaskGroup, ...]


@dataclass(frozen=True, kw_only=True)
class TasksBulkHidden(Event):
    """Many tasks were changed at once so that some who could see them before may not any longer.

    An event beside ``TasksBulkUpdated``, because one client may have to hear both, and each needs a position of its
    own in the log to resume from. The groups' audiences are those from before.
    """

    type: ClassVar[str] = "tasks_bulk_hidden"
    groups: tuple[TaskGroup, ...]


@dataclass(frozen=True, kw_only=True)
class TasksBulkDeleted(Event):
    """Many tasks were deleted at once."""

    type: ClassVar[str] = "tasks_bulk_deleted"
    groups: tuple[TaskGroup, ...]


@dataclass(frozen=True, kw_only=True)
class ProjectCreated(Event):
    """A project was created."""

    type: ClassVar[str] = "project_created"
    project_id: int


@dataclass(frozen=True, kw_only=True)
class ProjectUpdated(Event):
    """Fields of a project changed; ``fields`` names them."""

    type: ClassVar[str] = "project_updated"
    project_id: int
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ProjectDeleted(Event):
    """A project was deleted; its tasks stayed."""

    type: ClassVar[str] = "project_deleted"
    project_id: int


@dataclass(frozen=True, kw_only=True)
class ProjectMemberAdded(Event):
    """A user became a member of a project."""

    type: ClassVar[str] = "project_member_added"
    project_id: int
    user_id: int


@dataclass(frozen=True, kw_only=True)
class ProjectMemberRemoved(Event):
    """A user is no longer a member of a project."""

    type: ClassVar[str] = "project_member_removed"
    project_id: int
    user_id: int


@dataclass(frozen=True, kw_only=True)
class CategoryCreated(Event):
    """A category was created."""

    type: ClassVar[str] = "category_created"
    category_id: int


@dataclass(frozen=True, kw_only=True)
class CategoryUpdated(Event):
    """Fields of a category changed; ``fields`` names them."""

    type: ClassVar[str] = "category_updated"
    category_id: int
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CategoryDeleted(Event):
    """A category was deleted; ``merged_into`` is the one that took its tasks, if any."""

    type: ClassVar[str] = "category_deleted"
    category_id: int
    merged_into: int | None = None


def task_audience(task: Task) -> tuple[str, ...]:
    """Return who may hear of changes to the task."""
    return audience_of(user_ids=(task.user_id, task.assignee_id), project_ids=(task.project_id,))


def project_audience(project: Project, *user_ids: int) -> tuple[str, ...]:
    """Return who may hear of changes to the project, ``user_ids`` besides its people."""
    return audience_of(user_ids=(project.user_id, *user_ids), project_ids=(project.id,))
