"""What tasks and projects share on the wire: a status, and the two fields that follow from it."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.core.messages import Text
from nxfs.tasks.models import STATUS_NAMES_NB, STATUSES

CONTRADICTION = Text("This contradicts the status.", "Dette er i strid med statusen.")


class IsCompleted(ma.fields.Boolean):
    """True when the status says so."""

    def _serialize(self, value: str, attr: str | None, obj: Any, **keywords: Any) -> bool:
        return value == "completed"


class StatusName(ma.fields.String):
    """The status in Norwegian."""

    def _serialize(self, value: str, attr: str | None, obj: Any, **keywords: Any) -> str:
        return STATUS_NAMES_NB[value]


class StatusSchema(Schema):
    """The dumped fields."""

    status = fields.Choice(STATUSES, required=True, metadata={"example": "todo"})
    status_nb = StatusName(
        attribute="status",
        required=True,
        dump_only=True,
        metadata={"example": "å gjøre", "enum": list(STATUS_NAMES_NB.values())},
    )
    completed = IsCompleted(attribute="status", required=True, dump_only=True, metadata={"example": False})
    completed_at = fields.Moment(required=True, allow_none=True, metadata={"example": None})


class StatusInputSchema(Schema):
    """The loaded fields: ``status``, or ``completed`` for clients that know only that."""

    class Meta(Schema.Meta):
        json_schema = {
            "if": {"properties": {"completed": {"const": True}}, "required": ["completed"]},
            "then": {"properties": {"status": {"const": "completed"}}},
            "else": {
                "if": {"properties": {"completed": {"const": False}}, "required": ["completed"]},
                "then": {"properties": {"status": {"enum": [name for name in STATUSES if name != "completed"]}}},
            },
        }

    status = fields.Choice(STATUSES, metadata={"example": "in_progress", "default": "todo"})
    completed = fields.Boolean(metadata={"is_left_out": True, "description": "Another way to say the status."})

    @ma.post_load
    def settle_status(self, data: dict[str, Any], *, partial: Any, **_: Any) -> dict[str, Any]:
        """Turn ``completed`` into the status; refuse the two when they disagree.

        Only ``completed: false`` stays, when no status comes with it: what it means depends on the present status.
        """
        if "completed" in data and "status" in data:
            if data.pop("completed") != (data["status"] == "completed"):
                raise ma.ValidationError({"completed": [CONTRADICTION]})
        elif data.get("completed"):
            data["status"] = "completed"
            del data["completed"]
        if not partial:
            data.setdefault("status", "todo")
        return data
