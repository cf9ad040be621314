"""Wire forms of the pictures of tasks and projects."""

from __future__ import annotations

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.files.links import THUMBNAIL_WIDTH
from nxfs.files.schemas import FileLink


class TaskImageSchema(Schema):
    """A picture of a task."""

    id = fields.Identifier(required=True, metadata={"example": 31})
    image = FileLink(
        "image", required=True, metadata={"description": "Its address, which works for at least half an hour."}
    )
    thumbnail_url = FileLink(
        "image",
        width=THUMBNAIL_WIDTH,
        required=True,
        metadata={"description": f"The address of the picture made {THUMBNAIL_WIDTH} pixels wide."},
    )
    upload_date = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})
    file_size = ma.fields.Integer(required=True, metadata={"example": 48213, "description": "In bytes."})
    file_name = ma.fields.String(
        required=True, metadata={"example": "switchboard.jpg", "description": "As it was on the uploader's device."}
    )
    caption = ma.fields.String(required=True, metadata={"example": "The old switchboard"})


class ProjectImageSchema(TaskImageSchema):
    """A picture of a project."""


class ImageUploadSchema(Schema):
    """A picture to add."""

    image = fields.File(
        required=True, metadata={"example": "switchboard.jpg", "description": "JPEG, PNG, GIF or WebP, up to 10 MB."}
    )
    caption = fields.Line(maximum=500, load_default="", metadata={"example": "The old switchboard"})
