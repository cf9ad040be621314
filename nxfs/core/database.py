"""The database under the models: column types, engine settings per engine, and the statement counter."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from flask import Flask
from sqlalchemy import (
    JSON,
    URL,
    BigInteger,
    ColumnElement,
    DateTime,
    Engine,
    Integer,
    SmallInteger,
    String,
    event,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, declared_attr, mapped_column
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from nxfs.config import Config
from nxfs.core import clock
from nxfs.extensions import db

# SQLite numbers rows by themselves only in a column declared INTEGER.
BigIdentifier = BigInteger().with_variant(Integer(), "sqlite")
LARGEST_IDENTIFIER = 2**63 - 1

# Waiting inside SQLite blocks the whole process, so it waits little there and the rest between attempts.
SQLITE_BUSY_SECONDS = 0.05
SQLITE_WRITER_WAIT_SECONDS = 5.0
SQLITE_PROGRESS_STEPS = 5_000

_statements: ContextVar[list[int] | None] = ContextVar("statements", default=None)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time; PostgreSQL keeps the zone, SQLite gets it back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored.")
        return value.astimezone(UTC) if dialect.name != "sqlite" else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Ranked(TypeDecorator[str]):
    """A word of a closed list, stored as its rank, so that ordering by it is ordering by the column."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, words: tuple[str, ...]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: str | None, dialect: Dialect) -> int | None:
        return None if value is None else self.words.index(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> str | None:
        return None if value is None else self.words[value]


class IdentifierList(TypeDecorator[list[int]]):
    """Reads numbers that SQL has aggregated into ``3,1,2`` as a sorted list; the result type of such a column only."""

    impl = db.String
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[int]:
        return sorted(int(number) for number in value.split(",")) if value else []


class _JsonObjects(FunctionElement[Any]):
    """Aggregates rows into a JSON array of objects; the arguments are names and columns in turn."""

    name = "json_objects"
    inherit_cache = True


@compiles(_JsonObjects, "sqlite")
def _compile_for_sqlite(element: Any, compiler: Any, **keywords: Any) -> str:
    return f"json_group_array(json_object({compiler.process(element.clauses, **keywords)}))"


@compiles(_JsonObjects, "postgresql")
def _compile_for_postgresql(element: Any, compiler: Any, **keywords: Any) -> str:
    return f"coalesce(json_agg(json_build_object({compiler.process(element.clauses, **keywords)})), '[]')"


class JsonRows(TypeDecorator[list[dict[str, Any]]]):
    """Reads rows that SQL has aggregated, in the order of their names ``order_by``, times as aware UTC times."""

    impl = JSON
    cache_ok = True

    def __init__(self, order_by: tuple[str, ...], moments: tuple[str, ...]) -> None:
        super().__init__()
        self.order_by = order_by
        self.moments = moments

    def process_result_value(self, value: Any, dialect: Dialect) -> list[dict[str, Any]]:
        rows = value or []
        for row in rows:
            for name in self.moments:
                if row[name] is not None:
                    moment = datetime.fromisoformat(row[name])
                    row[name] = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return sorted(rows, key=lambda row: [row[name] for name in self.order_by])


def aggregated(
    columns: Mapping[str, Any], *conditions: ColumnElement[bool], order_by: tuple[str, ...] = ("id",)
) -> ColumnElement[list[dict[str, Any]]]:
    """Return a column of lists: for each row of the statement around it, the rows that meet ``conditions``.

    ``columns`` maps names to columns, ``order_by`` names some of them, none of which may be null.
    """
    # Not bound as parameters, whose type PostgreSQL could not tell.
    pairs = [part for name, column in columns.items() for part in (literal_column(f"'{name}'"), column)]
    moments = tuple(name for name, column in columns.items() if isinstance(column.type, UtcDateTime))
    rows = select(_JsonObjects(*pairs)).where(*conditions).scalar_subquery()
    return type_coerce(rows, JsonRows(order_by, moments))


# SQLite would give the id of a deleted last row to the next one; clients, events and audit would mix the two up.
IDS_ARE_NEVER_REUSED = {"sqlite_autoincrement": True}

# Compared byte by byte on both engines, whatever the database's locale; filled with ``search.sort_key``.
SortKey = String(400).with_variant(String(400, collation="C"), "postgresql")

Identifier = Annotated[int, mapped_column(BigIdentifier, primary_key=True)]
Moment = Annotated[datetime, mapped_column(UtcDateTime)]


class Timestamped:
    """Adds ``created_at`` and ``updated_at``, set by us and never by a client."""

    created_at: Mapped[Moment] = mapped_column(default=clock.now)
    updated_at: Mapped[Moment] = mapped_column(default=clock.now, onupdate=clock.now)


class Versioned:
    """Adds ``version``, counted up by each update of the row: what ``If-Match`` is compared with."""

    version: Mapped[int] = mapped_column(Integer, default=1)

    @declared_attr.directive
    def __mapper_args__(cls) -> Mapping[str, Any]:
        return {"version_id_col": cls.version}


def insert_into(model: type[Any]) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT into the model's table in the dialect of the database, so that it can say ON CONFLICT."""
    dialect = postgresql if db.session.get_bind().dialect.name == "postgresql" else sqlite
    return dialect.insert(model)


def settings(config: Config) -> dict[str, Any]:
    """Return what Flask-SQLAlchemy reads from the application's configuration."""
    url = make_url(config.DATABASE_URL)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    return {"SQLALCHEMY_DATABASE_URI": url, "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(config, url)}


def _engine_options(config: Config, url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {"hide_parameters": True, "connect_args": {"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}}
    milliseconds = int(config.STATEMENT_TIMEOUT_SECONDS * 1000)
    # JIT costs more than it saves in statements of a few milliseconds, and random reads are no longer as slow as the
    # default of random_page_cost assumes.
    planner = "-c jit=off -c random_page_cost=1.1 -c work_mem=16MB"
    options = f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} {planner} -c timezone=UTC"
    return {
        "pool_size": config.DATABASE_POOL_SIZE,
        "max_overflow": 0,
        "pool_timeout": 10,
        "pool_pre_ping": True,
        "hide_parameters": True,
        "connect_args": {"options": options, "connect_timeout": 5, "application_name": "nxfs"},
    }


def init_app(app: Flask) -> None:
    """Attach the statement counter and, on SQLite, pragmas, real transactions and the statement time limit."""
    # Before Flask-SQLAlchemy closes the session: what was answered must not fail because the connection is lost then.
    app.teardown_appcontext(lambda error: _close_session() if db.session.registry.has() else None)
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", _count_statement)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, app.config["STATEMENT_TIMEOUT_SECONDS"])


def end_reading() -> None:
    """Roll the session back, which gives its connection to the pool; one that was lost has nothing left to undo."""
    with _lost_connections_forgiven():
        db.session.rollback()


def _close_session() -> None:
    # Not rolled back, which would make objects unreadable that outlive the context.
    with _lost_connections_forgiven():
        db.session.close()


@contextmanager
def _lost_connections_forgiven() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise


def lift_time_limit(connection: Connection) -> None:
    """Let the statements of ``connection`` take as long as they need: migrations, loading of large data sets."""
    connection.execution_options(has_no_time_limit=True)
    if connection.dialect.name == "postgresql":
        # The pool must not hand it to others without a limit.
        connection.detach()
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SET lock_timeout = 0")


def start_counting() -> list[int]:
    """Begin to count the SQL statements of this greenlet; the returned list's only item is the running count."""
    counter = [0]
    _statements.set(counter)
    return counter


def _count_statement(connection: Connection, cursor: Any, statement: str, *_: object) -> None:
    counter = _statements.get()
    # SQLite's BEGIN is a statement of ours, PostgreSQL's one of the driver's; counted, the engines would differ.
    if counter is not None and not statement.startswith("BEGIN"):
        counter[0] += 1


def _prepare_sqlite(engine: Engine, statement_timeout: float) -> None:
    def connect(connection: sqlite3.Connection, record: Any) -> None:
        # sqlite3 begins transactions by itself, too late for a consistent read; we do it in begin().
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", "cache_size=-65536"):
            connection.execute(f"PRAGMA {pragma}").close()
        # PostgreSQL has it; the trigger that chains the audit log needs it.
        connection.create_function("sha256_hex", 1, _sha256_hex, deterministic=True)
        record.info["deadline"] = None

        def must_stop() -> bool:
            deadline = record.info["deadline"]
            return deadline is not None and time.monotonic() > deadline

        connection.set_progress_handler(must_stop, SQLITE_PROGRESS_STEPS)

    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("is_writer"):
            _begin_writing(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    def limit_time(connection: Connection, *_: object) -> None:
        # Not lifted after the statement: SQLite finds many rows only when they are fetched.
        is_limited = not connection.get_execution_options().get("has_no_time_limit")
        connection.info["deadline"] = time.monotonic() + statement_timeout if is_limited else None

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
    event.listen(engine, "before_cursor_execute", limit_time)


def _sha256_hex(text: str | None) -> str | None:
    return None if text is None else sha256(text.encode()).hexdigest()


def _begin_writing(connection: Connection) -> None:
    """Take SQLite's write lock, which another process (a ``flask`` command) may hold; do not block the loop."""
    give_up_at = time.monotonic() + SQLITE_WRITER_WAIT_SECONDS
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(SQLITE_BUSY_SECONDS)
