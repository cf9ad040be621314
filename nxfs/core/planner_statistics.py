"""What SQLite's planner goes by: taken after migrations and every day; PostgreSQL's autovacuum keeps its own."""

from __future__ import annotations

from sqlalchemy import Connection

from nxfs.core.transaction import transaction
from nxfs.extensions import db

# Of each index so many rows are looked at: some 40 ms for 200,000 tasks.
ROWS_LOOKED_AT = 1_000
# What full-text search keeps its index in. Of few rows when the figures were taken, all are read for each piece of
# the index that is merged with others: 0.7 s for a change that takes a millisecond, once there are 200,000 tasks.
SEARCH_TABLES = "*_search_*"


def refresh() -> None:
    """Take the figures anew if the database is SQLite: tables grow, and the best plans become others."""
    if db.engine.dialect.name == "sqlite":
        with transaction() as tx:
            take(tx.session.connection())


def take(connection: Connection) -> None:
    """Take the figures of a SQLite database, without those of the tables of full-text search."""
    connection.exec_driver_sql(f"PRAGMA analysis_limit = {ROWS_LOOKED_AT}")
    connection.exec_driver_sql("ANALYZE")
    connection.exec_driver_sql("DELETE FROM sqlite_stat1 WHERE tbl GLOB ?", (SEARCH_TABLES,))
