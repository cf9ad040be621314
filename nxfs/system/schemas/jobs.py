"""Wire forms of background jobs."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from nxfs.core.api import fields
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import Schema
from nxfs.core.filters import AnyOf, Ordering
from nxfs.core.jobs.models import STATES


class JobSchema(Schema):
    """Work in the background."""

    id = fields.Identifier(required=True, metadata={"example": 3081})
    kind = ma.fields.String(required=True, metadata={"example": "tasks.export"})
    title = ma.fields.String(
        required=True, metadata={"example": "Export of tasks", "description": "What it does, in your language."}
    )
    state = fields.Choice(
        STATES,
        required=True,
        metadata={"example": "running", "description": "`queued` again after a failure, until `next_attempt_at`."},
    )
    progress = ma.fields.Integer(
        required=True,
        allow_none=True,
        validate=validate.Range(min=0, max=100),
        metadata={"example": 40, "description": "In percent; null as long as nobody knows how much there is to do."},
    )
    done = ma.fields.Integer(required=True, metadata={"example": 400, "description": "How many steps are done."})
    total = ma.fields.Integer(
        required=True, allow_none=True, metadata={"example": 1000, "description": "How many there are."}
    )
    attempts = ma.fields.Integer(required=True, metadata={"example": 1, "description": "It fails after five."})
    error = ma.fields.String(
        required=True, allow_none=True, metadata={"example": None, "description": "Why it failed: a sentence to show."}
    )
    failure = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"example": None, "description": "What the last attempt ended with, for who runs the server: staff."},
    )
    owner_id = ma.fields.Integer(
        required=True, allow_none=True, metadata={"example": 12, "description": "null: the server's own."}
    )
    cancel_requested = ma.fields.Boolean(
        required=True, metadata={"example": False, "description": "It stops at its next step, if it has one more."}
    )
    created_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})
    started_at = fields.Moment(required=True, allow_none=True, metadata={"example": "2026-02-01T08:30:01Z"})
    finished_at = fields.Moment(required=True, allow_none=True, metadata={"example": None})
    next_attempt_at = fields.Moment(
        required=True,
        allow_none=True,
        metadata={"example": None, "description": "When it is tried again after a failure; null otherwise."},
    )


class JobDetailsSchema(JobSchema):
    """Work in the background, with what came of it."""

    result = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        allow_none=True,
        metadata={"example": None, "description": "What it came to, by its kind; null unless it has succeeded."},
    )
    download_url = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={
            "example": None,
            "description": "Where the file is that it made, for half an hour at least; ask again for a new address.",
        },
    )


class JobQuerySchema(PageQuerySchema):
    """Filters of the list; all that are given must hold."""

    state = AnyOf(STATES)
    kind = AnyOf(metadata={"description": "Names of kinds, such as `tasks.export`."})
    owner = fields.Identifier(metadata={"description": "Whose jobs; only staff see those of others."})
    ordering = Ordering(("created_at",))
