"""How Alembic runs: on the application's engine, all of an upgrade in one transaction on both engines."""

from typing import Any

from alembic import context
from flask import current_app

from nxfs.core import planner_statistics
from nxfs.core.database import lift_time_limit


def include_object(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Leave out of the comparison what no model can describe: the structures of full-text search."""
    return not (reflected and name and "_search" in name)


def run_migrations() -> None:
    """Upgrade or downgrade on the engine of the current application."""
    database = current_app.extensions["migrate"].db
    with database.engine.connect() as connection:
        lift_time_limit(connection)
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=database.metadata,
            include_object=include_object,
            compare_type=True,
            render_as_batch=True,
            transactional_ddl=True,
        )
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            # SQLite alters a table by copying it, and dropping the original must not delete what refers to its rows.
            # Directly, because inside a transaction this has no effect.
            connection.connection.driver_connection.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                context.run_migrations()
                if is_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
                    raise RuntimeError(f"Rows refer to others that are missing: {broken[:10]}")
        finally:
            if is_sqlite:
                connection.connection.driver_connection.execute("PRAGMA foreign_keys = ON")
        if is_sqlite:
            planner_statistics.take(connection)
            connection.commit()


if context.is_offline_mode():
    raise SystemExit("Offline mode is not supported: the search structures depend on the engine.")
run_migrations()
