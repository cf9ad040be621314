"""Wire forms of what is attached to a post: images, recordings and videos."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.core.messages import Text
from nxfs.files import links
from nxfs.files.schemas import FileLink

LONGEST_TITLE = 200
LONGEST_URL = 500
LARGEST_ORDER = 10_000
ONE_OF_TWO = Text(
    "Send either an image or the id of one in the media library.",
    "Send enten et bilde eller id-en til et i mediebiblioteket.",
)


class PostImageSchema(Schema):
    """An image of a post's gallery."""

    id = fields.Identifier(required=True, metadata={"example": 8})
    media_id = ma.fields.Integer(required=True, metadata={"example": 31, "description": "Its id in the media library."})
    image = FileLink("stored", required=True)
    thumbnail_url = FileLink(
        "stored",
        width=links.THUMBNAIL_WIDTH,
        required=True,
        allow_none=True,
        metadata={"description": "WebP, at most 320 pixels wide."},
    )
    upload_date = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    file_size = ma.fields.Integer(required=True, metadata={"example": 482133, "description": "Bytes."})
    file_name = ma.fields.String(required=True, metadata={"example": "cabin.jpg"})
    alt_text = ma.fields.String(required=True, metadata={"example": "A red cabin in the snow"})
    caption = ma.fields.String(required=True, metadata={"example": "Before the new roof"})
    order = ma.fields.Integer(required=True, metadata={"example": 1})


class PostImageUpdateSchema(Schema):
    """What can be said about an image of a gallery; what is left out stays."""

    alt_text = fields.Line(maximum=500, metadata={"example": "A red cabin in the snow"})
    caption = fields.Line(maximum=500, metadata={"example": "Before the new roof"})
    order = fields.Integer(
        validate=validate.Range(min=0, max=LARGEST_ORDER),
        metadata={
            "example": 1,
            "description": "Its place among the others; equal ones stand in the order of their ids.",
        },
    )


class PostImageCreateSchema(Schema):
    """A new image (in a form), or one of the media library: exactly one of the two."""

    class Meta(Schema.Meta):
        json_schema = {"oneOf": [{"required": ["image"]}, {"required": ["media_id"]}]}

    image = fields.File(metadata={"is_left_out": True, "description": "Up to 10 MB: jpg, jpeg, png, gif or webp."})
    media_id = fields.Identifier(metadata={"example": 31})
    alt_text = fields.Line(maximum=500, load_default="", metadata={"example": "A red cabin in the snow"})
    caption = fields.Line(maximum=500, load_default="", metadata={"example": "Before the new roof"})

    @ma.validates_schema
    def require_one(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse both, and neither."""
        if ("image" in data) == ("media_id" in data):
            raise ma.ValidationError({"image": [ONE_OF_TWO]})


class PostAudioSchema(Schema):
    """A recording of a post."""

    id = fields.Identifier(required=True, metadata={"example": 4})
    audio = FileLink("stored", is_absolute=False, required=True, metadata={"description": "Root-relative."})
    upload_date = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    file_size = ma.fields.Integer(required=True, metadata={"example": 3820112, "description": "Bytes."})
    file_name = ma.fields.String(required=True, metadata={"example": "reading.mp3"})
    title = ma.fields.String(required=True, metadata={"example": "Read aloud"})
    duration = ma.fields.Float(
        required=True, allow_none=True, metadata={"example": 213.4, "description": "Seconds; null when unknown."}
    )
    order = ma.fields.Integer(required=True, metadata={"example": 1})


class PostAudioCreateSchema(Schema):
    """A new recording."""

    audio = fields.File(
        required=True, metadata={"example": "reading.mp3", "description": "Up to 25 MB: mp3, wav, m4a, aac or ogg."}
    )
    title = fields.Line(maximum=LONGEST_TITLE, load_default="", metadata={"example": "Read aloud"})


class PostVideoSchema(Schema):
    """A YouTube video that a post shows."""

    id = fields.Identifier(required=True, metadata={"example": 2})
    url = ma.fields.String(required=True, metadata={"example": "https://www.youtube.com/watch?v=dQw4w9WgXcQ"})
    video_id = ma.fields.String(required=True, metadata={"example": "dQw4w9WgXcQ"})
    title = ma.fields.String(required=True, metadata={"example": "How to wire a switch"})
    order = ma.fields.Integer(required=True, metadata={"example": 1})


class PostVideoCreateSchema(Schema):
    """A video, by any of its addresses at YouTube."""

    url = fields.Line(
        minimum=1, maximum=LONGEST_URL, required=True, metadata={"example": "https://youtu.be/dQw4w9WgXcQ"}
    )
    title = fields.Line(maximum=LONGEST_TITLE, load_default="", metadata={"example": "How to wire a switch"})


class DeletedCountSchema(Schema):
    """How many were taken out."""

    deleted_count = ma.fields.Integer(required=True, metadata={"example": 3})
