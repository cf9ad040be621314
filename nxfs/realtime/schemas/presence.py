"""Wire forms of who is where."""

from __future__ import annotations

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema

ROOM = {"example": "project_3", "description": "tasks, project_{id} or user_{id}."}
LONGEST_ROOM = 40


class MemberSchema(Schema):
    """Somebody who is in a room, with however many connections."""

    user_id = ma.fields.Integer(required=True, metadata={"example": 15})
    username = ma.fields.String(required=True, metadata={"example": "kari"})
    display_name = ma.fields.String(required=True, metadata={"example": "Kari Nordmann"})
    profile_picture = ma.fields.String(
        required=True, allow_none=True, metadata={"example": None, "description": "Address of the picture."}
    )
    since = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})


class PresenceQuerySchema(Schema):
    """Whose presence is asked for."""

    room = fields.Line(minimum=1, maximum=LONGEST_ROOM, required=True, metadata=ROOM)
    count_only = fields.Boolean(load_default=False, metadata={"description": "Leave the members out."})


class PresenceSchema(Schema):
    """Who is in a room."""

    room = ma.fields.String(required=True, metadata=ROOM)
    count = ma.fields.Integer(required=True, metadata={"example": 1})
    members = ma.fields.List(
        ma.fields.Nested(MemberSchema),
        required=True,
        metadata={"description": "The first 250 by when they came; empty with count_only."},
    )
