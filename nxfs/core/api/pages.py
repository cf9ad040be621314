"""The envelope of lists: what clients ask for, and what they get around the rows."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlencode

import marshmallow as ma
from flask import request
from marshmallow import validate

from nxfs.core.api.fields import Integer
from nxfs.core.api.schema import PageInfoSchema, Schema
from nxfs.core.pagination import Page

DEFAULT_PAGE_SIZE = 20
LARGEST_PAGE_SIZE = 100
# Beyond it the offset would not fit the database's 64 bits.
LARGEST_PAGE = 10**15


class PageQuerySchema(Schema):
    """Base of the query parameters of all lists."""

    page = Integer(load_default=1, validate=validate.Range(min=1, max=LARGEST_PAGE), metadata={"example": 1})
    page_size = Integer(
        load_default=DEFAULT_PAGE_SIZE,
        validate=validate.Range(min=1),
        metadata={"example": 20, "description": f"Larger values than {LARGEST_PAGE_SIZE} mean {LARGEST_PAGE_SIZE}."},
    )

    @ma.post_load
    def clamp(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Treat a page size above the limit as the limit."""
        data["page_size"] = min(data["page_size"], LARGEST_PAGE_SIZE)
        return data


@cache
def envelope_schema(item: type[Schema], **extra: ma.fields.Field) -> type[Schema]:
    """Return the schema of a page of ``item``: the list envelope, plus ``extra`` fields."""
    name = item.__name__.removesuffix("Schema")
    fields: dict[str, Any] = {
        "__doc__": f"A page of {name} objects.",
        "count": ma.fields.Integer(required=True, metadata={"example": 1}),
        "next": ma.fields.String(required=True, allow_none=True, metadata={"example": None}),
        "previous": ma.fields.String(required=True, allow_none=True, metadata={"example": None}),
        "page_info": ma.fields.Nested(PageInfoSchema, required=True),
        "results": ma.fields.List(ma.fields.Nested(item), required=True),
        **extra,
    }
    return type(f"{name}PageSchema", (Schema,), fields)


def envelope(page: Page) -> dict[str, Any]:
    """Return the wire form of ``page`` (items still undumped), with absolute links that keep every parameter."""
    total_pages = max(1, -(-page.count // page.page_size))
    has_next, has_previous = page.page < total_pages, page.page > 1
    return {
        "count": page.count,
        "next": _link(page.page + 1) if has_next else None,
        "previous": _link(page.page - 1) if has_previous else None,
        "page_info": {
            "current_page": page.page,
            "total_pages": total_pages,
            "page_size": page.page_size,
            "has_next": has_next,
            "has_previous": has_previous,
        },
        "results": page.items,
        **page.extra,
    }


def _link(number: int) -> str:
    parameters = [(name, value) for name, value in request.args.items(multi=True) if name != "page"]
    return f"{request.base_url}?{urlencode([*parameters, ('page', number)])}"
