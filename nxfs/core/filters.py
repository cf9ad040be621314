"""Query parameters of lists: repeatable values from closed lists, and orderings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import marshmallow as ma

from nxfs.core.messages import Text

MOST_VALUES = 50


class AnyOf(ma.fields.List):
    """A parameter that may be repeated or hold a comma list: ``status=todo,done`` reads as ``status=todo&status=done``.

    ``choices`` closes the list of values; without it any text is taken. At most ``MOST_VALUES`` values.
    """

    def __init__(self, choices: Sequence[str] | None = None, **keywords: Any) -> None:
        self.choices = choices
        enumeration = {"enum": list(choices)} if choices else {"minLength": 1, "maxLength": 200}
        item = ma.fields.String(metadata=enumeration)
        metadata = {"maxItems": MOST_VALUES, "minItems": 1, **keywords.pop("metadata", {})}
        super().__init__(item, metadata=metadata, **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> list[str]:
        texts = super()._deserialize(value, attr, data, **keywords)
        values = list(dict.fromkeys(part.strip() for text in texts for part in text.split(",") if part.strip()))
        if len(values) > MOST_VALUES:
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


class Ordering(AnyOf):
    """``ordering=-due_date,title``: names from a closed list, a minus turns one; loads ``(name, is_descending)``."""

    def __init__(self, names: Sequence[str], **keywords: Any) -> None:
        self.names = names
        super().__init__([sign + name for name in names for sign in ("", "-")], **keywords)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> list[tuple[str, bool]]:
        words = super()._deserialize(value, attr, data, **keywords)
        return [(word.removeprefix("-"), word.startswith("-")) for word in words]
