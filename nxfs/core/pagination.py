"""Pages of lists: what clients ask for, what the database is asked, and the envelope that answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import marshmallow as ma
from flask import request
from marshmallow import validate
from sqlalchemy import Select, func, select

from nxfs.core.api.fields import Integer
from nxfs.core.api.schema import PageInfoSchema, Schema
from nxfs.core.errors import NotFoundError
from nxfs.core.messages import Text
from nxfs.extensions import db

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


@dataclass(frozen=True)
class Page:
    """One page of rows, the count of the whole list, and what its envelope carries besides."""

    items: Sequence[Any]
    count: int
    page: int
    page_size: int
    extra: dict[str, Any] = field(default_factory=dict)


def fetch_page(
    rows: Select[Any], *, page: int, page_size: int, extra: dict[str, Any] | None = None, counted: Select[Any] | None = None
) -> Page:
    """Return page ``page`` of ``rows`` with the count of all rows, in one statement.

    ``counted`` is the statement whose rows are counted, when a simpler one than ``rows`` has as many.
    Raises ``NotFoundError`` for a page past the end; the first page of an empty list is an empty page.
    """
    source = (counted if counted is not None else rows).order_by(None).subquery()
    total = select(func.count()).select_from(source).scalar_subquery()
    offset = (page - 1) * page_size
    found = db.session.execute(rows.add_columns(total.label("total_count")).limit(page_size).offset(offset)).all()
    if not found and page > 1:
        raise NotFoundError(Text("There is no page {page}.", "Side {page} finnes ikke.").fill(page=page))
    count = found[0].total_count if found else 0
    return Page(items=found, count=count, page=page, page_size=page_size, extra=extra or {})


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
