"""Batches: one request about many objects, each of which may fail by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import ARRAY, BigInteger, ColumnElement, any_, func, literal, select

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


def is_among(column: Any, ids: Collection[int]) -> ColumnElement[bool]:
    """Return the condition that ``column`` is one of ``ids``, which are one parameter however many there are.

    A thousand parameters take SQLAlchemy and the drivers longer than the statement takes the database.
    """
    if db.session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(list(ids), ARRAY(BigInteger)))
    # Numbers only, and so nothing to escape.
    values = func.json_each(orjson.dumps(list(ids)).decode()).table_valued("value")
    return column.in_(select(values.c.value))
