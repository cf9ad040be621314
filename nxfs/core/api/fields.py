"""Field types of the wire: strict in JSON, with one documented form each."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

import marshmallow as ma
from marshmallow import validate

from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.messages import Text
from nxfs.core.names import as_identifier
from nxfs.core.uploads import Upload

# ISO 8601 has weeks too, as in 2026-W01-1.
TIME_WITHOUT_ZONE = Text(
    "Give a time with its zone, such as 2026-05-17T12:00:00Z.",
    "Oppgi et tidspunkt med tidssone, som 2026-05-17T12:00:00Z.",
)
NONE_GIVEN = Text("Give at least one.", "Oppgi minst én.")
TOO_MANY_GIVEN = Text("Give at most {most}.", "Oppgi høyst {most}.")
NO_FILE = Text("Choose a file.", "Velg en fil.")
NO_IDENTIFIER = Text("This is no id.", "Dette er ingen id.")
# Of a list of a hundred thousand ids nobody reads more.
MOST_ERRORS = 100
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WRITTEN = re.compile(r"[1-9][0-9]{0,18}")
# RFC 3339.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,12})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class Integer(ma.fields.Integer):
    """A whole number; ``1.5``, ``true`` and ``"1"`` are none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
            raise self.make_error("invalid", input=value)
        return int(value)


class Identifier(Integer):
    """The id of an object: 1 to 2^63-1."""

    def __init__(self, **keywords: Any) -> None:
        keywords.setdefault("validate", validate.Range(min=1, max=LARGEST_IDENTIFIER))
        keywords["metadata"] = {"format": "int64", **keywords.get("metadata", {})}
        super().__init__(**keywords)


class WrittenIdentifier(Identifier):
    """An id that may also be written as a text, as the published clients do."""

    def __init__(self, **keywords: Any) -> None:
        both = {"type": ["integer", "string"], "pattern": "^[1-9][0-9]{0,18}$"}
        super().__init__(metadata={**both, **keywords.pop("metadata", {})}, **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> int:
        if isinstance(value, str):
            value = as_identifier(value)
        return super()._deserialize(value, attr, data, **keywords)


class Identifiers(ma.fields.Field):
    """Ids of 1 to ``maximum`` objects, as numbers or texts; loaded as different numbers in their order.

    Read together: a field for each would take a second for a hundred thousand.
    """

    def __init__(self, *, maximum: int, **keywords: Any) -> None:
        self.maximum = maximum
        item = {"type": ["integer", "string"], "format": "int64", "minimum": 1, "pattern": f"^{_WRITTEN.pattern}$"}
        described = {"type": "array", "items": item, "minItems": 1, "maxItems": maximum}
        super().__init__(metadata={**described, **keywords.pop("metadata", {})}, **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> list[int]:
        if not isinstance(value, list):
            raise ma.ValidationError("Not a valid list.")
        if not value:
            raise ma.ValidationError([NONE_GIVEN])  # type: ignore[list-item]
        if len(value) > self.maximum:
            raise ma.ValidationError([TOO_MANY_GIVEN.fill(most=self.maximum)])  # type: ignore[list-item]
        if set(map(type, value)) == {str} and all(map(_WRITTEN.fullmatch, value)):
            value = list(map(int, value))
        # Not isinstance, for which true is a number.
        if set(map(type, value)) == {int} and min(value) > 0 and max(value) <= LARGEST_IDENTIFIER:
            return list(dict.fromkeys(value))
        return self._read_one_by_one(value)

    def _read_one_by_one(self, value: list[Any]) -> list[int]:
        ids: dict[int, None] = {}
        errors: dict[int, list[Text]] = {}
        for index, item in enumerate(value):
            is_written = type(item) is int or (type(item) is str and _WRITTEN.fullmatch(item))
            if is_written and 0 < int(item) <= LARGEST_IDENTIFIER:
                ids[int(item)] = None
            elif len(errors) < MOST_ERRORS:
                errors[index] = [NO_IDENTIFIER]
        if errors:
            raise ma.ValidationError(errors)  # type: ignore[arg-type]
        return list(ids)


class Number(ma.fields.Float):
    """A finite number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.make_error("invalid", input=value)
        return float(value)


class Boolean(ma.fields.Boolean):
    """``true`` or ``false``; words and numbers are none."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Line(ma.fields.String):
    """One line of text, loaded without blanks around it.

    ``minimum`` counts characters after trimming, ``maximum`` before, so that what the document says of the length holds
    for what is sent.
    """

    def __init__(self, *, minimum: int = 0, maximum: int, pattern: str | None = None, **keywords: Any) -> None:
        checks: list[Any] = [validate.Length(min=minimum or None, max=maximum)]
        if pattern is not None:
            checks.append(validate.Regexp(f"^(?:{pattern})$", error="String does not match expected pattern."))
        self.maximum = maximum
        super().__init__(validate=checks, **keywords)
        if pattern is None and minimum:
            # So that the document says what trimming does: blanks alone are not a text.
            self.metadata.setdefault("pattern", r"\S")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> str:
        text = super()._deserialize(value, attr, data, **keywords)
        if len(text) > self.maximum:
            raise ma.ValidationError(f"Longer than maximum length {self.maximum}.")
        return " ".join(unicodedata.normalize("NFC", text).split())


class LongText(ma.fields.String):
    """Text of several lines, kept as written except for line ends. ``maximum`` counts characters."""

    def __init__(self, *, maximum: int, **keywords: Any) -> None:
        super().__init__(validate=validate.Length(max=maximum), **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> str:
        text = super()._deserialize(value, attr, data, **keywords)
        return unicodedata.normalize("NFC", text).replace("\r\n", "\n")


class Choice(ma.fields.String):
    """One word of a closed list."""

    def __init__(self, choices: Iterable[str], **keywords: Any) -> None:
        super().__init__(validate=validate.OneOf(list(choices)), **keywords)


class Date(ma.fields.Date):
    """``YYYY-MM-DD`` and nothing else that ISO 8601 would allow."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> dt.date:
        if not isinstance(value, str) or not _DATE.fullmatch(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        return super()._deserialize(value, attr, data, **keywords)


class Moment(ma.fields.DateTime):
    """A time on the wire: UTC ISO 8601 with ``Z``. Loaded with any zone, and never without one."""

    default_error_messages = {"invalid": TIME_WITHOUT_ZONE}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> dt.datetime:
        if not isinstance(value, str) or not _MOMENT.fullmatch(value):
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE)
        try:
            return dt.datetime.fromisoformat(value.upper()).astimezone(dt.UTC)
        except (ValueError, OverflowError) as error:
            raise self.make_error("invalid", input=value, obj_type=self.OBJ_TYPE) from error

    def _serialize(self, value: dt.datetime | None, attr: str | None, obj: Any, **keywords: Any) -> str | None:
        return None if value is None else value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


class Email(ma.fields.Email):
    """An e-mail address, trimmed; ``maximum`` is the length of RFC 5321."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(validate=validate.Length(max=254), **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> str:
        return super()._deserialize(value.strip() if isinstance(value, str) else value, attr, data, **keywords)


class UniqueList(ma.fields.List):
    """A list of at most ``maximum`` items; repeats count once."""

    def __init__(self, item: Any, *, minimum: int = 0, maximum: int, **keywords: Any) -> None:
        self.maximum = maximum
        super().__init__(item, validate=validate.Length(min=minimum or None, max=maximum), **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> list[Any]:
        # Before the items are looked at: a megabyte of them would take seconds.
        if isinstance(value, list) and len(value) > self.maximum:
            raise ma.ValidationError(f"Longer than maximum length {self.maximum}.")
        return list(dict.fromkeys(super()._deserialize(value, attr, data, **keywords)))


class File(ma.fields.Field):
    """One file of a form, loaded as an ``Upload``; what it may be is for inspection to decide."""

    def __init__(self, **keywords: Any) -> None:
        keywords["metadata"] = {"example": "cabin.jpg", **keywords.get("metadata", {})}
        super().__init__(load_only=True, **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> Upload:
        if not isinstance(value, Upload):
            raise ma.ValidationError([NO_FILE])  # type: ignore[list-item]
        return value


class Files(ma.fields.List):
    """One to ``maximum`` files of a form, all under one name."""

    def __init__(self, *, maximum: int, **keywords: Any) -> None:
        super().__init__(File(), validate=validate.Length(min=1, max=maximum), **keywords)
