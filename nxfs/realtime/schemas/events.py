"""What the server tells: the same payload on Socket.IO and on event streams."""

from __future__ import annotations

from collections.abc import Mapping

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.realtime.schemas.batches import TasksBulkDeletedEventSchema, TasksBulkUpdatedEventSchema
from nxfs.realtime.schemas.logged import LoggedSchema, identifier, reason, user
from nxfs.realtime.schemas.presence import ROOM, MemberSchema
from nxfs.system.schemas.jobs import JobSchema
from nxfs.tasks.schemas.categories import CategorySchema
from nxfs.tasks.schemas.projects import ProjectSchema
from nxfs.tasks.schemas.tasks import TaskSchema


def unread_count() -> ma.fields.Field:
    """Return a field that holds how many notifications are unread when the event is sent."""
    return ma.fields.Integer(required=True, metadata={"example": 2, "description": "How many are unread now."})


class TaskCreatedEventSchema(LoggedSchema):
    """A task that you see was created."""

    task = ma.fields.Nested(TaskSchema, required=True)
    created_by = user()


class TaskUpdatedEventSchema(LoggedSchema):
    """A task that you see was changed; `task` is how it is when the event is sent."""

    task_id = identifier(412)
    task = ma.fields.Nested(TaskSchema, required=True)
    updated_by = user()


class TaskDeletedEventSchema(LoggedSchema):
    """A task was deleted, or you see it no longer (`reason`)."""

    task_id = identifier(412)
    deleted_by = user()
    reason = reason()


class ProjectCreatedEventSchema(LoggedSchema):
    """A project that you see was created."""

    project = ma.fields.Nested(ProjectSchema, required=True)
    created_by = user()


class ProjectUpdatedEventSchema(LoggedSchema):
    """A project that you see was changed."""

    project_id = identifier(3)
    project = ma.fields.Nested(ProjectSchema, required=True)
    updated_by = user()


class ProjectDeletedEventSchema(LoggedSchema):
    """A project was deleted; its tasks stayed, without a project: load them again."""

    project_id = identifier(3)
    deleted_by = user()


class ProjectMemberAddedEventSchema(LoggedSchema):
    """Somebody became a member of a project that you see: for the new member, its tasks are to be loaded."""

    project_id = identifier(3)
    user_id = user()
    added_by = user()


class ProjectMemberRemovedEventSchema(LoggedSchema):
    """Somebody is no longer a member of a project that you see: its tasks are to be forgotten by that user."""

    project_id = identifier(3)
    user_id = user()
    removed_by = user()


class CategoryCreatedEventSchema(LoggedSchema):
    """A category was created."""

    category = ma.fields.Nested(CategorySchema, required=True)
    created_by = user()


class CategoryUpdatedEventSchema(LoggedSchema):
    """A category was changed."""

    category_id = identifier(7)
    category = ma.fields.Nested(CategorySchema, required=True)
    updated_by = user()


class CategoryDeletedEventSchema(LoggedSchema):
    """A category was deleted; its tasks are in `merged_into` now, if there is one."""

    category_id = identifier(7)
    merged_into = ma.fields.Integer(required=True, allow_none=True, metadata={"example": None})
    deleted_by = user()


class NotificationEventSchema(LoggedSchema):
    """Something that you want to know; it is stored, see `GET /api/notifications/`."""

    type = ma.fields.String(required=True, metadata={"example": "task_assigned"})
    message = ma.fields.String(required=True, metadata={"example": "Ola gave you “Order cable”."})
    data = ma.fields.Dict(keys=ma.fields.String(), required=True, metadata={"example": {"task_id": 412}})
    notification_id = identifier(88)
    unread_count = unread_count()


class NotificationsReadEventSchema(LoggedSchema):
    """You have read or deleted notifications, perhaps in another tab."""

    notification_ids = ma.fields.List(
        ma.fields.Integer(metadata={"example": 88}),
        required=True,
        metadata={"description": "At most 1,000; more come as several events."},
    )
    unread_count = unread_count()


class JobProgressEventSchema(LoggedSchema):
    """A background job of yours was queued, began, got further or ended; `job` is how it is when the event is sent.

    Of one job at most five a second come, and what you missed does not come later: join, then ask for the job.
    """

    job = ma.fields.Nested(JobSchema, required=True)


class UserJoinedEventSchema(LoggedSchema):
    """Somebody else's first connection came into the room. Rooms of more than 250 people do not tell this."""

    user_id = user()


class UserLeftEventSchema(LoggedSchema):
    """Somebody else's last connection has left the room, and did not come back within some seconds."""

    user_id = user()


class PresenceStateEventSchema(Schema):
    """Who is in the room: sent once to those who join with `presence: true`."""

    room = ma.fields.String(required=True, metadata=ROOM)
    version = ma.fields.Integer(required=True, metadata={"example": 9120})
    count = ma.fields.Integer(required=True, metadata={"example": 1})
    members = ma.fields.List(ma.fields.Nested(MemberSchema), required=True)


class PresenceDiffEventSchema(Schema):
    """Who came and who left since the last state or diff, yourself included."""

    room = ma.fields.String(required=True, metadata=ROOM)
    version = ma.fields.Integer(required=True, metadata={"example": 9121})
    count = ma.fields.Integer(required=True, metadata={"example": 1})
    joins = ma.fields.List(ma.fields.Nested(MemberSchema), required=True)
    leaves = ma.fields.List(ma.fields.Integer(metadata={"example": 15}), required=True)


class ReadyEventSchema(Schema):
    """The first event of a stream: where it begins. Streams only."""

    rooms = ma.fields.List(ma.fields.String(metadata={"example": "tasks"}), required=True)
    last_event_id = ma.fields.Integer(required=True, metadata={"example": 9120})


class ResyncRequiredEventSchema(Schema):
    """What you missed can no longer be told: load your data again, the events go on from `last_event_id`."""

    room = ma.fields.String(required=True, allow_none=True, metadata=ROOM | {"description": "null: all rooms."})
    last_event_id = ma.fields.Integer(required=True, metadata={"example": 9120})


class RoomClosedEventSchema(Schema):
    """You are no longer in the room, because you may not be: a project was deleted, or you are no longer a member."""

    room = ma.fields.String(required=True, metadata=ROOM)
    message = ma.fields.String(required=True, metadata={"example": "You no longer have access to this."})


class TokenExpiringEventSchema(Schema):
    """The access token runs out soon: get a new one and send `authenticate`."""

    expires_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})


class ClosingEventSchema(Schema):
    """The server is about to close the connection, and says why."""

    reason = fields.Choice(
        (
            "token_expired",
            "session_ended",
            "too_many_events",
            "too_slow",
            "server_draining",
        ),
        required=True,
        metadata={"example": "server_draining"},
    )
    message = ma.fields.String(
        required=True, metadata={"example": "The server restarts. You are connected again soon."}
    )
    reconnect = ma.fields.Boolean(
        required=True, metadata={"example": True, "description": "Whether connecting again at once makes sense."}
    )


EVENTS: Mapping[str, Schema] = {
    "task_created": TaskCreatedEventSchema(),
    "task_updated": TaskUpdatedEventSchema(),
    "task_deleted": TaskDeletedEventSchema(),
    "tasks_bulk_updated": TasksBulkUpdatedEventSchema(),
    "tasks_bulk_deleted": TasksBulkDeletedEventSchema(),
    "project_created": ProjectCreatedEventSchema(),
    "project_updated": ProjectUpdatedEventSchema(),
    "project_deleted": ProjectDeletedEventSchema(),
    "project_member_added": ProjectMemberAddedEventSchema(),
    "project_member_removed": ProjectMemberRemovedEventSchema(),
    "category_created": CategoryCreatedEventSchema(),
    "category_updated": CategoryUpdatedEventSchema(),
    "category_deleted": CategoryDeletedEventSchema(),
    "notification": NotificationEventSchema(),
    "notifications_read": NotificationsReadEventSchema(),
    "job_progress": JobProgressEventSchema(),
    "user_joined": UserJoinedEventSchema(),
    "user_left": UserLeftEventSchema(),
    "presence_state": PresenceStateEventSchema(),
    "presence_diff": PresenceDiffEventSchema(),
    "resync_required": ResyncRequiredEventSchema(),
    "room_closed": RoomClosedEventSchema(),
    "token_expiring": TokenExpiringEventSchema(),
    "closing": ClosingEventSchema(),
}
# Events that only streams have: a socket's answer to `join_room` says the same.
STREAM_EVENTS: Mapping[str, Schema] = {"ready": ReadyEventSchema()}
