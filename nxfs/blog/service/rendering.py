"""What follows from the texts of a post: HTML that is safe to show, and the words that search finds it by.

Long texts take up to a second, so that this is done in a thread and before the transaction that stores it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from nxfs.core import search
from nxfs.core.errors import InvalidInputError
from nxfs.core.messages import Text
from nxfs.core.threads import run_long_in_thread

TITLES = ("title", "title_nb")
BODIES = {"body_markdown": "body_html", "body_markdown_nb": "body_html_nb"}
TEXTS = (*TITLES, "excerpt", "excerpt_nb", *BODIES)
# PostgreSQL refuses documents of more than a megabyte of words, and folding can make eighteen letters of one.
LONGEST_DOCUMENT = 800_000
# What 100,000 characters of the densest documentation need is less than half of this, which takes less than a second.
MOST_STEPS = 60_000
# The letters of addresses that links by reference may have together, besides as many as the text has.
MOST_OF_REFERENCES = 100_000
LONGEST_HTML = 2_000_000
# The sanitiser takes longer than a second for tags nested ten thousand deep.
MOST_OPEN_TAGS = 2_000
TOO_INTRICATE = Text(
    "This text has too many, or too deeply nested, links, lists, tables or tags.",
    "Denne teksten har for mange eller for dypt nøstede lenker, lister, tabeller eller tagger.",
)

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
# Tags that stay open until they are closed.
_OPENING = re.compile(r"<(?!(?:br|hr|img)\b)[a-z]", re.IGNORECASE)


@dataclass(frozen=True)
class Derived:
    """The columns that follow from texts, and the texts that the post had when they were made of them and its own."""

    present: Mapping[str, str]
    columns: Mapping[str, str]


class _Steps:
    """Rules that never hold, and refuse a text that makes the parser try too much.

    Brackets, images and quotations that are nested make it read the same letters again at every level.
    """

    def __init__(self) -> None:
        self._count = 0
        self._tokens = 0

    def try_inline(self, state: StateInline, silent: bool) -> bool:
        """Count an attempt to read letters, images and links."""
        self._count += 1
        if self._count + self._tokens > MOST_STEPS:
            raise _TooIntricateError
        return False

    def try_block(self, state: StateBlock, start: int, end: int, silent: bool) -> bool:
        """Count an attempt to begin a paragraph, a list or a row, and what there is of them."""
        self._count += 1
        self._tokens = len(state.tokens)
        if self._count + self._tokens > MOST_STEPS:
            raise _TooIntricateError
        return False


class _References(dict[str, Any]):
    """The addresses of links by reference, which end when the links repeat too much of them."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def get(self, label: str, default: Any = None) -> Any:
        """Return the address and the title of ``label``, unless no room is left for them."""
        found = super().get(label)
        if found is not None:
            self._room -= len(found["href"]) + len(found["title"])
        return found if self._room >= 0 else default


class _TooIntricateError(Exception):
    """A text would take too long, or become too long."""


def render(markdown: str, *, field: str = "body_markdown") -> str:
    """Return the Markdown as HTML that can be shown as it is: only tags, attributes and addresses that do no harm.

    Raises ``InvalidInputError`` about ``field`` for a text that would take longer, or become longer, than any that
    somebody writes.
    """
    try:
        return _sanitised(_parsed(markdown))
    except _TooIntricateError as error:
        raise InvalidInputError(field_errors={field: [TOO_INTRICATE]}) from error


def _parsed(markdown: str) -> str:
    parser = MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
    steps = _Steps()
    parser.inline.ruler.before("text", "steps", steps.try_inline)
    # Also where each line of these is asked whether it ends them.
    parser.block.ruler.before(
        "table", "steps", steps.try_block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    references = _References(MOST_OF_REFERENCES + len(markdown))
    return _ALIGNMENT.sub(r'<\1 align="\2">', parser.render(markdown, {"references": references}))


def _sanitised(html: str) -> str:
    if len(html) > LONGEST_HTML or len(_OPENING.findall(html)) - html.count("</") > MOST_OPEN_TAGS:
        raise _TooIntricateError
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

    A new post has none. Works in a thread: not for use in a transaction. Raises what ``render`` raises.
    """
    texts = {field: values.get(field, present.get(field, "")) for field in TEXTS}
    changed = {field for field in TEXTS if texts[field] != present.get(field)}
    return Derived(present, run_long_in_thread(_derive, texts, changed) if changed else {})


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
    columns = {html: render(texts[body], field=body) for body, html in BODIES.items() if body in changed}
    if changed & set(TITLES):
        columns |= titles(texts["title"], texts["title_nb"])
    if changed - set(TITLES):
        columns["search_text"] = search_text(*(texts[field] for field in TEXTS if field not in TITLES))
    return columns


def _filter_attribute(tag: str, name: str, value: str) -> str | None:
    allowed = _VALUES.get(name)
    return value if allowed is None or allowed.fullmatch(value) else None
