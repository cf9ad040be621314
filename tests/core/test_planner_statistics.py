"""The figures of SQLite's planner: those of tables that grow, and none of full-text search."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from nxfs.core import planner_statistics
from nxfs.extensions import db
from tests import services
from tests.factories.tasks import create_many_tasks
from tests.factories.users import create_user

pytestmark = pytest.mark.skipif(services.chosen_engine() != "sqlite", reason="PostgreSQL keeps its own figures.")


def plan_of(statement: str) -> str:
    """Return how a new connection would execute the statement."""
    db.session.remove()
    db.engine.dispose()
    return " ".join(row[-1] for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {statement}")))


@pytest.mark.parametrize("table", ["tasks_search", "posts_search", "media_files_search"])
def test_an_index_of_full_text_search_is_never_read_as_a_whole(app, table):
    planner_statistics.refresh()
    # FTS5's own statement when it merges two pieces of an index.
    assert "SEARCH" in plan_of(f"DELETE FROM {table}_data WHERE id >= 5 AND id <= 6")
    assert not db.session.scalar(text("SELECT count(*) FROM sqlite_stat1 WHERE tbl GLOB '*_search_*'"))


def test_refreshed_figures_are_those_of_the_rows_that_are_there(app):
    create_many_tasks(create_user(), 300)
    planner_statistics.refresh()
    figures = db.session.scalar(text("SELECT stat FROM sqlite_stat1 WHERE idx = 'ix_tasks_status_id'"))
    assert figures.split()[0] == "300"
