"""Texts in cells of CSV, which a spreadsheet may take for formulas."""

from __future__ import annotations

import re

# What a spreadsheet may take for the beginning of a formula: the signs, also in full width, as small forms and as the
# minus of mathematics, whatever blanks and invisible characters stand before them; and what it may cut a cell at.
_FORMULA = re.compile(r"[\s\x00-\x20\u200b-\u200f\u2028-\u202f\u2060-\u2064\ufeff]*[=+\-@＝＋－＠﹢﹣﹦﹫−]|[\t\r\n]")
# Where a program that splits at semicolons or tabs, or knows no quotes, would begin another cell. What begins with a
# hyphen and a blank behind a line's end is an item of a list.
_BEHIND_SEPARATOR = re.compile(r"(?<=\S)((?:[;\t]|[\r\n](?!\s*- ))\s*)(?=[=+\-@＝＋－＠])")


def guarded(text: str) -> str:
    """Return ``text`` with an apostrophe before what a spreadsheet may take for a formula."""
    safe = _BEHIND_SEPARATOR.sub(r"\1'", text)
    return f"'{safe}" if _FORMULA.match(text) else safe
