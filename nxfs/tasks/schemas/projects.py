"""Wire forms of projects, their members and their figures."""

from __future__ import annotations

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import Schema
from nxfs.core.filters import AnyOf, Ordering, SearchText
from nxfs.tasks.models import STATUSES
from nxfs.tasks.schemas.images import ProjectImageSchema
from nxfs.tasks.schemas.status import StatusInputSchema, StatusSchema

LONGEST_TEXT = 10_000
MOST_TASKS = 100


class ProjectSchema(StatusSchema):
    """A project."""

    id = fields.Identifier(required=True, metadata={"example": 3})
    version = ma.fields.Integer(required=True, metadata={"example": 1})
    name = ma.fields.String(required=True, metadata={"example": "Cabin wiring"})
    name_nb = ma.fields.String(required=True, metadata={"example": "Strøm på hytta"})
    slug = ma.fields.String(required=True, metadata={"example": "cabin-wiring"})
    description = ma.fields.String(required=True, metadata={"example": "Everything before Easter"})
    description_nb = ma.fields.String(required=True, metadata={"example": "Alt før påske"})
    user_id = ma.fields.Integer(required=True, metadata={"example": 12, "description": "Its owner."})
    tasks = ma.fields.List(
        ma.fields.Integer(metadata={"example": 412}), required=True, metadata={"description": "Ids of its tasks."}
    )
    images = ma.fields.List(
        ma.fields.Nested(ProjectImageSchema), required=True, metadata={"description": "Its pictures, the oldest first."}
    )
    created_at = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    updated_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})


class ProjectReplaceSchema(StatusInputSchema):
    """What replaces a project; what is left out takes its default."""

    name = fields.Line(minimum=1, maximum=200, required=True, metadata={"example": "Cabin wiring"})
    name_nb = fields.Line(maximum=200, load_default="", metadata={"example": "Strøm på hytta"})
    description = fields.LongText(maximum=LONGEST_TEXT, load_default="", metadata={"example": "Before Easter"})
    description_nb = fields.LongText(maximum=LONGEST_TEXT, load_default="", metadata={"example": "Før påske"})


class ProjectUpdateSchema(ProjectReplaceSchema):
    """What changes a project; what is left out stays."""


class ProjectCreateSchema(ProjectReplaceSchema):
    """What creates a project; ``tasks`` move into it."""

    tasks = fields.UniqueList(
        fields.Identifier(),
        maximum=MOST_TASKS,
        metadata={"example": [], "description": "Ids of tasks to move into it."},
    )


class ProjectQuerySchema(PageQuerySchema):
    """Filters of the list; all that are given must hold."""

    status = AnyOf(STATUSES)
    completed = fields.Boolean()
    user_id = fields.Identifier(metadata={"description": "Its owner."})
    has_tasks = fields.Boolean()
    search = SearchText(minimum=1)
    ordering = Ordering(("name", "status", "created_at", "updated_at"))


class ProjectStatisticsSchema(Schema):
    """How far a project is."""

    total_tasks = ma.fields.Integer(required=True, metadata={"example": 8})
    completed_tasks = ma.fields.Integer(required=True, metadata={"example": 3})
    in_progress_tasks = ma.fields.Integer(required=True, metadata={"example": 1})
    todo_tasks = ma.fields.Integer(required=True, metadata={"example": 4})
    completion_percentage = ma.fields.Float(required=True, metadata={"example": 37.5})


class ProjectTaskSchema(Schema):
    """Names a task."""

    task_id = fields.Identifier(required=True, metadata={"example": 412})


class ProjectMemberInputSchema(Schema):
    """Names a user."""

    user_id = fields.Identifier(required=True, metadata={"example": 15})


class ProjectMemberSchema(Schema):
    """Somebody who works on a project."""

    user_id = ma.fields.Integer(required=True, metadata={"example": 15})
    username = ma.fields.String(required=True, metadata={"example": "kari"})
    display_name = ma.fields.String(required=True, metadata={"example": "Kari Nordmann"})
    role = fields.Choice(("owner", "member"), required=True, metadata={"example": "member"})
    added_at = fields.Moment(
        required=True,
        allow_none=True,
        metadata={"example": "2026-02-01T08:30:00Z", "description": "null for the owner."},
    )
