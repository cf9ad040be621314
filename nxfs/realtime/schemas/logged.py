"""What events of the log have in common."""

from __future__ import annotations

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.realtime.schemas.presence import ROOM

USER = {"example": 12}


def user() -> ma.fields.Field:
    """Return a field that holds the id of a user."""
    return ma.fields.Integer(required=True, metadata=USER)


def identifier(example: int) -> ma.fields.Field:
    """Return a field that holds the id of an object."""
    return ma.fields.Integer(required=True, metadata={"example": example})


def reason() -> ma.fields.Field:
    """Return a field that says why a task has to go from the screen."""
    return fields.Choice(
        ("deleted", "access_ended"),
        required=True,
        metadata={"example": "deleted", "description": "`access_ended`: it is there, but no longer for you."},
    )


class LoggedSchema(Schema):
    """What all events of the log have in common."""

    event_id = ma.fields.Integer(
        required=True, metadata={"example": 9120, "description": "Grows; give the last one as `since` to resume."}
    )
    room = ma.fields.String(required=True, metadata=ROOM | {"description": "The room of yours that it came to."})
    occurred_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})
