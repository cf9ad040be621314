"""Query parameters of lists: repeatable values from closed lists, and orderings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import marshmallow as ma
from marshmallow import validate

from nxfs.core.api.fields import Date
from nxfs.core.messages import Text
from nxfs.core.search import MOST_SEARCH_WORDS, words_of

MOST_VALUES = 50
LONGEST_SEARCH = 500
START_AFTER_END = Text("The start lies after the end.", "Starten er etter slutten.")
GIVEN_TWICE = Text("This contradicts “{other}”.", "Dette er i strid med «{other}».")
TWO_DATES = Text(
    "Give two dates (YYYY-MM-DD) with a comma between them; one of them may be left out.",
    "Oppgi to datoer (ÅÅÅÅ-MM-DD) med komma mellom; den ene kan utelates.",
)


class AnyOf(ma.fields.List):
    """A parameter that may be repeated or hold a comma list: ``status=todo,done`` reads as ``status=todo&status=done``.

    ``choices`` closes the list of values; without it any text is taken. At most ``MOST_VALUES`` values. Without
    ``is_comma_list`` it may only be repeated, for names that hold commas.
    """

    def __init__(self, choices: Sequence[str] | None = None, *, is_comma_list: bool = True, **keywords: Any) -> None:
        self.choices = choices
        self.separator = "," if is_comma_list else None
        enumeration = {"enum": list(choices)} if choices else {"minLength": 1, "maxLength": 200}
        item = ma.fields.String(metadata=enumeration)
        metadata = {"maxItems": MOST_VALUES, "minItems": 1, **keywords.pop("metadata", {})}
        super().__init__(item, metadata=metadata, **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> list[str]:
        texts = super()._deserialize(value, attr, data, **keywords)
        parts = [part.strip() for text in texts for part in self._split(text) if part.strip()]
        values = list(dict.fromkeys(parts))
        # Repeats too, as the document counts them.
        if len(parts) > MOST_VALUES:
            sentence = Text("Give at most {most} values.", "Oppgi høyst {most} verdier.")
            raise ma.ValidationError([sentence.fill(most=MOST_VALUES)])  # type: ignore[list-item]
        if not values and texts:
            raise ma.ValidationError([Text("Give at least one value.", "Oppgi minst én verdi.")])  # type: ignore[list-item]
        unknown = [text for text in values if self.choices and text not in self.choices]
        if unknown:
            sentence = Text(
                "“{value}” is not allowed; allowed: {choices}.", "«{value}» er ikke tillatt; tillatt: {choices}."
            )
            raise ma.ValidationError(
                [sentence.fill(value=unknown[0], choices=", ".join(self.choices or ()))]  # type: ignore[list-item]
            )
        return values

    def _split(self, text: str) -> list[str]:
        return text.split(self.separator) if self.separator else [text]


class SearchText(ma.fields.String):
    """Words to search for, at most ``MOST_SEARCH_WORDS`` different ones."""

    def __init__(self, *, minimum: int = 0, **keywords: Any) -> None:
        super().__init__(validate=validate.Length(min=minimum or None, max=LONGEST_SEARCH), **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> str:
        searched = super()._deserialize(value, attr, data, **keywords)
        if len(searched) <= LONGEST_SEARCH and len(set(words_of(searched))) > MOST_SEARCH_WORDS:
            sentence = Text("Search for at most {most} words.", "Søk etter høyst {most} ord.")
            raise ma.ValidationError([sentence.fill(most=MOST_SEARCH_WORDS)])  # type: ignore[list-item]
        return searched


class Ordering(AnyOf):
    """``ordering=-due_date,title``: names from a closed list, a minus turns one; loads ``(name, is_descending)``."""

    def __init__(self, names: Sequence[str], **keywords: Any) -> None:
        self.names = names
        super().__init__([sign + name for name in names for sign in ("", "-")], **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> list[tuple[str, bool]]:
        words = super()._deserialize(value, attr, data, **keywords)
        return [(word.removeprefix("-"), word.startswith("-")) for word in words]


class DateRange(ma.fields.String):
    """``2026-01-01,2026-12-31``, either side may be left out; loads ``(start, end)`` with None for an open side."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> Any:
        sides = super()._deserialize(value, attr, data, **keywords).split(",")
        if len(sides) != 2 or not any(side.strip() for side in sides):
            raise ma.ValidationError([TWO_DATES])  # type: ignore[list-item]
        return tuple(self._day(side.strip()) if side.strip() else None for side in sides)

    def _day(self, text: str) -> dt.date:
        try:
            return Date().deserialize(text)
        except ma.ValidationError as error:
            raise ma.ValidationError([TWO_DATES]) from error  # type: ignore[list-item]
