"""What a batch did to one task, for those who tell others of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BulkChange:
    """A task that a batch has changed or deleted.

    ``project_id`` and ``title`` are those after it; ``fields`` names what changed, nothing of a deleted task.
    ``is_completion`` is true when it was completed. The audiences are those of ``tasks.events.task_audience``.
    """

    task_id: int
    title: str
    project_id: int | None
    user_id: int
    assignee_before: int | None
    assignee_after: int | None
    fields: tuple[str, ...]
    is_completion: bool
    audience_before: tuple[str, ...]
    audience_after: tuple[str, ...]
