"""Examples of the document, made from the examples of the fields, so that none is written twice."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate


def example_of(schema: ma.Schema, *, is_input: bool) -> Any:
    """Return an example of what ``schema`` loads (``is_input``) or dumps."""
    fields = schema.load_fields if is_input else schema.dump_fields
    example = {
        field.data_key or name: _example_of_field(field, is_input=is_input)
        for name, field in fields.items()
        if not field.metadata.get("is_left_out")
    }
    return [example] if schema.many else example


def _example_of_field(field: ma.fields.Field, *, is_input: bool) -> Any:
    if "example" in field.metadata:
        return field.metadata["example"]
    if isinstance(field, ma.fields.Nested):
        inner = example_of(field.schema, is_input=is_input)
        return [inner] if field.many and not field.schema.many else inner
    if isinstance(field, ma.fields.List):
        return [_example_of_field(field.inner, is_input=is_input)]
    for check in field.validators:
        if isinstance(check, validate.OneOf):
            return list(check.choices)[0]
    if field.allow_none:
        return None
    raise ValueError(f"The field {field.parent.__class__.__name__}.{field.name} needs metadata with an example.")
