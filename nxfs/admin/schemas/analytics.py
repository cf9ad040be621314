"""Wire forms of how the service is used."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import marshmallow as ma

from nxfs.admin.queries.analytics import Period
from nxfs.admin.queries.buckets import WIDTHS
from nxfs.admin.service.analytics import TABLES
from nxfs.core import clock
from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.core.messages import Text
from nxfs.core.settings import setting
from nxfs.tasks.models import STATUSES

DEFAULT_DAYS, MOST_DAYS = 30, 400
# Far from where calendars end, and times in other zones with them.
EARLIEST, LATEST = date(2000, 1, 1), date(2999, 12, 31)
OUT_OF_RANGE = Text("Give a day from 2000 to 2999.", "Oppgi en dag fra 2000 til 2999.")
START_AFTER_END = Text("The first day is after the last.", "Den første dagen er etter den siste.")
TOO_LONG = Text("Ask for at most {most} days.", "Be om høyst {most} dager.")


class AnalyticsQuerySchema(Schema):
    """Which days, and how they are put together."""

    start = fields.Date(
        metadata={"example": "2026-01-03", "description": f"First day; default: {DEFAULT_DAYS} days up to `end`."}
    )
    end = fields.Date(
        metadata={"example": "2026-02-01", "description": f"Last day; default: today. At most {MOST_DAYS} days."}
    )
    bucket = fields.Choice(
        WIDTHS, load_default="day", metadata={"example": "day", "description": "Weeks begin on Monday."}
    )

    @ma.post_load
    def make_period(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Put the range together as ``period``; refuse one that is turned around or too long."""
        zone = setting("TIME_ZONE")
        wrong = {
            name: [OUT_OF_RANGE] for name in ("start", "end") if not EARLIEST <= data.get(name, EARLIEST) <= LATEST
        }
        if wrong:
            raise ma.ValidationError(wrong)  # type: ignore[arg-type]
        end = data.pop("end", None) or clock.today(zone)
        start = data.pop("start", None) or end - timedelta(days=DEFAULT_DAYS - 1)
        if start > end:
            raise ma.ValidationError({"start": [START_AFTER_END]})  # type: ignore[arg-type]
        if (end - start).days >= MOST_DAYS:
            raise ma.ValidationError({"start": [TOO_LONG.fill(most=MOST_DAYS)]})  # type: ignore[arg-type]
        period = Period(start, end, data.pop("bucket"), zone)
        return {**data, "period": period}


class AnalyticsExportQuerySchema(AnalyticsQuerySchema):
    """Which table, of which days."""

    section = fields.Choice(TABLES, required=True, metadata={"example": "tasks"})


class BucketSchema(Schema):
    """Some days, the first and the last included."""

    start = ma.fields.Date(required=True, metadata={"example": "2026-01-03"})
    end = ma.fields.Date(required=True, metadata={"example": "2026-01-03"})


class ActiveUsersSchema(BucketSchema):
    """Users of a bucket."""

    active = ma.fields.Integer(required=True, metadata={"example": 120, "description": "Who was seen in it."})
    new = ma.fields.Integer(required=True, metadata={"example": 3})


class UsersSectionSchema(Schema):
    """Users."""

    total = ma.fields.Integer(required=True, metadata={"example": 5000})
    enabled = ma.fields.Integer(required=True, metadata={"example": 4980, "description": "Who may sign in."})
    active = ma.fields.Integer(required=True, metadata={"example": 830, "description": "Who was seen in the range."})
    buckets = ma.fields.List(ma.fields.Nested(ActiveUsersSchema), required=True)


class TasksOfBucketSchema(BucketSchema):
    """Tasks of a bucket."""

    created = ma.fields.Integer(required=True, metadata={"example": 210})
    completed = ma.fields.Integer(required=True, metadata={"example": 180})


class TasksByStatusSchema(Schema):
    """Tasks with a status now."""

    status = fields.Choice(STATUSES, required=True, metadata={"example": "todo"})
    count = ma.fields.Integer(required=True, metadata={"example": 90000})


class TasksByProjectSchema(Schema):
    """Tasks of a project now."""

    project_id = ma.fields.Integer(required=True, metadata={"example": 4})
    name = ma.fields.String(required=True, metadata={"example": "Cabin"})
    count = ma.fields.Integer(required=True, metadata={"example": 1800})


class TasksSectionSchema(Schema):
    """Tasks."""

    total = ma.fields.Integer(required=True, metadata={"example": 200000})
    buckets = ma.fields.List(ma.fields.Nested(TasksOfBucketSchema), required=True)
    by_status = ma.fields.List(ma.fields.Nested(TasksByStatusSchema), required=True)
    by_project = ma.fields.List(
        ma.fields.Nested(TasksByProjectSchema), required=True, metadata={"description": "The twenty largest."}
    )
    in_other_projects = ma.fields.Integer(required=True, metadata={"example": 60000})
    without_project = ma.fields.Integer(required=True, metadata={"example": 60000})


def _hours(percent: int) -> ma.fields.Float:
    description = f"So many hours or fewer took {percent} % of them; null when there are none."
    return ma.fields.Float(required=True, allow_none=True, metadata={"example": 26.5, "description": description})


class LeadTimeSectionSchema(Schema):
    """How long tasks that were completed in the range had been there."""

    count = ma.fields.Integer(required=True, metadata={"example": 5400})
    p50 = _hours(50)
    p75 = _hours(75)
    p90 = _hours(90)
    p95 = _hours(95)


class PostsOfBucketSchema(BucketSchema):
    """Posts of a bucket."""

    created = ma.fields.Integer(required=True, metadata={"example": 4})
    published = ma.fields.Integer(required=True, metadata={"example": 2})


class PostsSectionSchema(Schema):
    """Posts."""

    total = ma.fields.Integer(required=True, metadata={"example": 340})
    published = ma.fields.Integer(required=True, metadata={"example": 290})
    buckets = ma.fields.List(ma.fields.Nested(PostsOfBucketSchema), required=True)


class MediaOfBucketSchema(BucketSchema):
    """What was uploaded to the media library in a bucket and is still there."""

    files = ma.fields.Integer(required=True, metadata={"example": 14})
    bytes = ma.fields.Integer(required=True, metadata={"example": 48200000})


class MediaSectionSchema(Schema):
    """The media library."""

    files = ma.fields.Integer(required=True, metadata={"example": 900})
    bytes = ma.fields.Integer(required=True, metadata={"example": 3100000000})
    buckets = ma.fields.List(ma.fields.Nested(MediaOfBucketSchema), required=True)


class StorageOfUserSchema(Schema):
    """How much room the files of a user take."""

    user_id = ma.fields.Integer(required=True, metadata={"example": 12})
    name = ma.fields.String(required=True, metadata={"example": "Kari Nordmann"})
    used_bytes = ma.fields.Integer(required=True, metadata={"example": 734003200})


class StorageSectionSchema(Schema):
    """How much room files take now."""

    total_bytes = ma.fields.Integer(required=True, metadata={"example": 4200000000})
    by_user = ma.fields.List(
        ma.fields.Nested(StorageOfUserSchema), required=True, metadata={"description": "The twenty largest."}
    )
    others_bytes = ma.fields.Integer(required=True, metadata={"example": 900000000})


class RatesSchema(Schema):
    """How requests were answered."""

    requests = ma.fields.Integer(required=True, metadata={"example": 12000})
    client_errors = ma.fields.Integer(required=True, metadata={"example": 60, "description": "Statuses 400 to 499."})
    server_errors = ma.fields.Integer(required=True, metadata={"example": 3, "description": "Statuses from 500 on."})
    client_error_rate = ma.fields.Float(required=True, metadata={"example": 0.005})
    server_error_rate = ma.fields.Float(required=True, metadata={"example": 0.0003})
    average_ms = ma.fields.Float(required=True, metadata={"example": 14.2})


class EndpointSchema(RatesSchema):
    """How requests to an endpoint were answered."""

    method = ma.fields.String(required=True, metadata={"example": "GET"})
    route = ma.fields.String(
        required=True, metadata={"example": "/api/tasks/", "description": "`-`: addresses that do not exist."}
    )


class RequestsSectionSchema(RatesSchema):
    """How requests were answered, as far as it is kept."""

    by_endpoint = ma.fields.List(ma.fields.Nested(EndpointSchema), required=True)


class AnalyticsSchema(Schema):
    """How the service is used."""

    start = ma.fields.Date(required=True, metadata={"example": "2026-01-03"})
    end = ma.fields.Date(required=True, metadata={"example": "2026-02-01"})
    bucket = fields.Choice(WIDTHS, required=True, metadata={"example": "day"})
    time_zone = ma.fields.String(
        required=True, metadata={"example": "Europe/Oslo", "description": "In which days begin and end."}
    )
    generated_at = fields.Moment(
        required=True, metadata={"example": "2026-02-01T08:30:00Z", "description": "It may be a minute old."}
    )
    users = ma.fields.Nested(UsersSectionSchema, required=True)
    tasks = ma.fields.Nested(TasksSectionSchema, required=True)
    lead_time = ma.fields.Nested(LeadTimeSectionSchema, required=True)
    posts = ma.fields.Nested(PostsSectionSchema, required=True)
    media = ma.fields.Nested(MediaSectionSchema, required=True)
    storage = ma.fields.Nested(StorageSectionSchema, required=True)
    requests = ma.fields.Nested(RequestsSectionSchema, required=True)
