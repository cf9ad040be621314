"""Taking a file out of a text: every image, link, tag and bare address that names it goes, everything else stays."""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain
from urllib.parse import unquote

from nxfs.files.links import ROOT, address_start

Span = tuple[int, int]

# Nothing below is looked for further away than this, so that hostile texts take no longer than others.
FAR = 2_000
LONGEST_DESTINATION = 300
VOID_TAGS = frozenset({"img", "source", "embed", "track", "input"})
PAIRED_TAGS = frozenset({"a", "video", "audio", "object", "iframe"})

# What may follow the name in an address: a derivative, a query, a fragment; no full stop at its end.
_REST = re.compile(r"(?:/[0-9]{1,4}\.webp)?(?:\?[\w\-=&;%.+~]{0,300}(?<=[\w\-=%]))?(?:#[\w\-%]{0,100})?")
# Marks of Markdown that pair brackets: escapes, code, brackets, and the end of a paragraph.
_MARK = re.compile(r"\\.|`+|[\[\]]|\n[ \t]*+\n", re.DOTALL)
_TAG = re.compile(r"<([A-Za-z][A-Za-z0-9-]*)(?:[^\"'<>]|\"[^\"]{0,2000}\"|'[^']{0,2000}')*+>")
_TITLE = r"(?:\"(?:[^\"\\]|\\.){0,1000}+\"|'(?:[^'\\]|\\.){0,1000}+'|\((?:[^()\\]|\\.){0,1000}+\))"
# Behind a link's destination: perhaps a title, and the closing parenthesis.
_LINK_END = re.compile(rf"\s*+{_TITLE}?+\s*+\)", re.DOTALL)
# Behind a definition's destination: perhaps a title, and the end of the line.
_DEFINITION_END = re.compile(rf"(?:[ \t]*+\n?[ \t]*+{_TITLE}[ \t]*+(?=\n|\Z)|[ \t]*+(?=\n|\Z))", re.DOTALL)
# Before a definition: indentation, quotations, bullets.
_LINE_START = re.compile(r"[ \t>*+\-0-9.)]*\Z")
# Other ways to write an address of a file: with escapes, and with percent signs.
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_ODD_ADDRESS = re.compile(r"/(?:media|%6[dD])[^\s<>()\[\]\"']{1,300}")
_DELIMITERS = frozenset(" \t\n\r\f\v()<>[]\"'")


def unlink(markdown: str, name: str) -> str:
    """Return ``markdown`` without its references to the file ``name``, in which that does not occur any more.

    Images and tags that show it are taken out, with the definitions they use; of links the text stays.
    """
    if name not in markdown:
        return markdown
    return _erase(_without(markdown, _Text(markdown, name).unneeded()), name)


class _Text:
    """A text and where its brackets close, while the references to ``name`` are looked for."""

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name
        self.opening, self.closing = _pair_brackets(text)

    def unneeded(self) -> Iterator[Span]:
        """Yield the parts that go; they may overlap."""
        defined: set[str] = set()
        tag_end = 0
        for match in re.finditer(re.escape(self.name), self.text):
            if match.start() < tag_end:
                continue
            start, end = self._address(match)
            definition = self._definition(start, end)
            tag = self._tag(match.start())
            if definition:
                label, span = definition
                defined.add(label)
                yield span
            elif tag:
                tag_end = tag.end()
                yield from self._tag_spans(tag)
            else:
                yield from self._link_spans(start, end)
        if defined:
            yield from self._reference_spans(defined)

    def _address(self, match: re.Match[str]) -> Span:
        """Return where the address begins and ends in which the name stands."""
        start, end = match.span()
        rest = _REST.match(self.text, end)
        end = rest.end() if rest else end
        if not self.text.endswith(ROOT, 0, start):
            return start, end
        return address_start(self.text, start - len(ROOT)), end

    def _destination(self, start: int, end: int) -> Span:
        """Return where the destination begins and ends that the address is part of, pointed brackets included."""
        text = self.text
        lowest, highest = max(0, start - LONGEST_DESTINATION), min(len(text), end + LONGEST_DESTINATION)
        while start > lowest and text[start - 1] not in _DELIMITERS:
            start -= 1
        while end < highest and text[end] not in _DELIMITERS:
            end += 1
        if text[start - 1 : start] == "<" and text[end : end + 1] == ">":
            return start - 1, end + 1
        return start, end

    def _before(self, position: int) -> int:
        """Return where the blanks before ``position`` begin."""
        lowest = max(0, position - FAR)
        while position > lowest and self.text[position - 1].isspace():
            position -= 1
        return position

    def _link_spans(self, start: int, end: int) -> Iterable[Span]:
        """Return what goes of an image or a link to the address, or of an address that stands alone."""
        text = self.text
        first, last = self._destination(start, end)
        opened = self._before(first)
        closed = _LINK_END.match(text, last)
        bracket = self.opening.get(opened - 2) if text[max(0, opened - 2) : opened] == "](" else None
        if bracket is not None and closed:
            return self._element_spans(bracket, opened - 2, closed.end())
        if text[first] == "<" and (first, last) == (start - 1, end + 1):
            return [(first, last)]
        return [(start, end)]

    def _element_spans(self, bracket: int, middle: int, end: int) -> list[Span]:
        """Return what goes of ``[text](…)`` or ``![text](…)``: all of an image, all but the text of a link."""
        if self._is_image(bracket):
            return [(bracket - 1, end)]
        return [(bracket, bracket + 1), (middle, end)]

    def _is_image(self, bracket: int) -> bool:
        before = self.text[max(0, bracket - 2) : bracket]
        return before.endswith("!") and before != "\\!"

    def _definition(self, start: int, end: int) -> tuple[str, Span] | None:
        """Return the label and the place of a definition ``[label]: address``, if the address is in one."""
        text = self.text
        first, last = self._destination(start, end)
        colon = self._before(first)
        bracket = self.opening.get(colon - 2) if text[max(0, colon - 2) : colon] == "]:" else None
        if bracket is None:
            return None
        line = text.rfind("\n", max(0, bracket - FAR), bracket) + 1
        closed = _DEFINITION_END.match(text, last)
        if closed is None or not _LINE_START.match(text, line, bracket):
            return None
        return _label(text[bracket + 1 : colon - 2]), (bracket, closed.end())

    def _tag(self, position: int) -> re.Match[str] | None:
        """Return the tag of HTML that ``position`` lies in, if it is one that can go."""
        start = self.text.rfind("<", max(0, position - FAR), position)
        tag = _TAG.match(self.text, start, min(len(self.text), position + FAR)) if start >= 0 else None
        if tag is None or tag.end() <= position or tag[1].lower() not in VOID_TAGS | PAIRED_TAGS:
            return None
        return tag

    def _tag_spans(self, tag: re.Match[str]) -> Iterator[Span]:
        yield tag.span()
        kind = tag[1].lower()
        if kind in PAIRED_TAGS:
            end = re.compile(rf"</{kind}\s{{0,20}}>", re.IGNORECASE).search(self.text, tag.end())
            if end:
                yield end.span()

    def _reference_spans(self, labels: set[str]) -> Iterator[Span]:
        """Yield what goes of the images and links that use the definitions of ``labels``."""
        text = self.text
        for bracket, middle in self.closing.items():
            end = middle + 1
            label = text[bracket + 1 : middle]
            if text[end : end + 1] == "[" and end in self.closing:
                label = text[end + 1 : self.closing[end]] or label
                end = self.closing[end] + 1
            elif text[end : end + 1] in ("(", ":"):
                continue
            elif text[bracket - 1 : bracket] == "]" and self.opening.get(bracket - 1) is not None:
                # The label of the reference before it.
                continue
            if len(label) < 1_000 and _label(label) in labels:
                yield from self._element_spans(bracket, middle, end)


def _pair_brackets(text: str) -> tuple[dict[int, int], dict[int, int]]:
    """Return which ``[`` each ``]`` closes, and the other way round; escaped ones and those in code do not count."""
    opening: dict[int, int] = {}
    closing: dict[int, int] = {}
    runs: dict[int, list[int]] = {}
    for run in re.finditer("`+", text):
        runs.setdefault(len(run[0]), []).append(run.start())
    open_brackets: list[int] = []
    position = 0
    while mark := _MARK.search(text, position):
        position = mark.end()
        kind = mark[0][0]
        if kind == "`":
            alike = runs.get(len(mark[0]), [])
            following = bisect_right(alike, mark.start())
            if following < len(alike):
                position = alike[following] + len(mark[0])
        elif kind == "\n":
            open_brackets.clear()
            # Its second line end may be the first of another.
            position -= 1
        elif kind == "[":
            open_brackets.append(mark.start())
        elif kind == "]" and open_brackets:
            opening[mark.start()] = open_brackets.pop()
            closing[opening[mark.start()]] = mark.start()
    return opening, closing


def _label(text: str) -> str:
    """Return the form in which labels of references are compared."""
    return " ".join(text.split()).casefold()


def _without(text: str, spans: Iterable[Span]) -> str:
    """Return ``text`` without ``spans``."""
    kept = []
    position = 0
    for start, end in chain(sorted(spans), [(len(text), len(text))]):
        kept.append(text[position:start])
        position = max(position, end)
    return "".join(kept)


def _erase(text: str, name: str) -> str:
    """Return ``text`` in which ``name`` does not occur, not even made of what stood before and behind it."""
    if name not in text:
        return text
    letters: list[str] = []
    wanted = list(name)
    for letter in text:
        letters.append(letter)
        if letter == wanted[-1] and letters[-len(wanted) :] == wanted:
            del letters[-len(wanted) :]
    return "".join(letters)


def spelled_out(markdown: str) -> str:
    """Return the Markdown with addresses of files as ``unlink`` reads them: no entities, escapes, percent signs."""
    plain = _ESCAPE.sub(r"\1", html.unescape(markdown))
    return _ODD_ADDRESS.sub(lambda address: unquote(address[0]), plain)
