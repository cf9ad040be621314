"""Full-text search with the same answers on both engines.

Texts are folded into words here, in Python, before they are stored and before they are searched for; the engines only
compare finished words. What is a word, which accents count and what a prefix is therefore cannot differ between them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from sqlalchemy import ColumnElement, text

from nxfs.extensions import db

LONGEST_WORD = 64
MOST_SEARCH_WORDS = 10
LONGEST_SORT_KEY = 400

# Letters of their own in Norwegian, not accented forms of others.
_OWN_LETTERS = "åæø"
# The three characters behind z in ASCII.
_ALPHABET_END = str.maketrans({"æ": "{", "ø": "|", "å": "}"})
_WORD = re.compile(r"[^\W_]+")


def fold(value: str) -> str:
    """Return ``value`` in the form in which letters are compared: no case, no accents; æ, ø and å stay themselves."""
    folded = []
    for letter in unicodedata.normalize("NFKC", value).casefold():
        if letter in _OWN_LETTERS:
            folded.append(letter)
        else:
            decomposed = unicodedata.normalize("NFKD", letter)
            folded.append("".join(part for part in decomposed if not unicodedata.combining(part)))
    return "".join(folded)


def sort_key(value: str) -> str:
    """Return ``value`` so that comparing bytes puts it in Norwegian alphabetical order: ... z, æ, ø, å.

    Cut, because folding can make eighteen letters of one.
    """
    return fold(value).translate(_ALPHABET_END)[:LONGEST_SORT_KEY]


def words_of(*texts: str | None) -> list[str]:
    """Return the folded words of ``texts`` in order, each cut to ``LONGEST_WORD`` letters."""
    folded = (fold(value) for value in texts if value)
    return [word[:LONGEST_WORD] for value in folded for word in _WORD.findall(value)]


def document_of(*texts: str | None) -> str:
    """Return the words of ``texts`` as the text that search columns hold: single blanks between them."""
    return " ".join(words_of(*texts))


def has_words(document: ColumnElement[str], words: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that each of ``words`` begins a word of the ``document`` column: for small tables."""
    spaced = " " + document
    conditions = [spaced.contains(f" {word}", autoescape=True) for word in list(words)[:MOST_SEARCH_WORDS]]
    return db.and_(*conditions) if conditions else text("1 = 0")  # type: ignore[return-value]
