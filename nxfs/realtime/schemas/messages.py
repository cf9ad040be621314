"""What clients send over sockets, and how each message is acknowledged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.messages import Text
from nxfs.realtime.schemas.presence import LONGEST_ROOM, ROOM, MemberSchema
from nxfs.tasks.schemas.tasks import TaskSchema, TaskUpdateSchema

MOST_ROOMS = 50
ROOM_OR_ROOMS = Text("Give either “room” or “rooms”.", "Oppgi enten «room» eller «rooms».")


class JoinRoomSchema(Schema):
    """Come into a room, or into several at once. With `since` what happened there after that event is told first.

    Who comes back to several rooms joins them with one message: what came in one of them moves the position for all.
    """

    room = fields.Line(minimum=1, maximum=LONGEST_ROOM, metadata=ROOM)
    rooms = fields.UniqueList(
        fields.Line(minimum=1, maximum=LONGEST_ROOM, metadata=ROOM),
        minimum=1,
        maximum=MOST_ROOMS,
        metadata={"example": ["tasks", "user_12"], "description": "Instead of `room`."},
    )
    since = fields.Integer(
        load_default=None,
        allow_none=True,
        validate=ma.validate.Range(min=0, max=LARGEST_IDENTIFIER),
        metadata={"example": 9100, "description": "The last event that you have, or `X-Event-Cursor` of a list."},
    )
    presence = fields.Boolean(
        load_default=False, metadata={"example": False, "description": "Send `presence_state` and `presence_diff`."}
    )

    @ma.validates_schema
    def require_one(self, data: dict[str, Any], **_: Any) -> None:
        """Raise ``ValidationError`` unless either ``room`` or ``rooms`` is given."""
        if ("room" in data) == ("rooms" in data):
            raise ma.ValidationError({"room": [ROOM_OR_ROOMS]})


class JoinedRoomSchema(Schema):
    """You are in the room, or in all of the rooms."""

    room = ma.fields.String(required=True, allow_none=True, metadata=ROOM | {"description": "null for several."})
    rooms = ma.fields.List(ma.fields.String(metadata=ROOM), required=True)
    last_event_id = ma.fields.Integer(
        required=True, metadata={"example": 9120, "description": "Everything up to it is told; the rest will be."}
    )
    resync_required = ma.fields.Boolean(
        required=True,
        metadata={"example": False, "description": "What you missed is too much or too old: load your data again."},
    )
    members = ma.fields.List(
        ma.fields.Nested(MemberSchema),
        required=True,
        metadata={"description": "Who is in the one room, at most 50 by when they came; of several rooms nobody."},
    )
    member_count = ma.fields.Integer(required=True, metadata={"example": 1})


class LeaveRoomSchema(Schema):
    """Leave a room; one that you are not in is left already."""

    room = fields.Line(minimum=1, maximum=LONGEST_ROOM, required=True, metadata=ROOM)


class LeftRoomSchema(Schema):
    """You are not in the room."""

    room = ma.fields.String(required=True, metadata=ROOM)


class TaskUpdateMessageSchema(Schema):
    """Change fields of a task, as `PATCH /api/tasks/{id}/` does."""

    task_id = fields.Identifier(required=True, metadata={"example": 412})
    updates = ma.fields.Nested(
        TaskUpdateSchema(partial=True), required=True, metadata={"example": {"status": "completed"}}
    )
    if_match = fields.Integer(
        load_default=None,
        allow_none=True,
        metadata={"example": 3, "description": "The `version` that you have seen; refused when there is a newer one."},
    )


class TaskUpdateAnswerSchema(Schema):
    """The task as it is now."""

    task = ma.fields.Nested(TaskSchema, required=True)


class AuthenticateSchema(Schema):
    """Go on with a new access token of the same user."""

    token = fields.Line(minimum=1, maximum=4096, required=True, metadata={"example": "eyJ0eXAiOiJhdCtqd3QifQ…"})


class AuthenticatedSchema(Schema):
    """Until when the new token is valid."""

    expires_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:45:00Z"})


@dataclass(frozen=True)
class Exchange:
    """What a client sends, and what the acknowledgement holds beside ``ok`` when it went well."""

    message: Schema
    answer: Schema


MESSAGES: Mapping[str, Exchange] = {
    "join_room": Exchange(JoinRoomSchema(), JoinedRoomSchema()),
    "leave_room": Exchange(LeaveRoomSchema(), LeftRoomSchema()),
    "task_update": Exchange(TaskUpdateMessageSchema(), TaskUpdateAnswerSchema()),
    "authenticate": Exchange(AuthenticateSchema(), AuthenticatedSchema()),
}
