"""What is told of a batch: tasks that were changed or deleted together."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.realtime.schemas.logged import LoggedSchema, reason, user
from nxfs.tasks.models import PRIORITIES, STATUSES


def category_ids(description: str) -> ma.fields.Field:
    """Return a field that holds ids of categories."""
    return ma.fields.List(ma.fields.Integer(metadata={"example": 7}), metadata={"description": description})


class Numbers(ma.fields.List):
    """A list of integers of our own making: it may have thousands for each of hundreds of clients."""

    def _serialize(self, value: list[int], attr: str | None, obj: Any, **keywords: Any) -> list[int]:
        return value


def task_ids() -> ma.fields.Field:
    """Return a field that holds the ids of the tasks of a batch."""
    return Numbers(
        ma.fields.Integer(metadata={"example": 412}),
        required=True,
        metadata={"example": [412, 413], "description": "In ascending order."},
    )


class TaskBulkUpdatesSchema(Schema):
    """The values that all tasks of a batch have now; what is left out stayed as it was."""

    status = fields.Choice(STATUSES, metadata={"example": "completed", "description": "`completed` follows from it."})
    priority = fields.Choice(PRIORITIES, metadata={"example": "high"})
    due_date = ma.fields.String(allow_none=True, metadata={"format": "date", "example": "2026-02-14"})
    project = ma.fields.Integer(allow_none=True, metadata={"example": 3})
    assignee_id = ma.fields.Integer(allow_none=True, metadata={"example": 15})
    category = category_ids("In place of the former ones.")
    category_add = category_ids("Beside the former ones.")
    category_remove = category_ids("No longer among them.")


class TasksBulkUpdatedEventSchema(LoggedSchema):
    """Many tasks were changed at once. Patch those that you have, and load again if others ought to be shown.

    `task_ids` are those of the batch that you see, whatever room it came to. A batch of at most 100 tasks is told by a
    `task_updated` for each of them as well, which come before it; then it says nothing new.
    """

    task_ids = task_ids()
    updates = ma.fields.Nested(
        TaskBulkUpdatesSchema, required=True, metadata={"example": {"status": "completed", "priority": "high"}}
    )
    updated_by = user()


class TasksBulkDeletedEventSchema(LoggedSchema):
    """Many tasks were deleted at once, or you see them no longer (`reason`): forget those that you have.

    A batch of at most 100 tasks is told by a `task_deleted` for each of them as well.
    """

    task_ids = task_ids()
    deleted_by = user()
    reason = reason()
