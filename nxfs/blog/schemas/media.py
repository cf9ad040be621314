"""Wire forms of the media library."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from nxfs.blog.models import PLACES, STATUSES
from nxfs.core.api import fields
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import ErrorDetailSchema, Schema
from nxfs.core.filters import GIVEN_TWICE, START_AFTER_END, AnyOf, DateRange, Ordering, SearchText
from nxfs.files import addresses, links
from nxfs.files.formats import FORMATS, LIBRARY
from nxfs.files.schemas import FileLink

MOST_FILES = 10
LONGEST_DESCRIPTION = 1_000
LONGEST_ALT_TEXT = 500
# What each value of the filter `file_type` means: a class, an extension or a media type.
FILE_TYPES: dict[str, list[str]] = {}
for _name in LIBRARY.formats:
    for _word in (FORMATS[_name].kind, *FORMATS[_name].extensions, *FORMATS[_name].media_types):
        FILE_TYPES.setdefault(_word, []).append(_name)


class MediaFileSchema(Schema):
    """A file of the media library."""

    id = fields.Identifier(required=True, metadata={"example": 31})
    version = ma.fields.Integer(required=True, metadata={"example": 1})
    filename = ma.fields.String(
        required=True,
        attribute="file_name",
        metadata={"example": "0f3c1d2e4b5a69788796a5b4c3d2e1f0.jpg", "description": "The name that we gave it."},
    )
    original_filename = ma.fields.String(
        required=True, metadata={"example": "cabin.jpg", "description": "The name that it had at its owner's."}
    )
    file_type = ma.fields.Function(
        lambda row: FORMATS[ma.utils.get_value(row, "format")].media_type,
        required=True,
        metadata={"type": "string", "example": "image/jpeg", "description": "The media type that it is served with."},
    )
    file_size = ma.fields.Integer(required=True, metadata={"example": 482133, "description": "Bytes."})
    upload_date = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    uploaded_by = ma.fields.Integer(required=True, metadata={"example": 12, "description": "Id of its owner."})
    url = FileLink(
        "file", required=True, metadata={"description": "Signed, and valid for a while, unless it is public."}
    )
    thumbnail_url = FileLink(
        "file",
        width=links.THUMBNAIL_WIDTH,
        required=True,
        allow_none=True,
        metadata={
            "example": "https://api.example.com/media/0f3c1d2e4b5a69788796a5b4c3d2e1f0.jpg/320.webp",
            "description": "WebP, at most 320 pixels wide; null for documents.",
        },
    )
    description = ma.fields.String(required=True, metadata={"example": "The cabin in February"})
    alt_text = ma.fields.String(required=True, metadata={"example": "A red cabin in the snow"})


class DerivativeSchema(Schema):
    """A smaller copy of an image, made when it is first asked for."""

    width = ma.fields.Integer(required=True, metadata={"example": 800})
    height = ma.fields.Integer(required=True, metadata={"example": 600})
    url = ma.fields.Function(
        lambda derivative: addresses.absolute(derivative["path"]),
        required=True,
        metadata={
            "type": "string",
            "example": "https://api.example.com/media/0f3c1d2e4b5a69788796a5b4c3d2e1f0.jpg/800.webp",
        },
    )


class MediaUsageSchema(Schema):
    """A post that uses a file."""

    post_id = ma.fields.Integer(required=True, metadata={"example": 5})
    title = ma.fields.String(required=True, metadata={"example": "Wiring the cabin"})
    slug = ma.fields.String(required=True, metadata={"example": "wiring-the-cabin"})
    status = fields.Choice(STATUSES, required=True)
    places = ma.fields.List(fields.Choice(PLACES), required=True, metadata={"description": "Where in the post."})


class MediaFileDetailsSchema(MediaFileSchema):
    """A file of the media library with all that is known of it."""

    width = ma.fields.Integer(
        required=True, allow_none=True, metadata={"example": 4000, "description": "Pixels; null for documents."}
    )
    height = ma.fields.Integer(required=True, allow_none=True, metadata={"example": 3000})
    sha256 = ma.fields.String(required=True, metadata={"example": "9f86d081884c7d65" * 4})
    derivatives = ma.fields.List(ma.fields.Nested(DerivativeSchema), required=True)
    usages = ma.fields.List(
        ma.fields.Nested(MediaUsageSchema),
        required=True,
        metadata={"description": "The first hundred posts that use it, of those that you see."},
    )
    usage_count = ma.fields.Integer(
        required=True, metadata={"example": 1, "description": "How many posts use it, seen by you or not."}
    )


class MediaUpdateSchema(Schema):
    """What can be said about a file; what is left out stays."""

    description = fields.Line(maximum=LONGEST_DESCRIPTION, metadata={"example": "The cabin in February"})
    alt_text = fields.Line(maximum=LONGEST_ALT_TEXT, metadata={"example": "A red cabin in the snow"})


class MediaUploadSchema(Schema):
    """One to ten files, and what is said about each of them."""

    file = fields.Files(
        maximum=MOST_FILES,
        required=True,
        metadata={
            "example": ["cabin.jpg"],
            "description": "Up to 10 MB each: jpg, jpeg, png, gif, webp, pdf, doc or docx. Repeat it for several.",
        },
    )
    description = fields.Line(
        maximum=LONGEST_DESCRIPTION, load_default="", metadata={"example": "The cabin in February"}
    )
    alt_text = fields.Line(maximum=LONGEST_ALT_TEXT, load_default="", metadata={"example": "A red cabin in the snow"})


class MediaUploadResultSchema(Schema):
    """What became of one of several files."""

    status = ma.fields.Integer(
        required=True, metadata={"example": 201, "description": "The status it would have had alone."}
    )
    original_filename = ma.fields.String(required=True, metadata={"example": "cabin.jpg"})
    file = ma.fields.Nested(MediaFileSchema, required=True, allow_none=True)
    error = ma.fields.Nested(ErrorDetailSchema, required=True, allow_none=True, metadata={"example": None})


class MediaUploadResultsSchema(Schema):
    """What became of several files, in their order."""

    results = ma.fields.List(ma.fields.Nested(MediaUploadResultSchema), required=True)


class MediaQuerySchema(PageQuerySchema):
    """Filters of the list; all that are given must hold."""

    file_type = AnyOf(
        tuple(FILE_TYPES), metadata={"description": "A class (`image`, `document`), an extension or a media type."}
    )
    date_range = DateRange(
        metadata={
            "example": "2026-01-01,2026-12-31",
            "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2})?,([0-9]{4}-[0-9]{2}-[0-9]{2})?$",
            "description": "First and last day of the upload, both inclusive; one of them may be left out.",
        }
    )
    date_start = fields.Date(metadata={"description": "Uploaded on this day or later."})
    date_end = fields.Date(metadata={"description": "Uploaded on this day or earlier."})
    user_id = fields.Identifier(metadata={"description": "Whose files."})
    unused = fields.Boolean(metadata={"description": "Whether no post uses it."})
    search = SearchText(
        metadata={"description": "At most ten words; each must begin a word of name, description or alternative text."}
    )
    ordering = Ordering(("upload_date", "file_size", "filename"))

    @ma.post_load
    def settle(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Merge the two ways to give dates, name the formats, drop an empty search, refuse a start after the end."""
        blamed = "date_range" if "date_range" in data else "date_start"
        for name, day in zip(("date_start", "date_end"), data.pop("date_range", (None, None)), strict=True):
            if day is not None and data.setdefault(name, day) != day:
                raise ma.ValidationError({"date_range": [GIVEN_TWICE.fill(other=name)]})
        if "date_start" in data and "date_end" in data and data["date_start"] > data["date_end"]:
            raise ma.ValidationError({blamed: [START_AFTER_END]})
        if "file_type" in data:
            data["formats"] = sorted({name for word in data.pop("file_type") for name in FILE_TYPES[word]})
        if not data.get("search", "").strip():
            data.pop("search", None)
        return data


class DeletionQuerySchema(Schema):
    """Whether to delete at all."""

    dry_run = fields.Boolean(load_default=False, metadata={"description": "Only tell what would change."})


class AffectedPostSchema(Schema):
    """A post that loses something with a file. Of posts that you do not see there is no title and no slug."""

    id = ma.fields.Integer(required=True, attribute="post_id", metadata={"example": 5})
    title = ma.fields.String(required=True, allow_none=True, metadata={"example": "Wiring the cabin"})
    slug = ma.fields.String(required=True, allow_none=True, metadata={"example": "wiring-the-cabin"})
    status = fields.Choice(STATUSES, required=True)
    places = ma.fields.List(fields.Choice(PLACES), required=True)


class DeletionPreviewSchema(Schema):
    """What the deletion of a file would change."""

    would_delete = ma.fields.Boolean(required=True, metadata={"example": True})
    posts = ma.fields.List(ma.fields.Nested(AffectedPostSchema), required=True)
