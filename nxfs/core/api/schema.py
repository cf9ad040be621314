"""The base of all schemas: unknown fields are refused, and text from forms is read as JSON would be."""

from __future__ import annotations

import marshmallow as ma


class Schema(ma.Schema):
    """Base schema: refuses unknown fields."""

    class Meta:
        unknown = ma.RAISE


class PageInfoSchema(Schema):
    """Where a page lies in its list."""

    current_page = ma.fields.Integer(required=True, metadata={"example": 1})
    total_pages = ma.fields.Integer(required=True, metadata={"example": 3})
    page_size = ma.fields.Integer(required=True, metadata={"example": 20})
    has_next = ma.fields.Boolean(required=True, metadata={"example": True})
    has_previous = ma.fields.Boolean(required=True, metadata={"example": False})


class ErrorDetailSchema(Schema):
    """What went wrong."""

    code = ma.fields.String(required=True, metadata={"example": "VALIDATION_ERROR"})
    message = ma.fields.String(required=True, metadata={"example": "Please check the highlighted fields."})
    details = ma.fields.Raw()
    field_errors = ma.fields.Dict(
        keys=ma.fields.String(),
        values=ma.fields.List(ma.fields.String()),
        metadata={"example": {"title": ["Missing data for required field."]}},
    )


class APIErrorSchema(Schema):
    """The body of every answer that is not a success."""

    error = ma.fields.Nested(ErrorDetailSchema, required=True)
    timestamp = ma.fields.String(required=True, metadata={"format": "date-time", "example": "2026-01-31T12:00:00Z"})
    request_id = ma.fields.String(required=True, metadata={"example": "0b6f1c1e9f0d4d5c8a7e"})


class MessageSchema(Schema):
    """A sentence to show."""

    message = ma.fields.String(required=True, metadata={"example": "Done."})
