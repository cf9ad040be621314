"""Wire forms of posts."""

from __future__ import annotations

import html
import re
from functools import cache
from typing import Any

import marshmallow as ma

from nxfs.blog.models import STATUSES
from nxfs.core import clock
from nxfs.core.api import fields
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import Schema
from nxfs.core.filters import AnyOf, Ordering, SearchText
from nxfs.core.messages import Text
from nxfs.files import addresses, links
from nxfs.files.links import THUMBNAIL_WIDTH
from nxfs.files.schemas import FileLink

LONGEST_EXCERPT = 1_000
LONGEST_BODY = 100_000
MOST_TAGS = 20
ORDERINGS = ("published_at", "created_at", "updated_at", "title", "relevance")
AUTHOR_PATTERN = "(me|[1-9][0-9]{0,17})"
AUTHOR = Text("Give a user's id or “me”.", "Oppgi en brukers id eller «me».")
START_AFTER_END = Text("The start lies after the end.", "Starten er etter slutten.")


def html_with_links(text: str, files: list[dict[str, Any]]) -> str:
    """Return HTML with the addresses of ``files`` made absolute, and signed where they are not public.

    Other files are left alone: naming one does not open it.
    """
    if not files or links.ROOT not in text:
        return text
    known = {file["file_name"]: file["file_public_from"] for file in files}

    @cache
    def address(name: str, width: int | None) -> str | None:
        if name not in known:
            return None
        return html.escape(addresses.absolute(links.path_of(name, known[name], width=width)))

    return links.replace_addresses(text, address)


class BodyHtml(ma.fields.String):
    """A body as HTML; reads ``body_files`` of the post, too."""

    def _serialize(self, value: str, attr: str | None, obj: Any, **keywords: Any) -> str:
        return html_with_links(value, obj.body_files)


class OneRow(ma.fields.Nested):
    """The only one of some rows that SQL has aggregated."""

    def _serialize(self, nested_obj: Any, attr: str | None, obj: Any, **keywords: Any) -> Any:
        return super()._serialize(nested_obj[0] if nested_obj else None, attr, obj, **keywords)


class OneFileLink(FileLink):
    """The address of the file in the only one of some rows, or null when there is none."""

    def __init__(self, rows: str, file: str, **keywords: Any) -> None:
        self.rows = rows
        super().__init__(file, **keywords)

    def serialize(self, attr: str, obj: Any, accessor: Any = None, **keywords: Any) -> str | None:
        """Return the address."""
        rows = ma.utils.get_value(obj, self.rows)
        return super().serialize(attr, rows[0] if rows else {}, accessor, **keywords)


class Picked(ma.fields.List):
    """The values that rows have under one name."""

    def __init__(self, inner: ma.fields.Field, key: str, **keywords: Any) -> None:
        self.key = key
        super().__init__(inner, **keywords)

    def _serialize(self, value: list[dict[str, Any]], attr: str | None, obj: Any, **keywords: Any) -> list[Any]:
        return [row[self.key] for row in value]


class AuthorSchema(Schema):
    """Who wrote a post."""

    id = ma.fields.Integer(required=True, metadata={"example": 12})
    display_name = ma.fields.String(required=True, metadata={"example": "Kari Nordmann"})
    profile_picture = FileLink("picture", required=True, allow_none=True)
    email = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"example": None, "description": "Only for those who are signed in."},
    )


class Author(ma.fields.Nested):
    """The author, of whom two columns of rows tell."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(AuthorSchema, **keywords)

    def _serialize(self, nested_obj: Any, attr: str | None, obj: Any, **keywords: Any) -> Any:
        author = {**nested_obj[0], **(obj.picture_rows[0] if obj.picture_rows else {}), "id": nested_obj[0]["id"]}
        return super()._serialize(author, attr, obj, **keywords)


class ImageInPostSchema(Schema):
    """A picture of a post's gallery."""

    id = ma.fields.Integer(required=True, metadata={"example": 31})
    url = FileLink(required=True)
    image = FileLink(required=True, metadata={"description": "The same as url."})
    thumbnail_url = FileLink(width=THUMBNAIL_WIDTH, required=True, allow_none=True)
    alt = ma.fields.String(
        required=True, attribute="alt_text", dump_only=True, metadata={"example": "The cabin in snow"}
    )
    alt_text = ma.fields.String(
        required=True, metadata={"example": "The cabin in snow", "description": "The same as alt."}
    )
    caption = ma.fields.String(required=True, metadata={"example": "January 2026"})
    order = ma.fields.Integer(required=True, attribute="position", metadata={"example": 1})


class AudioInPostSchema(Schema):
    """A recording of a post."""

    id = ma.fields.Integer(required=True, metadata={"example": 5})
    url = FileLink(is_absolute=False, required=True, metadata={"description": "Without the scheme and the host."})
    title = ma.fields.String(required=True, metadata={"example": "Read aloud"})
    duration = ma.fields.Float(
        required=True, allow_none=True, metadata={"example": 184.2, "description": "Seconds; null when unknown."}
    )
    order = ma.fields.Integer(required=True, attribute="position", metadata={"example": 1})


class AudioAddressSchema(Schema):
    """The address of a recording of a post."""

    audio = FileLink(is_absolute=False, required=True, metadata={"description": "Without the scheme and the host."})


class VideoInPostSchema(Schema):
    """A YouTube video of a post."""

    id = ma.fields.Integer(required=True, metadata={"example": 9})
    url = ma.fields.String(required=True, metadata={"example": "https://www.youtube.com/watch?v=dQw4w9WgXcQ"})
    video_id = ma.fields.String(required=True, metadata={"example": "dQw4w9WgXcQ"})
    title = ma.fields.String(required=True, metadata={"example": "Wiring a switchboard"})
    order = ma.fields.Integer(required=True, attribute="position", metadata={"example": 1})


class IsScheduled(ma.fields.Boolean):
    """True when the post is published and its time lies ahead."""

    def _serialize(self, value: str, attr: str | None, obj: Any, **keywords: Any) -> bool:
        return value == "published" and obj.published_at > clock.now()


class PostSchema(Schema):
    """A post, with everything attached to it."""

    id = fields.Identifier(required=True, metadata={"example": 88})
    version = ma.fields.Integer(required=True, metadata={"example": 3})
    title = ma.fields.String(required=True, metadata={"example": "Power to the cabin"})
    title_nb = ma.fields.String(required=True, metadata={"example": "Strøm til hytta"})
    slug = ma.fields.String(required=True, metadata={"example": "power-to-the-cabin"})
    excerpt = ma.fields.String(required=True, metadata={"example": "How we got light before Easter."})
    excerpt_nb = ma.fields.String(required=True, metadata={"example": "Slik fikk vi lys før påske."})
    body_markdown = ma.fields.String(required=True, metadata={"example": "It began with **one** cable."})
    body_markdown_nb = ma.fields.String(required=True, metadata={"example": "Det begynte med **én** kabel."})
    body_html = BodyHtml(
        required=True,
        metadata={
            "example": "<p>It began with <strong>one</strong> cable.</p>\n",
            "description": "Safe to show as it is.",
        },
    )
    body_html_nb = BodyHtml(required=True, metadata={"example": "<p>Det begynte med <strong>én</strong> kabel.</p>\n"})
    status = fields.Choice(STATUSES, required=True, metadata={"example": "published"})
    is_scheduled = IsScheduled(
        attribute="status",
        required=True,
        dump_only=True,
        metadata={"example": False, "description": "Published, but at a time that lies ahead."},
    )
    tags = Picked(
        ma.fields.String(metadata={"example": "Electricity"}),
        "name",
        attribute="tag_rows",
        dump_only=True,
        required=True,
        metadata={"description": "Names of its tags."},
    )
    tag_ids = Picked(
        ma.fields.Integer(metadata={"example": 7}), "id", attribute="tag_rows", dump_only=True, required=True
    )
    author = Author(attribute="author_rows", required=True)
    author_id = ma.fields.Integer(required=True, metadata={"example": 12})
    featured_image = OneFileLink("featured_rows", "file", required=True, allow_none=True)
    featured_image_id = ma.fields.Integer(
        required=True, allow_none=True, metadata={"example": 4, "description": "Its id in the media library."}
    )
    images = ma.fields.List(ma.fields.Nested(ImageInPostSchema), required=True)
    audio_files = ma.fields.List(ma.fields.Nested(AudioInPostSchema), required=True)
    audio = ma.fields.List(
        ma.fields.Nested(AudioAddressSchema),
        attribute="audio_files",
        dump_only=True,
        required=True,
        metadata={"description": "The addresses of audio_files."},
    )
    youtube_videos = ma.fields.List(ma.fields.Nested(VideoInPostSchema), required=True)
    meta_title = ma.fields.String(required=True, metadata={"example": "Power to the cabin – NXFS"})
    meta_description = ma.fields.String(required=True, metadata={"example": "A cabin gets light."})
    published_at = fields.Moment(required=True, allow_none=True, metadata={"example": "2026-02-01T08:30:00Z"})
    created_at = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    updated_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})


class PostCreateSchema(Schema):
    """What creates or replaces a post; what is left out takes its default, but ``published_at`` stays."""

    title = fields.Line(minimum=1, maximum=200, required=True, metadata={"example": "Power to the cabin"})
    title_nb = fields.Line(maximum=200, load_default="", metadata={"example": "Strøm til hytta"})
    slug = fields.Line(
        maximum=100,
        pattern="[a-z0-9-]*",
        load_default="",
        metadata={"example": "power-to-the-cabin", "description": "Made from the title when blank."},
    )
    excerpt = fields.LongText(maximum=LONGEST_EXCERPT, load_default="", metadata={"example": "How we got light."})
    excerpt_nb = fields.LongText(maximum=LONGEST_EXCERPT, load_default="", metadata={"example": "Slik fikk vi lys."})
    body_markdown = fields.LongText(
        maximum=LONGEST_BODY, load_default="", metadata={"example": "It began with **one** cable."}
    )
    body_markdown_nb = fields.LongText(
        maximum=LONGEST_BODY, load_default="", metadata={"example": "Det begynte med **én** kabel."}
    )
    status = fields.Choice(STATUSES, load_default="draft", metadata={"example": "draft"})
    tags = fields.UniqueList(
        fields.Identifier(),
        maximum=MOST_TAGS,
        load_default=list,
        metadata={"example": [], "description": "Ids of its tags."},
    )
    meta_title = fields.Line(maximum=200, load_default="", metadata={"example": "Power to the cabin – NXFS"})
    meta_description = fields.Line(maximum=500, load_default="", metadata={"example": "A cabin gets light."})
    featured_image_id = fields.Identifier(
        load_default=None,
        allow_none=True,
        metadata={"example": None, "description": "Id of an image in the media library."},
    )
    published_at = fields.Moment(
        allow_none=True,
        metadata={
            "example": "2026-02-01T08:30:00Z",
            "description": "With a zone. In the future, it schedules a published post; without it, that is public now.",
        },
    )


class PostUpdateSchema(PostCreateSchema):
    """What changes a post; what is left out stays."""


def require_author(value: str) -> None:
    """Raise ``ValidationError`` unless ``value`` names an author."""
    # Only fullmatch refuses a line end behind the last letter.
    if not re.fullmatch(AUTHOR_PATTERN, value):
        raise ma.ValidationError([AUTHOR])  # type: ignore[list-item]


class PostFilterSchema(PageQuerySchema):
    """The filters that both lists have; all that are given must hold."""

    tags = AnyOf(metadata={"description": "Ids, slugs or names. See tags_match."})
    tags_match = fields.Choice(
        ("all", "any"), load_default="all", metadata={"description": "Whether a post needs all of the tags."}
    )
    search = SearchText(
        metadata={"description": "At most ten words; each must begin a word of the texts in one of the languages."}
    )
    published_after = fields.Moment(metadata={"description": "Published at this time or later."})
    published_before = fields.Moment(metadata={"description": "Published at this time or earlier."})
    ordering = Ordering(ORDERINGS)

    @ma.post_load
    def settle(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Drop an empty search, and refuse a start after the end."""
        if not data.get("search", "").strip():
            data.pop("search", None)
        if {"published_after", "published_before"} <= data.keys():
            if data["published_after"] > data["published_before"]:
                raise ma.ValidationError({"published_after": [START_AFTER_END]})
        return data


class PostQuerySchema(PostFilterSchema):
    """Filters of the list of the posts that one may edit."""

    status = AnyOf(STATUSES)
    author_id = ma.fields.String(
        validate=require_author, metadata={"description": "A user's id or `me`.", "pattern": f"^{AUTHOR_PATTERN}$"}
    )


class PublicPostQuerySchema(PostFilterSchema):
    """Filters of the public list."""

    status = AnyOf(("published",), metadata={"description": "All of them are published."})
    author_id = fields.Identifier(metadata={"description": "A user's id."})
