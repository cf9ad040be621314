"""Wire forms of the audit log."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
from marshmallow import validate

from nxfs.core import clock
from nxfs.core.api import fields
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import Schema
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.filters import AnyOf, Ordering
from nxfs.core.messages import Text

OUTCOMES = ("success", "failure")
FORMATS = ("jsonl", "csv")
NO_CURSOR = Text("This is no cursor of this list.", "Dette er ingen markør i denne listen.")
NO_TARGET = Text("Give a type and an id, such as task:7.", "Oppgi type og id, som task:7.")
_TARGET = re.compile(r"([a-z_]{1,40}):([1-9][0-9]{0,17})")


class Cursor(ma.fields.String):
    """A place in the list: loaded as the time and the id of an entry, written as a text that means nothing."""

    def _serialize(self, value: tuple[datetime, int] | None, attr: str | None, obj: Any, **keywords: Any) -> Any:
        if value is None:
            return None
        moment, entry_id = value
        return base64.urlsafe_b64encode(f"{clock.to_wire(moment)} {entry_id}".encode()).decode().rstrip("=")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> tuple[datetime, int]:
        text = super()._deserialize(value, attr, data, **keywords)
        try:
            written = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
            moment, _, entry_id = written.partition(" ")
            place = datetime.fromisoformat(f"{moment.removesuffix('Z')}+00:00").astimezone(UTC), int(entry_id)
        except (ValueError, OverflowError, binascii.Error):
            raise ma.ValidationError([NO_CURSOR]) from None  # type: ignore[list-item]
        if not 0 < place[1] <= LARGEST_IDENTIFIER:
            raise ma.ValidationError([NO_CURSOR])  # type: ignore[list-item]
        return place


class Target(ma.fields.String):
    """``type:id`` of what was acted on, loaded as both."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> tuple[str, int]:
        match = _TARGET.fullmatch(super()._deserialize(value, attr, data, **keywords))
        if match is None:
            raise ma.ValidationError([NO_TARGET])  # type: ignore[list-item]
        return match[1], int(match[2])


class AuditActorSchema(Schema):
    """Who acted; without names when there is no such account any more."""

    id = fields.Identifier(required=True, metadata={"example": 12})
    username = ma.fields.String(required=True, allow_none=True, metadata={"example": "kari"})
    display_name = ma.fields.String(required=True, allow_none=True, metadata={"example": "Kari"})


class AuditTargetSchema(Schema):
    """What was acted on."""

    type = ma.fields.String(required=True, metadata={"example": "task"})
    id = ma.fields.Integer(required=True, metadata={"example": 7})


class AuditEntrySchema(Schema):
    """One entry of the audit log."""

    id = fields.Identifier(required=True, metadata={"example": 90210})
    occurred_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})
    actor = ma.fields.Nested(
        AuditActorSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null: nobody who is signed in, or the server itself."},
    )
    action = ma.fields.String(required=True, metadata={"example": "tasks.task_updated"})
    description = ma.fields.String(
        required=True, metadata={"example": "Changed a task.", "description": "The action in your language."}
    )
    target = ma.fields.Nested(AuditTargetSchema, required=True, allow_none=True)
    changes = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        allow_none=True,
        metadata={"example": {"status": ["todo", "done"]}, "description": "Before and after; secrets are left out."},
    )
    outcome = fields.Choice(OUTCOMES, required=True, metadata={"example": "success"})
    request_id = ma.fields.String(required=True, allow_none=True, metadata={"example": "0b6f1c1e9f0d4d5c8a7e"})
    address = ma.fields.String(required=True, allow_none=True, metadata={"example": "192.0.2.7"})
    user_agent = ma.fields.String(required=True, allow_none=True, metadata={"example": "Mozilla/5.0"})
    day = fields.Date(
        required=True, metadata={"example": "2026-02-01", "description": "The day in UTC, which has a chain."}
    )
    position = ma.fields.Integer(required=True, metadata={"example": 311, "description": "Counted from 1 each day."})
    digest = ma.fields.String(
        required=True, metadata={"example": "9f" * 32, "description": "SHA-256 of what the entry says."}
    )
    link = ma.fields.String(
        required=True, metadata={"example": "3c" * 32, "description": "SHA-256 of the former link and the digest."}
    )


class AuditFilterSchema(Schema):
    """Filters of the audit log; all that are given must hold."""

    actor = fields.Line(
        minimum=1, maximum=150, metadata={"example": "kari", "description": "The id or the username of who acted."}
    )
    action = AnyOf(
        metadata={"description": "Names of actions; one that ends with a point means all that begin so: `users.`."}
    )
    target = Target(
        metadata={
            "example": "task:7",
            "pattern": f"^{_TARGET.pattern}$",
            "description": "Type and id of what was acted on.",
        }
    )
    since = fields.Moment(metadata={"example": "2026-02-01T00:00:00Z"})
    until = fields.Moment(metadata={"example": "2026-03-01T00:00:00Z", "description": "Before this moment."})
    outcome = fields.Choice(OUTCOMES, metadata={"example": "failure"})
    request_id = fields.Line(minimum=1, maximum=64, metadata={"example": "0b6f1c1e9f0d4d5c8a7e"})


class AuditQuerySchema(AuditFilterSchema, PageQuerySchema):
    """What page of the audit log to show."""

    cursor = Cursor(
        validate=validate.Length(min=1, max=200),
        metadata={
            "description": "`next_cursor` of a page: the list begins behind it, as if it had no entries before. Deep "
            "pages are as quick as the first by it."
        },
    )
    ordering = Ordering(("occurred_at",))


class AuditExportQuerySchema(AuditFilterSchema):
    """What of the audit log to export, and how."""

    format = fields.Choice(FORMATS, load_default="jsonl", metadata={"example": "jsonl"})
