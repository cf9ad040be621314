"""Wire forms of tasks."""

from __future__ import annotations

import re
from typing import Any

import marshmallow as ma
from marshmallow import validate

from nxfs.core.api import fields
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import Schema
from nxfs.core.filters import AnyOf, Ordering, SearchText
from nxfs.core.messages import Text
from nxfs.tasks.models import PRIORITIES, STATUSES
from nxfs.tasks.schemas.images import TaskImageSchema
from nxfs.tasks.schemas.status import StatusInputSchema, StatusSchema

LONGEST_TEXT = 10_000
MOST_CATEGORIES = 50
ORDERINGS = ("due_date", "priority", "status", "created_at", "updated_at", "title", "relevance")
START_AFTER_END = Text("The start lies after the end.", "Starten er etter slutten.")
GIVEN_TWICE = Text("This contradicts “{other}”.", "Dette er i strid med «{other}».")
ASSIGNEE_PATTERN = "(me|none|[1-9][0-9]{0,17})"
ASSIGNEE = Text("Give a user's id, “me” or “none”.", "Oppgi en brukers id, «me» eller «none».")


class TaskSchema(StatusSchema):
    """A task."""

    id = fields.Identifier(required=True, metadata={"example": 412})
    version = ma.fields.Integer(required=True, metadata={"example": 3})
    title = ma.fields.String(required=True, metadata={"example": "Order cable for the switchboard"})
    title_nb = ma.fields.String(required=True, metadata={"example": "Bestill kabel til tavla"})
    description = ma.fields.String(required=True, metadata={"example": "50 m PFXP 3G2.5"})
    description_nb = ma.fields.String(required=True, metadata={"example": ""})
    notes = ma.fields.String(required=True, metadata={"example": "Ask @kari about the delivery"})
    priority = fields.Choice(PRIORITIES, required=True, metadata={"example": "high"})
    due_date = ma.fields.Date(required=True, allow_none=True, metadata={"example": "2026-02-14"})
    estimated_time = ma.fields.Float(required=True, allow_none=True, metadata={"example": 1.5, "description": "Hours."})
    category = ma.fields.List(
        ma.fields.Integer(metadata={"example": 7}), required=True, metadata={"description": "Ids of its categories."}
    )
    project = ma.fields.Integer(
        required=True, allow_none=True, metadata={"example": 3, "description": "Id of its project."}
    )
    user_id = ma.fields.Integer(required=True, metadata={"example": 12, "description": "Who created it."})
    assignee_id = ma.fields.Integer(required=True, allow_none=True, metadata={"example": 15})
    images = ma.fields.List(
        ma.fields.Nested(TaskImageSchema), required=True, metadata={"description": "Its pictures, the oldest first."}
    )
    created_at = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    updated_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})


class TaskCreateSchema(StatusInputSchema):
    """What creates or replaces a task; what is left out takes its default."""

    title = fields.Line(minimum=1, maximum=200, required=True, metadata={"example": "Order cable"})
    title_nb = fields.Line(maximum=200, load_default="", metadata={"example": "Bestill kabel"})
    description = fields.LongText(maximum=LONGEST_TEXT, load_default="", metadata={"example": "50 m PFXP 3G2.5"})
    description_nb = fields.LongText(maximum=LONGEST_TEXT, load_default="", metadata={"example": ""})
    notes = fields.LongText(maximum=LONGEST_TEXT, load_default="", metadata={"example": ""})
    priority = fields.Choice(PRIORITIES, load_default="medium", metadata={"example": "high"})
    due_date = fields.Date(load_default=None, allow_none=True, metadata={"example": "2026-02-14"})
    estimated_time = fields.Number(
        load_default=None,
        allow_none=True,
        validate=validate.Range(min=0, max=9999),
        metadata={"example": 1.5, "description": "Hours."},
    )
    category = fields.UniqueList(
        fields.Identifier(), maximum=MOST_CATEGORIES, load_default=list, metadata={"example": []}
    )
    project = fields.Identifier(load_default=None, allow_none=True, metadata={"example": None})
    assignee_id = fields.Identifier(load_default=None, allow_none=True, metadata={"example": None})


class TaskUpdateSchema(TaskCreateSchema):
    """What changes a task; what is left out stays."""


def require_assignee(value: str) -> None:
    """Raise ``ValidationError`` unless ``value`` names an assignee."""
    # Only fullmatch refuses a line end behind the last letter.
    if not re.fullmatch(ASSIGNEE_PATTERN, value):
        raise ma.ValidationError([ASSIGNEE])  # type: ignore[list-item]


class TaskFilterSchema(Schema):
    """Filters of tasks, all of which must hold, and their order."""

    category = AnyOf(metadata={"description": "Ids, slugs or names. See category_match."})
    category_match = fields.Choice(
        ("all", "any"), load_default="all", metadata={"description": "Whether a task needs all of the categories."}
    )
    project = AnyOf(
        is_comma_list=False, metadata={"description": "Ids, slugs or names; `none` for tasks without a project."}
    )
    status = AnyOf(STATUSES)
    priority = AnyOf(PRIORITIES)
    due_date_start = fields.Date(metadata={"description": "Due on this day or later."})
    due_date_end = fields.Date(metadata={"description": "Due on this day or earlier."})
    due_date_after = fields.Date(metadata={"description": "Another name of due_date_start.", "deprecated": True})
    due_date_before = fields.Date(metadata={"description": "Another name of due_date_end.", "deprecated": True})
    completed = fields.Boolean()
    assignee = ma.fields.String(
        validate=require_assignee,
        metadata={"description": "A user's id, `me` or `none`.", "pattern": f"^{ASSIGNEE_PATTERN}$"},
    )
    user_id = fields.Identifier(metadata={"description": "Who created the task."})
    overdue = fields.Boolean(metadata={"description": "Due before today and not completed."})
    search = SearchText(
        metadata={"description": "At most ten words; each must begin a word of title, description or notes."}
    )
    ordering = Ordering(ORDERINGS)

    @ma.post_load
    def settle(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Merge aliases, drop an empty search, and refuse a start after the end."""
        start_name = "due_date_after" if "due_date_after" in data else "due_date_start"
        for alias, name in (("due_date_after", "due_date_start"), ("due_date_before", "due_date_end")):
            if alias in data:
                value = data.pop(alias)
                if data.setdefault(name, value) != value:
                    raise ma.ValidationError({alias: [GIVEN_TWICE.fill(other=name)]})
        if "due_date_start" in data and "due_date_end" in data and data["due_date_start"] > data["due_date_end"]:
            raise ma.ValidationError({start_name: [START_AFTER_END]})
        if not data.get("search", "").strip():
            data.pop("search", None)
        return data


class TaskQuerySchema(TaskFilterSchema, PageQuerySchema):
    """Filters of the list, and its pages."""


class DateRangeSchema(Schema):
    """The due dates asked for, both inclusive; an open side is an empty text."""

    start = ma.fields.String(required=True, metadata={"example": "2026-01-01"})
    end = ma.fields.String(required=True, metadata={"example": "2026-12-31"})


class FiltersAppliedSchema(Schema):
    """The filters that were applied; others are left out."""

    categories = ma.fields.List(ma.fields.String(metadata={"example": "web"}))
    category_match = fields.Choice(("all", "any"))
    projects = ma.fields.List(ma.fields.String(metadata={"example": "nxfs"}))
    status = ma.fields.List(ma.fields.String(metadata={"example": "todo"}))
    priority = ma.fields.List(ma.fields.String(metadata={"example": "high"}))
    date_range = ma.fields.Nested(DateRangeSchema)
    search = ma.fields.String(metadata={"example": "cable"})
    completed = ma.fields.Boolean(metadata={"example": False})
    assignee = ma.fields.String(metadata={"example": "me"})
    user_id = ma.fields.Integer(metadata={"example": 12})
    overdue = ma.fields.Boolean(metadata={"example": False})
    ordering = ma.fields.List(ma.fields.String(metadata={"example": "-due_date"}))
