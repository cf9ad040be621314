"""What follows from the texts of a post: HTML that is safe to show, and the words that search finds it by.

Long texts take up to two seconds, so that this is done in a thread and before the transaction that stores it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nh3
from markdown_it import MarkdownIt

from nxfs.core import search
from nxfs.core.threads import run_in_thread

TITLES = ("title", "title_nb")
BODIES = {"body_markdown": "body_html", "body_markdown_nb": "body_html_nb"}
TEXTS = (*TITLES, "excerpt", "excerpt_nb", *BODIES)
# PostgreSQL refuses documents of more than a megabyte of words, and folding can make eighteen letters of one.
LONGEST_DOCUMENT = 800_000

_TAGS = """
a abbr b blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img
ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead tr u ul var
"""
TAGS = set(_TAGS.split())
ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "code": {"class"},
    "details": {"open"},
    "img": {"alt", "height", "loading", "src", "title", "width"},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
}
SCHEMES = {"http", "https", "mailto", "tel"}
# What an attribute may say; those that are not here may say anything.
_VALUES = {
    "class": re.compile(r"language-[\w+#.-]{1,40}"),
    "loading": re.compile("lazy|eager"),
    "align": re.compile("left|center|right"),
    "scope": re.compile("col|row"),
    **dict.fromkeys(("height", "width", "start", "colspan", "rowspan"), re.compile("[0-9]{1,4}")),
}
# Columns of tables are aligned by styles otherwise, which nobody may write.
_ALIGNMENT = re.compile(r'<(t[dh]) style="text-align:(left|center|right)">')


@dataclass(frozen=True)
class Derived:
    """The columns that follow from texts, and the texts that the post had when they were made of them and its own."""

    present: Mapping[str, str]
    columns: Mapping[str, str]


def render(markdown: str) -> str:
    """Return the Markdown as HTML that can be shown as it is: only tags, attributes and addresses that do no harm."""
    parser = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    html = _ALIGNMENT.sub(r'<\1 align="\2">', parser.render(markdown))
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_filter_attribute,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer",
    )


def derive(values: Mapping[str, Any], present: Mapping[str, str]) -> Derived:
    """Return what follows from the texts in ``values``, where they differ from those that the post has at ``present``.

    A new post has none. Works in a thread: not for use in a transaction.
    """
    texts = {field: values.get(field, present.get(field, "")) for field in TEXTS}
    changed = {field for field in TEXTS if texts[field] != present.get(field)}
    return Derived(present, run_in_thread(_derive, texts, changed) if changed else {})


def titles(title: str, title_nb: str) -> dict[str, str]:
    """Return the columns that follow from the titles."""
    return {"title_key": search.sort_key(title), "search_title": search.document_of(title, title_nb)}


def search_text(*texts: str) -> str:
    """Return the different words of ``texts`` that search finds besides those of the titles."""
    words, length = [], 0
    for word in dict.fromkeys(search.words_of(*texts)):
        length += len(word.encode()) + 1
        if length > LONGEST_DOCUMENT:
            break
        words.append(word)
    return " ".join(words)


def _derive(texts: Mapping[str, str], changed: set[str]) -> dict[str, str]:
    columns = {html: render(texts[body]) for body, html in BODIES.items() if body in changed}
    if changed & set(TITLES):
        columns |= titles(texts["title"], texts["title_nb"])
    if changed - set(TITLES):
        columns["search_text"] = search_text(*(texts[field] for field in TEXTS if field not in TITLES))
    return columns


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    allowed = _VALUES.get(name)
    return value if allowed is None or allowed.fullmatch(value) else None
