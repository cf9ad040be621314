"""Wire forms of notifications."""

from __future__ import annotations

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import Schema
from nxfs.core.filters import AnyOf, Ordering
from nxfs.notifications.types import TYPES

DATA_EXAMPLE = {
    "task_id": 412,
    "title": "Order cable",
    "project_id": 3,
    "fields": ["due_date"],
    "actor_name": "Kari Nordmann",
}


class NotificationSchema(Schema):
    """Something that you are told of."""

    id = fields.Identifier(required=True, metadata={"example": 2041})
    type = fields.Choice(TYPES, required=True, metadata={"example": "task_changed"})
    message = ma.fields.String(
        required=True,
        metadata={
            "example": "Kari Nordmann changed the task “Order cable”.",
            "description": "A sentence in the user's language.",
        },
    )
    data = ma.fields.Dict(
        keys=ma.fields.String(),
        required=True,
        metadata={
            "example": DATA_EXAMPLE,
            "description": "What a link needs: of tasks task_id, title, project_id; of projects project_id, title; of "
            "posts post_id, title, slug; of jobs job_id, kind, title, title_nb; actor_name (null for the system) of "
            "all. It holds when it was written.",
        },
    )
    count = ma.fields.Integer(
        required=True, metadata={"example": 1, "description": "How often it has happened since it was last read."}
    )
    read = ma.fields.Boolean(required=True, metadata={"example": False})
    read_at = fields.Moment(required=True, allow_none=True, metadata={"example": None})
    created_at = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    updated_at = fields.Moment(
        required=True,
        metadata={"example": "2026-02-01T08:30:00Z", "description": "When it was last told; not when it was read."},
    )


class NotificationQuerySchema(PageQuerySchema):
    """Filters of the list; all that are given must hold."""

    read = fields.Boolean()
    type = AnyOf(tuple(TYPES))
    ordering = Ordering(("created_at", "updated_at"))


class UnreadCountSchema(Schema):
    """How many notifications are unread."""

    count = ma.fields.Integer(required=True, metadata={"example": 3})


class ReadAllSchema(Schema):
    """Which notifications to mark as read; all of them without ``types``."""

    types = fields.UniqueList(fields.Choice(TYPES), minimum=1, maximum=50, metadata={"example": ["task_changed"]})


class UpdatedCountSchema(Schema):
    """How many notifications were changed."""

    updated_count = ma.fields.Integer(required=True, metadata={"example": 3})


class NotificationPreferenceSchema(Schema):
    """Whether you want one type of notification."""

    type = fields.Choice(TYPES, required=True, metadata={"example": "task_assigned"})
    description = ma.fields.String(required=True, metadata={"example": TYPES["task_assigned"].description.en})
    enabled = ma.fields.Boolean(required=True, metadata={"example": True})


class NotificationPreferencesSchema(Schema):
    """Every type of notification, and whether you want it."""

    preferences = ma.fields.List(ma.fields.Nested(NotificationPreferenceSchema), required=True)


# Named one by one, so that a type that does not exist is refused and the document names those that do.
NotificationWishesSchema = type(
    "NotificationWishesSchema",
    (Schema,),
    {
        "__doc__": "By type whether you want it; types that are left out stay as they are.",
        **{name: fields.Boolean(metadata={"example": name != "task_changed"}) for name in TYPES},
    },
)


class NotificationPreferencesUpdateSchema(Schema):
    """What changes the preferences."""

    preferences = ma.fields.Nested(
        NotificationWishesSchema, required=True, metadata={"example": {"task_changed": False}}
    )
