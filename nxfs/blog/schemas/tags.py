"""Wire forms of tags."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from nxfs.core.api import fields
from nxfs.core.api.pages import LARGEST_PAGE_SIZE, PageQuerySchema
from nxfs.core.api.schema import Schema
from nxfs.core.batches import MOST_AT_ONCE
from nxfs.core.filters import Ordering, SearchText

MOST_SOURCES = 50


class TagSchema(Schema):
    """A tag that all authors share."""

    id = fields.Identifier(required=True, metadata={"example": 7})
    version = ma.fields.Integer(required=True, metadata={"example": 1})
    name = ma.fields.String(required=True, metadata={"example": "Electricity"})
    slug = ma.fields.String(required=True, metadata={"example": "electricity"})
    description = ma.fields.String(required=True, metadata={"example": "Cables and switchboards"})
    color = ma.fields.String(required=True, allow_none=True, metadata={"example": "#2f855a"})
    post_count = ma.fields.Integer(required=True, metadata={"example": 4, "description": "Published posts with it."})
    created_at = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    updated_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})


class TagCreateSchema(Schema):
    """What creates or replaces a tag; a blank slug is made from the name."""

    name = fields.Line(minimum=1, maximum=100, required=True, metadata={"example": "Electricity"})
    slug = fields.Line(maximum=100, pattern="[a-z0-9-]*", load_default="", metadata={"example": "electricity"})
    description = fields.Line(maximum=500, load_default="", metadata={"example": "Cables and switchboards"})
    color = fields.Line(
        maximum=7, pattern="#[0-9A-Fa-f]{6}", allow_none=True, load_default=None, metadata={"example": "#2f855a"}
    )


class TagUpdateSchema(TagCreateSchema):
    """What changes a tag; what is left out stays."""


class TagQuerySchema(PageQuerySchema):
    """Filters of the list."""

    search = SearchText(minimum=1)
    ordering = Ordering(("name", "created_at", "updated_at"))


class TagSearchSchema(PageQuerySchema):
    """What to search for."""

    q = SearchText(minimum=1, required=True, metadata={"example": "elec"})


class PopularTagsSchema(Schema):
    """How many of the most used tags."""

    limit = fields.Integer(
        load_default=10, validate=validate.Range(min=1, max=LARGEST_PAGE_SIZE), metadata={"example": 10}
    )


class TagMergeSchema(Schema):
    """The tags to merge into this one."""

    source_tag_ids = fields.UniqueList(
        fields.WrittenIdentifier(), minimum=1, maximum=MOST_SOURCES, required=True, metadata={"example": [8, 9]}
    )


class TagBatchSchema(Schema):
    """Several tags."""

    tag_ids = fields.Identifiers(maximum=MOST_AT_ONCE, required=True, metadata={"example": [8, "9"]})
