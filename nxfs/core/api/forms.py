"""Bodies sent as forms (``multipart/form-data``), where everything is text and an empty text stands for null."""

from __future__ import annotations

from functools import cache
from typing import Any

import marshmallow as ma


def form_of(schema: ma.Schema) -> ma.Schema:
    """Return ``schema`` as the document describes it for forms."""
    return _form_class(type(schema))(partial=schema.partial)


def describe_form(described: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON schema of an object as it is sent in a form: what may be null may be an empty text instead."""
    properties = {name: _without_null(field) for name, field in described["properties"].items()}
    return {**described, "properties": properties}


def example_of_form(example: dict[str, Any]) -> dict[str, Any]:
    """Return the example of an object as it is sent in a form: what is null or empty is left out."""
    return {name: value for name, value in example.items() if value not in (None, [])}


@cache
def _form_class(schema: type[ma.Schema]) -> type[ma.Schema]:
    name = schema.__name__.removesuffix("Schema")
    return type(f"{name}FormSchema", (schema,), {"__doc__": schema.__doc__, "is_form": True})


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    types = field.get("type")
    if not isinstance(types, list) or "null" not in types:
        return field
    named = {key: field[key] for key in ("description", "example") if field.get(key) is not None}
    value = {key: item for key, item in field.items() if key not in ("description", "example", "default")}
    others = [each for each in types if each != "null"]
    return {**named, "anyOf": [{**value, "type": others[0] if len(others) == 1 else others}, {"const": ""}]}
