"""How the engine runs the statements of an action."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from nxfs.extensions import db

Statements = list[tuple[str, Any]]


def plans_of(action: Callable[[], object]) -> list[str]:
    """Return the plan of each SELECT that ``action`` sends, one text each, with names of tables and indexes."""
    with _recorded() as statements:
        action()
    is_sqlite = db.engine.dialect.name == "sqlite"
    explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
    plans = []
    with db.engine.connect() as connection:
        for statement, parameters in statements:
            rows = connection.exec_driver_sql(explain + statement, parameters).all()
            plans.append("\n".join(str(row[-1]) for row in rows))
    return plans


@contextmanager
def _recorded() -> Iterator[Statements]:
    statements: Statements = []

    def record(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if statement.lstrip().startswith("SELECT"):
            statements.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", record)
