"""Batches: one request about many objects, each of which may fail by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    ColumnElement,
    Select,
    String,
    Table,
    any_,
    cast,
    column,
    func,
    literal,
    select,
    true,
)

from nxfs.core.errors import ConflictError, ForbiddenError
from nxfs.core.messages import Text, translate
from nxfs.extensions import db

# So many are done while the client waits, and so many by a job.
MOST_AT_ONCE = 1_000
MOST_IN_A_JOB = 100_000


@dataclass(frozen=True)
class Failure:
    """An object of a batch that was not changed or deleted, and a sentence that says why."""

    id: int
    error: Text


class BatchFailedError(ConflictError):
    """A batch was to be done as a whole, and something of it cannot be done; ``details`` names what."""

    message = Text(
        "Nothing was changed, because {count} of these cannot be changed.",
        "Ingenting ble endret, fordi {count} av disse ikke kan endres.",
    )


def require_all(failures: Sequence[Failure], *, language: str) -> None:
    """Raise ``BatchFailedError`` with sentences in ``language`` when there are ``failures``."""
    if failures:
        raise BatchFailedError(count=len(failures), details={"failed": in_words(failures, language=language)})


def in_words(failures: Iterable[Failure], *, language: str) -> list[dict[str, Any]]:
    """Return the failures as the wire has them: ``id`` and ``error``, a sentence in ``language``."""
    return [{"id": failure.id, "error": translate(failure.error, language)} for failure in failures]


def find_failures(
    ids: Sequence[int], found: Iterable[Any], *, missing: Text, may_change: Callable[[Any], bool]
) -> list[Failure]:
    """Return, in the order of ``ids``, those of which no row is ``found``, and those that may not be changed."""
    rows = {row.id: row for row in found}
    failures = []
    for each in ids:
        if each not in rows:
            failures.append(Failure(each, missing))
        elif not may_change(rows[each]):
            failures.append(Failure(each, ForbiddenError.message))
    return failures


def is_among(of: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that the column ``of`` is one of ``ids``, which are one parameter however many there are.

    A thousand parameters take SQLAlchemy and the drivers longer than the statement takes the database.
    """
    if db.session.get_bind().dialect.name == "postgresql":
        return of == any_(literal(list(ids), ARRAY(BigInteger)))
    # Numbers only, and so nothing to escape.
    values = func.json_each(orjson.dumps(list(ids)).decode()).table_valued("value")
    return of.in_(select(values.c.value))


def rows_as_select(table: Table, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Select[Any]:
    """Return a SELECT of the columns ``names`` of ``table`` that gives ``rows``, JSON values, in their order.

    They are one parameter, as ids are in ``is_among``: for an INSERT of many rows.
    """
    document = orjson.dumps([{name: row[name] for name in names} for row in rows]).decode()
    if db.session.get_bind().dialect.name == "postgresql":
        typed = [column(name, table.c[name].type) for name in names]
        found = func.json_to_recordset(cast(literal(document, String()), JSON)).table_valued(*typed)
        return select(*found.render_derived(with_types=True).c)
    each = func.json_each(document).table_valued("value")
    # Without a condition SQLite reads the ON of an ON CONFLICT as that of a join.
    return select(*(func.json_extract(each.c.value, f"$.{name}").label(name) for name in names)).where(true())
