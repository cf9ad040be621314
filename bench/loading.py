"""Brings the data set into an empty database, through the migrations and in large pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text

from bench.dataset import Dataset
from nxfs.auth.models import User
from nxfs.core.database import lift_time_limit
from nxfs.extensions import db
from nxfs.tasks.models import Category, Project, ProjectMember, Task, task_categories

ROWS_AT_ONCE = 5_000


def load(dataset: Dataset) -> None:
    """Load ``dataset`` into the application's database, which the migrations have made."""
    pieces = (
        (User.__table__, dataset.users()),
        (Category.__table__, dataset.categories()),
        (Project.__table__, dataset.projects()),
        (ProjectMember.__table__, dataset.members()),
        (Task.__table__, dataset.tasks()),
        (task_categories, dataset.links()),
    )
    with db.engine.begin() as connection:
        lift_time_limit(connection)
        for table, rows in pieces:
            _insert(connection, table, rows)
            _move_sequence(connection, table)
    _settle()


def _insert(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    remaining: Iterator[dict[str, Any]] = iter(rows)
    while batch := list(islice(remaining, ROWS_AT_ONCE)):
        connection.execute(insert(table), batch)


def _move_sequence(connection: Connection, table: Table) -> None:
    if connection.dialect.name == "postgresql" and "id" in table.c:
        sequence = func.pg_get_serial_sequence(table.name, "id")
        largest = select(func.max(table.c.id)).scalar_subquery()
        connection.execute(select(func.setval(sequence, largest)))


def _settle() -> None:
    """Do what PostgreSQL does by itself a minute after a large change; SQLite does nothing of the kind."""
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            lift_time_limit(connection)
            connection.execute(text("VACUUM ANALYZE"))
