"""The query plans of a few representative lists, with the SQL that the application sends for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from bench import texts
from bench.cases import COMMON_CATEGORY, Case
from bench.measuring import path_of
from bench.place import Place
from nxfs.core.database import lift_time_limit
from nxfs.extensions import db

# The first ones are shown in the terminal.
SHOWN = 3
_WORD = {"search": texts.COMMON_WORD}
_FILTERED = {"category": COMMON_CATEGORY, "status": "todo", "ordering": "-priority"}
CASES = (
    Case("no filter", "ordinary", {}),
    Case("commonest word", "admin", _WORD),
    Case("commonest word, category, status, by priority", "heavy", _WORD | _FILTERED),
    Case("no filter", "admin", {}),
    Case("category, status, by priority", "admin", _FILTERED),
    Case("commonest word by relevance", "admin", _WORD | {"ordering": "relevance"}),
    Case("commonest word", "ordinary", _WORD),
    Case("overdue by due date", "heavy", {"overdue": "true", "ordering": "due_date"}),
    Case("assigned to me by title", "ordinary", {"assignee": "me", "ordering": "title"}),
)
# The nodes of PostgreSQL's plans; the other lines are their details.
_NODE = re.compile(r"\(cost=|^Execution Time")
_COST = re.compile(r"\(cost=\S+ rows=(\d+) width=\d+\)")


@dataclass(frozen=True)
class Plan:
    """One statement of one case and how the engine runs it."""

    case: Case
    statement: str
    lines: Sequence[str]

    def summary(self) -> list[str]:
        """Return the lines that say what is read, and how."""
        nodes = [line for line in self.lines if _NODE.search(line)] or self.lines
        return [_COST.sub(r"(planned rows=\1)", line) for line in nodes]


def explain_cases(place: Place) -> list[Plan]:
    """Return the plans of the statements that read tasks in each of ``CASES``."""
    with place.app.app_context():
        return [
            Plan(case, statement, _explain(statement, parameters))
            for case in CASES
            for statement, parameters in _capture(place, case)
        ]


def _capture(place: Place, case: Case) -> list[tuple[str, Any]]:
    with _recorded() as statements:
        response = place.app.test_client().get(path_of(case.parameters), headers=place.headers[case.role])
    if response.status_code != 200:
        print(f"  no plan of {case.name}, as {case.role}: it is answered {response.status_code}", flush=True)
        return []
    return [pair for pair in statements if re.search(r"\bFROM tasks", pair[0])]


@contextmanager
def _recorded() -> Iterator[list[tuple[str, Any]]]:
    statements: list[tuple[str, Any]] = []

    def record(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", record)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", record)


def _explain(statement: str, parameters: Any) -> list[str]:
    with db.engine.connect() as connection:
        lift_time_limit(connection)
        if connection.dialect.name == "postgresql":
            rows = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters)
            return [row[0] for row in rows]
        return _as_tree(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all())


def _as_tree(rows: Sequence[Any]) -> list[str]:
    """Return SQLite's plan with each step indented below the one that it is part of."""
    depths = {0: 0}
    lines = []
    for number, parent, _, detail in rows:
        depths[number] = depths.get(parent, 0) + 1
        lines.append("  " * (depths[number] - 1) + detail)
    return lines
