"""Brings the data set into an empty database, through the migrations and in large pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select, text

from bench.dataset import Dataset
from nxfs.auth.models import User
from nxfs.core.database import lift_time_limit
from nxfs.extensions import db
from nxfs.tasks.models import Category, Project, ProjectMember, Task, task_categories

ROWS_AT_ONCE = 5_000

# What can be built after the rows in a fraction of the time that it takes to keep it up row by row.
SQLITE_STRUCTURES = """
    SELECT type, name, sql FROM sqlite_master
    WHERE tbl_name IN ('tasks', 'task_categories') AND type IN ('index', 'trigger') AND sql IS NOT NULL
"""
POSTGRESQL_STRUCTURES = """
    SELECT 'index', indexname, indexdef FROM pg_indexes
    WHERE tablename IN ('tasks', 'task_categories') AND left(indexname, 2) <> 'pk'
"""


def load(dataset: Dataset, progress: Callable[[str, int], object] = lambda table, count: None) -> None:
    """Load ``dataset`` into the application's database, which the migrations have made.

    ``progress`` is told each table and how many rows went into it.
    """
    pieces = (
        (User.__table__, dataset.users()),
        (Category.__table__, dataset.categories()),
        (Project.__table__, dataset.projects()),
        (ProjectMember.__table__, dataset.members()),
        (Task.__table__, dataset.tasks()),
        (task_categories, dataset.links()),
    )
    with db.engine.connect() as connection:
        lift_time_limit(connection)
        connection.commit()
        with connection.begin():
            structures = _drop_structures(connection)
            for table, rows in pieces:
                progress(table.name, insert_rows(connection, table, rows))
                move_sequence(connection, table)
            _build_structures(connection, structures)
    settle()


def _drop_structures(connection: Connection) -> Sequence[Row[Any]]:
    is_sqlite = connection.dialect.name == "sqlite"
    found = connection.exec_driver_sql(SQLITE_STRUCTURES if is_sqlite else POSTGRESQL_STRUCTURES).all()
    if not is_sqlite:
        connection.exec_driver_sql("ALTER TABLE tasks DISABLE TRIGGER USER")
        connection.exec_driver_sql("ALTER TABLE task_categories DISABLE TRIGGER USER")
    for kind, name, _ in found:
        connection.exec_driver_sql(f"DROP {kind} {name}")
    return found


def _build_structures(connection: Connection, structures: Sequence[Row[Any]]) -> None:
    for _, _, statement in structures:
        connection.exec_driver_sql(statement)
    if connection.dialect.name == "sqlite":
        # The trigger knows how a row is indexed; without its condition it says so of all rows.
        trigger = next(statement for _, name, statement in structures if name == "tasks_search_insert")
        body = trigger.partition("BEGIN")[2].rpartition("WHERE id = new.id")[0]
        connection.exec_driver_sql(body)
        connection.exec_driver_sql("INSERT INTO tasks_search (tasks_search) VALUES ('optimize')")
    else:
        connection.exec_driver_sql("INSERT INTO tasks_search SELECT id, document_of_task(tasks) FROM tasks")
        connection.exec_driver_sql("ALTER TABLE tasks ENABLE TRIGGER USER")
        connection.exec_driver_sql("ALTER TABLE task_categories ENABLE TRIGGER USER")


def insert_rows(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> int:
    """Insert ``rows`` in large pieces and return how many they are."""
    count = 0
    remaining: Iterator[dict[str, Any]] = iter(rows)
    while batch := list(islice(remaining, ROWS_AT_ONCE)):
        connection.execute(insert(table), batch)
        count += len(batch)
    return count


def move_sequence(connection: Connection, table: Table) -> None:
    """Let the next id of ``table`` be one that no row has."""
    if connection.dialect.name == "postgresql" and "id" in table.c:
        sequence = func.pg_get_serial_sequence(table.name, "id")
        largest = select(func.max(table.c.id)).scalar_subquery()
        connection.execute(select(func.setval(sequence, largest)))


def settle() -> None:
    """Do what PostgreSQL does by itself a minute after a large change; SQLite does nothing of the kind."""
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            lift_time_limit(connection)
            connection.execute(text("VACUUM ANALYZE"))
