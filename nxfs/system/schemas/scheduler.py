"""Wire forms of what is due at intervals."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema

_MOMENT = "2026-02-01T08:30:00Z"


class LeaderSchema(Schema):
    """The process that runs what only one may run."""

    process = ma.fields.String(
        required=True, metadata={"example": "web-1:4711:9f0c2a7e", "description": "Host, process id, a random part."}
    )
    since = fields.Moment(required=True, metadata={"example": "2026-02-01T06:00:00Z"})
    expires_at = fields.Moment(
        required=True,
        metadata={"example": "2026-02-01T08:30:17Z", "description": "Another process leads then, unless it renews it."},
    )


class ScheduledSchema(Schema):
    """What is due at intervals, and its last run."""

    name = ma.fields.String(required=True, metadata={"example": "files.delete"})
    interval_seconds = ma.fields.Float(required=True, metadata={"example": 60.0})
    in_every_process = ma.fields.Boolean(
        required=True,
        metadata={"example": False, "description": "Every process runs it; the runs shown are those of the leader."},
    )
    is_running = ma.fields.Boolean(
        required=True, metadata={"example": False, "description": "It began at last_started_at and has not ended."}
    )
    is_late = ma.fields.Boolean(
        required=True,
        metadata={"example": False, "description": "Due for 15 s: the former run goes on, or nobody leads."},
    )
    next_run_at = fields.Moment(
        required=True,
        allow_none=True,
        metadata={"example": "2026-02-01T08:31:00Z", "description": "null before the first run, which is at once."},
    )
    last_started_at = fields.Moment(required=True, allow_none=True, metadata={"example": _MOMENT})
    last_finished_at = fields.Moment(
        required=True,
        allow_none=True,
        metadata={"example": _MOMENT, "description": "While it runs, of the run before, like the outcome."},
    )
    last_duration_ms = ma.fields.Float(
        required=True, allow_none=True, metadata={"example": 3.2, "description": "null while it runs."}
    )
    last_outcome = ma.fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(["success", "failure"]),
        metadata={"example": "success"},
    )
    last_failure = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"example": None, "description": "What went wrong, for the operator; cut at 500 characters."},
    )
    run_count = ma.fields.Integer(
        required=True, metadata={"example": 1440, "description": "How many runs have begun, ever."}
    )


class SchedulerSchema(Schema):
    """What the server does at intervals."""

    leader = ma.fields.Nested(
        LeaderSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null when no process leads, such as for some seconds after a crash."},
    )
    entries = ma.fields.List(ma.fields.Nested(ScheduledSchema), required=True)
