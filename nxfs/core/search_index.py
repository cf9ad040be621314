"""One inverted index of a table's words and facets, and lists read from it: the same on both engines.

A facet is a short word for a property of a row (``s1``: its status), so that a list with any combination of filters is
one question to one index. The migrations make the index and keep it by triggers: ``<table>_search``, on SQLite an FTS5
table with the columns ``title``, ``body`` and ``facets``, on PostgreSQL a table of ``tsvector`` documents, where facets
stand behind ``#`` and the words of the title a second time behind ``=``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Delete,
    Integer,
    Select,
    String,
    bindparam,
    cast,
    column,
    delete,
    false,
    func,
    literal_column,
    select,
    table,
    text,
)

from nxfs.core.batches import is_among
from nxfs.core.pagination import Page, page_of
from nxfs.core.search import MOST_SEARCH_WORDS
from nxfs.core.threads import run_long_in_thread
from nxfs.core.turns import let_others_run
from nxfs.extensions import db

# So many rows are looked up and sorted in a few milliseconds. Of more, the first ones are met soon on a walk along the
# index of the ordering; the planners do not know how many rows the index will name, so that they are told.
FEW_ROWS = 3_000
IDS_AT_ONCE = 5_000


@dataclass(frozen=True)
class Question:
    """What rows must have: every one of ``words``, and of every group of ``facets`` at least one.

    ``is_in_title`` True asks for rows with all words in the title, False for the others, None for all. No row
    answers an impossible question.
    """

    words: tuple[str, ...] = ()
    facets: tuple[tuple[str, ...], ...] = ()
    is_in_title: bool | None = None
    is_impossible: bool = False

    def is_empty(self) -> bool:
        """True when every row has what is asked for."""
        return not self.words and not self.facets

    def for_fts5(self) -> str:
        """Return the question in SQLite's language; words and facets are letters and digits, nothing to escape."""
        words = " AND ".join(f'"{word}"*' for word in self.words)
        parts = ["facets : ({})".format(" OR ".join(f'"{facet}"' for facet in group)) for group in self.facets]
        if words:
            parts.insert(0, f"title : ({words})" if self.is_in_title else f"{{title body}} : ({words})")
        asked = " AND ".join(f"({part})" for part in parts)
        return f"({asked}) NOT (title : ({words}))" if self.is_in_title is False else asked

    def for_tsquery(self) -> str:
        """Return the question in PostgreSQL's language."""
        in_title = " & ".join(f"'={word}':*" for word in self.words)
        anywhere = " & ".join(f"'{word}':*" for word in self.words)
        parts = [" | ".join(f"'#{facet}'" for facet in group) for group in self.facets]
        if self.words:
            parts.insert(0, in_title if self.is_in_title else anywhere)
        if self.is_in_title is False:
            parts.append(f"!({in_title})")
        return " & ".join(f"({part})" for part in parts)


@dataclass(frozen=True)
class Key:
    """A column that rows are ordered by; rows without a value come last in both directions."""

    column: Any
    is_descending: bool

    def clause(self) -> ColumnElement[Any]:
        """Return the element of ``ORDER BY``."""
        clause = self.column.desc() if self.is_descending else self.column.asc()
        return clause.nulls_last() if self.column.nullable else clause


@dataclass(frozen=True)
class Listing:
    """The rows of ``model`` that answer ``question`` and meet ``conditions``."""

    model: Any
    question: Question
    conditions: tuple[ColumnElement[bool], ...] = ()

    def count(self) -> Select[Any]:
        """Return the statement that counts the rows."""
        is_asked = not self.question.is_empty() and not self.question.is_impossible
        if is_asked and not self.conditions:
            return select(func.count()).select_from(self._found().subquery())
        return select(func.count(self.model.id)).where(*self.conditions, *self._answers(self.model.id))

    def ids(self, keys: Sequence[Key], count: int) -> Select[Any]:
        """Return the statement of the ids in order, made for a list of ``count`` rows."""
        order = [key.clause() for key in keys]
        if count > FEW_ROWS:
            # SQLite cannot use an index for "+id", which leaves the one of the ordering.
            identifier = literal_column(f"+{self.model.__tablename__}.id") if _is_sqlite() else self.model.id
            return select(self.model.id).where(*self.conditions, *self._answers(identifier)).order_by(*order)
        found = select(self.model.id).where(*self.conditions, *self._answers(self.model.id))
        if _is_sqlite():
            return found.order_by(*order)
        # OFFSET keeps PostgreSQL from walking along the ordering's index all the same.
        fence = found.offset(0).subquery()
        return select(self.model.id).join(fence, fence.c.id == self.model.id).order_by(*order)

    def _answers(self, identifier: Any) -> list[ColumnElement[bool]]:
        if self.question.is_impossible:
            return [false()]
        return [] if self.question.is_empty() else [identifier.in_(self._found())]

    def _found(self) -> Select[Any]:
        table = f"{self.model.__tablename__}_search"
        if _is_sqlite():
            found = text(f"SELECT rowid AS id FROM {table} WHERE {table} MATCH :question")
            asked = self.question.for_fts5()
        else:
            found = text(f"SELECT id FROM {table} WHERE document @@ CAST(:question AS tsquery)")
            asked = self.question.for_tsquery()
        bound = found.bindparams(bindparam("question", asked, unique=True))
        return select(bound.columns(column("id", Integer)).subquery().c.id)


def question(words: Sequence[str] | None, facets: Sequence[Sequence[str]]) -> Question:
    """Return the question for ``words`` and groups of ``facets``.

    The first ten words count. None stands for no search at all, while no row has all of an empty list of words:
    somebody searched for something that is no word.
    """
    wanted = tuple(dict.fromkeys(words or ()))[:MOST_SEARCH_WORDS]
    return Question(wanted, tuple(tuple(group) for group in facets), is_impossible=words is not None and not wanted)


def take_out(model: Any, ids: Collection[int]) -> Delete:
    """Return the statement that takes rows of ``model`` out of the index, until an indexed column of theirs is written.

    For a transaction that changes what belongs to many rows and then the rows: without it each change is indexed.
    """
    identifier: Any = column("rowid" if _is_sqlite() else "id", BigInteger)
    return delete(table(f"{model.__tablename__}_search", identifier)).where(is_among(identifier, ids))


def most_facets() -> int:
    """Return up to how many facets in one group are answered faster than the same condition on columns."""
    return 100 if _is_sqlite() else 40


def fetch_page(
    listing: Listing,
    columns: Sequence[Any],
    keys: Sequence[Key],
    *,
    titles_first: bool = False,
    page: int,
    page_size: int,
    extra: dict[str, Any] | None = None,
) -> Page:
    """Return page ``page`` of ``columns`` of the listing, with the count of all rows, in two statements.

    The last of ``keys`` is the id. With ``titles_first`` rows with all words in the title come before the others.
    Raises ``NotFoundError`` for a page past the end; the first page of an empty list is an empty page.
    """
    offset = (page - 1) * page_size
    counted = db.session.execute(_select_counts(listing, titles_first)).one()
    rows: Sequence[Any] = []
    if offset < counted.total:
        ids = _ids_of_page(_parts(listing, counted, titles_first), keys, offset, page_size)
        rows = _fetch_in_order(listing, columns, ids)
    return page_of(rows, count=counted.total, page=page, page_size=page_size, extra=extra)


def fetch_ids(listing: Listing, keys: Sequence[Key], *, titles_first: bool = False) -> list[int]:
    """Return the ids of all rows of the listing, in the order of its pages, letting others run meanwhile.

    Outside of transactions.
    """
    connection = db.session.connection()
    counting = _select_counts(listing, titles_first)
    if not _is_sqlite():
        counted = connection.execute(counting).one()
        parts = _parts(listing, counted, titles_first)
        return [each for part, count in parts for each in _stream(connection, part.ids(keys, count))]
    # SQLite searches and sorts without Python's lock: in a thread it holds up nobody.
    counted = run_long_in_thread(lambda: connection.execute(counting).one())
    parts = _parts(listing, counted, titles_first)
    joined = [_join(part.ids(keys, count)) for part, count in parts]
    return [each for ids in joined for each in run_long_in_thread(_fetch_joined, connection, ids)]


def _stream(connection: Connection, ids: Select[Any]) -> Iterator[int]:
    streamed = connection.execute(ids.execution_options(yield_per=IDS_AT_ONCE))
    for some in streamed.scalars().partitions():
        yield from some
        let_others_run()


def _join(ids: Select[Any]) -> Select[Any]:
    """Return the statement of the ids as one text: for each of many rows, Python's lock would be taken."""
    ordered = ids.subquery()
    return select(func.aggregate_strings(cast(ordered.c.id, String), ","))


def _fetch_joined(connection: Connection, joined: Select[Any]) -> list[int]:
    ids = connection.scalar(joined)
    return [int(each) for each in ids.split(",")] if ids else []


def _select_counts(listing: Listing, titles_first: bool) -> Select[Any]:
    """Return the statement that counts the rows (``total``), and those with all words in the title (``in_title``)."""
    counts = [listing.count().scalar_subquery().label("total")]
    if titles_first:
        counts.append(_part(listing, True).count().scalar_subquery().label("in_title"))
    return select(*counts)


def _parts(listing: Listing, counted: Any, titles_first: bool) -> list[tuple[Listing, int]]:
    """Return what the listing is made of, in order, with the count of each."""
    if not titles_first:
        return [(listing, counted.total)]
    others = counted.total - counted.in_title
    return [(_part(listing, True), counted.in_title), (_part(listing, False), others)]


def _part(listing: Listing, is_in_title: bool) -> Listing:
    return replace(listing, question=replace(listing.question, is_in_title=is_in_title))


def _ids_of_page(
    parts: Sequence[tuple[Listing, int]], keys: Sequence[Key], offset: int, limit: int
) -> list[tuple[int, Select[Any]]]:
    """Return the pieces of the page that ``parts``, one behind the other, have: the position and the ids of each."""
    pieces = []
    for position, (listing, count) in enumerate(parts):
        if offset < count and limit > 0:
            pieces.append((position, listing.ids(keys, count).limit(limit).offset(offset)))
            limit -= count - offset
        offset = max(0, offset - count)
    return pieces


def _fetch_in_order(listing: Listing, columns: Sequence[Any], pieces: list[tuple[int, Select[Any]]]) -> Sequence[Any]:
    """Return ``columns`` of the rows of the pieces: wide rows are read for the ids of one page only."""
    numbered = []
    for position, ids in pieces:
        piece = ids.subquery()
        place = func.row_number().over()
        numbered.append(select(piece.c.id, literal_column(str(position)).label("position"), place.label("place")))
    wanted = (numbered[0].union_all(*numbered[1:]) if len(numbered) > 1 else numbered[0]).subquery()
    rows = select(*columns).join(wanted, wanted.c.id == listing.model.id).order_by(wanted.c.position, wanted.c.place)
    return db.session.execute(rows).all()


def _is_sqlite() -> bool:
    return db.engine.dialect.name == "sqlite"
