"""Wire forms of exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.core.filters import AnyOf
from nxfs.core.messages import Text
from nxfs.files.formats import EXPORT_FORMATS
from nxfs.tasks.schemas.tasks import TaskFilterSchema

NO_VALUE = Text("Give at least one value.", "Oppgi minst én verdi.")
LARGEST_ASSIGNEE = 10**18 - 1


def require_value(values: Sequence[Any]) -> None:
    """Raise ``ValidationError`` if there is no value."""
    if not values:
        raise ma.ValidationError([NO_VALUE])  # type: ignore[list-item]


class TaskExportFiltersSchema(TaskFilterSchema):
    """The filters and the order of the list of tasks, as JSON or as its query string has them.

    A parameter that may be repeated is an array, or one text with commas where the list takes them; ids are numbers or
    texts.
    """

    def on_bind_field(self, field_name: str, field_obj: ma.fields.Field) -> None:
        """Let the document say what ``read_short_forms`` takes; refuse lists that are empty, as no query string is."""
        described: dict[str, Any] = {}
        if isinstance(field_obj, AnyOf):
            field_obj.validators = [*field_obj.validators, require_value]
        if isinstance(field_obj, AnyOf) and field_obj.choices:
            described = {"type": ["array", "string"]}
        elif isinstance(field_obj, AnyOf):
            described = {"type": ["array", "string", "integer"]}
            field_obj.inner.metadata = {**field_obj.inner.metadata, "type": ["string", "integer"]}
        elif field_name == "assignee":
            described = {"type": ["string", "integer"], "minimum": 1, "maximum": LARGEST_ASSIGNEE}
        field_obj.metadata = {**field_obj.metadata, **described}

    @ma.pre_load
    def read_short_forms(self, data: Any, **_: Any) -> Any:
        """Turn one value into a list of one, and numbers into the texts that the query string would have."""
        if not isinstance(data, dict):
            return data
        return {name: _as_in_query(self.fields.get(name), value) for name, value in data.items()}


class TaskExportSchema(Schema):
    """What to export, and as what."""

    format = fields.Choice(EXPORT_FORMATS, required=True, metadata={"example": "xlsx"})
    filters = ma.fields.Nested(
        TaskExportFiltersSchema,
        load_default=dict,
        metadata={
            "description": "Of the list of tasks; without them, all that you see.",
            "example": {"status": ["todo", "in_progress"], "overdue": True, "ordering": "-due_date,title"},
        },
    )


def _as_in_query(field: ma.fields.Field | None, value: Any) -> Any:
    if isinstance(field, AnyOf):
        values = value if isinstance(value, list) else [value] if _is_short(value) else value
        return [_as_text(each) for each in values] if isinstance(values, list) else values
    return _as_text(value) if field is not None and field.name == "assignee" else value


def _is_short(value: Any) -> bool:
    return isinstance(value, str) or _is_number(value)


def _as_text(value: Any) -> Any:
    return str(value) if _is_number(value) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
