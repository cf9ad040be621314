"""Sentences in English and Norwegian, and the translation of those that libraries write."""

from __future__ import annotations

import re
from typing import NamedTuple

LANGUAGES = ("en", "no")


class Text(NamedTuple):
    """One sentence in both languages; ``{names}`` are filled with ``fill``."""

    en: str
    nb: str

    def fill(self, **parameters: object) -> Text:
        """Return the text with ``{names}`` replaced; without parameters it stays as it is."""
        if not parameters:
            return self
        return Text(self.en.format(**parameters), self.nb.format(**parameters))


# What marshmallow writes in English, already filled in; a placeholder matches any text.
_LIBRARY_SENTENCES = {
    "Missing data for required field.": "Feltet må fylles ut.",
    "Field may not be null.": "Feltet kan ikke være tomt.",
    "Invalid value.": "Ugyldig verdi.",
    "Invalid type.": "Feil type.",
    "Invalid input type.": "Feil type.",
    "Unknown field.": "Ukjent felt.",
    "Not a valid string.": "Må være tekst.",
    "Not a valid utf-8 string.": "Må være gyldig UTF-8-tekst.",
    "Not a valid integer.": "Må være et helt tall.",
    "Not a valid number.": "Må være et tall.",
    "Special numeric values (nan or infinity) are not permitted.": "Må være et vanlig tall.",
    "Not a valid boolean.": "Må være sant eller usant.",
    "Not a valid date.": "Må være en dato på formen ÅÅÅÅ-MM-DD.",
    "Not a valid datetime.": "Må være et tidspunkt på ISO 8601-form.",
    "Not a valid list.": "Må være en liste.",
    "Not a valid mapping type.": "Må være et objekt.",
    "Not a valid email address.": "Må være en gyldig e-postadresse.",
    "Not a valid URL.": "Må være en gyldig adresse.",
    "String does not match expected pattern.": "Teksten har ikke riktig form.",
    "Must be one of: {choices}.": "Må være en av: {choices}.",
    "Length must be between {min} and {max}.": "Lengden må være mellom {min} og {max}.",
    "Shorter than minimum length {min}.": "Kortere enn {min} tegn.",
    "Longer than maximum length {max}.": "Lengre enn {max} tegn.",
    "Must be greater than or equal to {min} and less than or equal to {max}.": "Må være mellom {min} og {max}.",
    "Must be greater than or equal to {min}.": "Må være minst {min}.",
    "Must be less than or equal to {max}.": "Må være høyst {max}.",
}


def _compile(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    literal = [re.escape(part) if index % 2 == 0 else f"(?P<{part}>.*)" for index, part in enumerate(parts)]
    return re.compile("".join(literal), re.DOTALL)


_PATTERNS = [(_compile(english), norwegian) for english, norwegian in _LIBRARY_SENTENCES.items() if "{" in english]


def translate(sentence: str | Text, language: str) -> str:
    """Return ``sentence`` in ``language`` (``en`` or ``no``); an unknown library sentence stays English."""
    if isinstance(sentence, Text):
        return sentence.nb if language == "no" else sentence.en
    if language != "no":
        return sentence
    if sentence in _LIBRARY_SENTENCES:
        return _LIBRARY_SENTENCES[sentence]
    for pattern, norwegian in _PATTERNS:
        match = pattern.fullmatch(sentence)
        if match:
            return norwegian.format(**match.groupdict())
    return sentence
