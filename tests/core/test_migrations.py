"""Tests of the migrations: from nothing to the models and back, on both engines, with rows inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import func, inspect, select, text

from nxfs.config import PROJECT_ROOT
from nxfs.core.audit import AuditEntry
from nxfs.core.events import EventRecord
from nxfs.core.search_index import Key, Listing, question
from nxfs.extensions import db
from nxfs.tasks.models import Task
from tests import services
from tests.core.laboratory import create_laboratory
from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user, open_session

MIGRATIONS = str(PROJECT_ROOT / "migrations")


@pytest.fixture
def empty(engine_name: str, tmp_path: Path) -> Iterator[Flask]:
    """An application on an empty database of its own."""
    url = f"sqlite:///{tmp_path / 'nxfs.db'}" if engine_name == "sqlite" else services.new_postgresql_database()
    application = create_laboratory(DATABASE_URL=url, LOG_LEVEL="WARNING")
    with application.app_context():
        yield application
        db.session.remove()
        db.engine.dispose()


def tables() -> set[str]:
    """Return the names of the tables, those of full-text search included."""
    return set(inspect(db.engine).get_table_names()) - {"alembic_version", "sqlite_stat1", "sqlite_stat4"}


def fill() -> None:
    """Write a row into every table that the application knows how to fill."""
    owner, member = create_user(), create_user()
    open_session(owner)
    project_id = create_project(owner, members=(member,))
    create_task(owner, title="Blåbær", project=project_id, category=[create_category(owner)])


def find(word: str) -> list[int]:
    """Return the ids of tasks that full-text search finds."""
    return list(db.session.scalars(Listing(Task, question([word], [])).ids([Key(Task.id, False)], count=0)))


def test_upgrade_from_empty_equals_the_models(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    flask_migrate.check(directory=MIGRATIONS)
    assert set(db.metadata.tables) <= tables()


def test_upgrade_twice_does_nothing_the_second_time(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    fill()
    flask_migrate.upgrade(directory=MIGRATIONS)
    assert len(find("blåbær")) == 1


def test_upgrade_names_every_constraint_as_the_models_do(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    inspector = inspect(db.engine)
    for table in db.metadata.sorted_tables:
        named = {str(each["name"]) for each in inspector.get_foreign_keys(table.name)}
        named |= {str(each["name"]) for each in inspector.get_indexes(table.name)}
        named |= {str(each["name"]) for each in inspector.get_check_constraints(table.name)}
        expected = {str(each.name) for each in table.foreign_key_constraints} | {
            str(each.name) for each in table.indexes
        }
        assert expected <= named, table.name


def test_downgrade_with_rows_leaves_nothing_and_upgrade_works_again(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    fill()
    db.session.remove()
    flask_migrate.downgrade(directory=MIGRATIONS, revision="base")
    assert tables() == set()
    flask_migrate.upgrade(directory=MIGRATIONS)
    flask_migrate.check(directory=MIGRATIONS)
    fill()
    assert len(find("blåbær")) == 1
    assert db.session.scalar(select(func.count()).select_from(EventRecord)) > 0
    assert db.session.scalar(select(func.count()).select_from(AuditEntry)) > 0


def test_every_table_is_filled_by_these_tests(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    fill()
    unfilled = {name for name in db.metadata.tables if not db.session.scalar(text(f"SELECT count(*) FROM {name}"))}
    # Written by failed sign-ins and by password resets only.
    assert unfilled == {"sign_in_failures", "password_resets"}
