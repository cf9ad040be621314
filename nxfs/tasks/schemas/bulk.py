"""Wire forms of changes to many tasks at once."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.core.batches import MOST_IN_A_JOB
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.messages import Text
from nxfs.tasks.models import PRIORITIES, STATUSES
from nxfs.tasks.schemas.tasks import GIVEN_TWICE, MOST_CATEGORIES

LONGEST_NAME = 220
NO_UPDATES = Text("Give at least one field.", "Oppgi minst ett felt.")
NO_REFERENCE = Text("Give an id, a slug or a name.", "Oppgi en id, en slug eller et navn.")


class Reference(ma.fields.Field):
    """A category or a project: its id, or a text that is its id, slug or name."""

    def __init__(self, **keywords: Any) -> None:
        either = {"type": ["integer", "string"], "minimum": 1, "maximum": LARGEST_IDENTIFIER}
        described = {**either, "minLength": 1, "maxLength": LONGEST_NAME, "pattern": r"\S"}
        super().__init__(metadata={**described, **keywords.pop("metadata", {})}, **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> int | str:
        if type(value) is int and 0 < value <= LARGEST_IDENTIFIER:
            return value
        if isinstance(value, str) and value.strip() and len(value) <= LONGEST_NAME:
            return value.strip()
        raise ma.ValidationError([NO_REFERENCE])  # type: ignore[list-item]


def _references(description: str, *, minimum: int = 0) -> fields.UniqueList:
    described = {"example": [7, "shopping"], "description": description}
    return fields.UniqueList(Reference(), minimum=minimum, maximum=MOST_CATEGORIES, metadata=described)


class TaskUpdatesSchema(Schema):
    """What each of the tasks gets; what is left out stays."""

    class Meta(Schema.Meta):
        json_schema = {
            "minProperties": 1,
            "dependentSchemas": {
                "category": {"properties": {"category_add": False, "category_remove": False}},
            },
        }

    status = fields.Choice(STATUSES, metadata={"example": "in_progress"})
    priority = fields.Choice(PRIORITIES, metadata={"example": "high"})
    due_date = fields.Date(allow_none=True, metadata={"example": "2026-02-14"})
    project = Reference(
        allow_none=True, metadata={"example": "cabin", "description": "Id, slug or name; null for none."}
    )
    assignee_id = fields.WrittenIdentifier(allow_none=True, metadata={"example": 15})
    category = _references("Ids, slugs or names, in place of those that a task has.")
    category_add = _references("Ids, slugs or names; not together with category.", minimum=1)
    category_remove = _references("Ids, slugs or names; not together with category.", minimum=1)

    @ma.validates_schema
    def require_sense(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse no field at all, and two answers to what a task's categories are."""
        if not data:
            raise ma.ValidationError([NO_UPDATES])  # type: ignore[list-item]
        for name in ("category_add", "category_remove"):
            if "category" in data and name in data:
                raise ma.ValidationError({name: [GIVEN_TWICE.fill(other="category")]})


class TaskBatchSchema(Schema):
    """The tasks."""

    task_ids = fields.Identifiers(maximum=MOST_IN_A_JOB, required=True, metadata={"example": [412, "413"]})


class TaskBatchUpdateSchema(TaskBatchSchema):
    """The tasks, and what they get."""

    updates = ma.fields.Nested(TaskUpdatesSchema, required=True, metadata={"example": {"status": "completed"}})


class TaskBatchStatusSchema(TaskBatchSchema):
    """The tasks, and their new status."""

    status = fields.Choice(STATUSES, required=True, metadata={"example": "completed"})
