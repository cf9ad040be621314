"""Wire forms of categories."""

from __future__ import annotations

import marshmallow as ma
from marshmallow import validate

from nxfs.core.api import fields
from nxfs.core.api.pages import LARGEST_PAGE_SIZE, PageQuerySchema
from nxfs.core.api.schema import Schema
from nxfs.core.batches import MOST_AT_ONCE
from nxfs.core.filters import Ordering, SearchText

MOST_SOURCES = 50


class CategorySchema(Schema):
    """A category that all users share."""

    id = fields.Identifier(required=True, metadata={"example": 7})
    version = ma.fields.Integer(required=True, metadata={"example": 1})
    name = ma.fields.String(required=True, metadata={"example": "Shopping"})
    name_nb = ma.fields.String(required=True, allow_none=True, metadata={"example": "Innkjøp"})
    slug = ma.fields.String(required=True, metadata={"example": "shopping"})
    description = ma.fields.String(required=True, metadata={"example": "Things to buy"})
    color = ma.fields.String(required=True, allow_none=True, metadata={"example": "#2f855a"})
    created_by = ma.fields.Integer(required=True, allow_none=True, metadata={"example": 12})
    task_count = ma.fields.Integer(
        required=True,
        allow_none=True,
        metadata={"example": None, "description": "Tasks that you see; null where they are not counted."},
    )
    created_at = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    updated_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})


class CategoryCreateSchema(Schema):
    """What creates or replaces a category; a blank slug is made from the name."""

    name = fields.Line(minimum=1, maximum=100, required=True, metadata={"example": "Shopping"})
    name_nb = fields.Line(maximum=100, allow_none=True, load_default=None, metadata={"example": "Innkjøp"})
    slug = fields.Line(maximum=100, pattern="[a-z0-9-]*", load_default="", metadata={"example": "shopping"})
    description = fields.Line(maximum=500, load_default="", metadata={"example": "Things to buy"})
    color = fields.Line(
        maximum=7, pattern="#[0-9A-Fa-f]{6}", allow_none=True, load_default=None, metadata={"example": "#2f855a"}
    )


class CategoryUpdateSchema(CategoryCreateSchema):
    """What changes a category; what is left out stays."""


class CategoryQuerySchema(PageQuerySchema):
    """Filters of the list."""

    search = SearchText(minimum=1)
    has_tasks = fields.Boolean(metadata={"description": "Whether you see a task in it."})
    ordering = Ordering(("name", "created_at", "updated_at"))


class CategorySearchSchema(PageQuerySchema):
    """What to search for."""

    q = SearchText(minimum=1, required=True, metadata={"example": "shop"})


class PopularCategoriesSchema(Schema):
    """How many of the most used categories."""

    limit = fields.Integer(
        load_default=10, validate=validate.Range(min=1, max=LARGEST_PAGE_SIZE), metadata={"example": 10}
    )


class CategoryBatchSchema(Schema):
    """Several categories."""

    category_ids = fields.Identifiers(maximum=MOST_AT_ONCE, required=True, metadata={"example": [8, "9"]})


class CategoryMergeSchema(Schema):
    """The categories to merge into this one."""

    source_category_ids = fields.UniqueList(
        fields.Identifier(), minimum=1, maximum=MOST_SOURCES, required=True, metadata={"example": [8, 9]}
    )
