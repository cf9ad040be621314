"""Wire forms of event streams and their tickets."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.filters import AnyOf


class StreamQuerySchema(Schema):
    """What a stream tells, and from where on."""

    rooms = AnyOf(required=True, metadata={"description": "tasks, project_{id}, user_{id}; several with commas."})
    last_event_id = fields.Integer(
        validate=validate.Range(min=0, max=LARGEST_IDENTIFIER),
        metadata={
            "description": "The last event that you have; the header `Last-Event-ID`, which browsers send, wins."
        },
    )
    ticket = fields.Line(
        minimum=1, maximum=100, metadata={"description": "Instead of an Authorization header; it is used up."}
    )
    follow = fields.Boolean(load_default=True, metadata={"description": "false: end after what was missed."})


class TicketSchema(Schema):
    """What opens one stream, once."""

    ticket = ma.fields.String(required=True, metadata={"example": "kq3Zr0v1cW0rTg"})
    expires_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:31:00Z"})
