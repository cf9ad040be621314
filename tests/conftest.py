"""What every test has: the application on a migrated database of the chosen engine, emptied after each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask

from nxfs.app import AUDIT_ACTIONS, create_app
from nxfs.config import Config
from nxfs.core import audit
from nxfs.extensions import db
from nxfs.files.service.inspectors import inspectors
from tests import audited, services
from tests.client import DocumentedClient

SECRET_KEY = "a-key-for-tests-0123456789-abcdefghijklmnop"


@pytest.fixture(scope="session")
def engine_name() -> str:
    """The engine of this run: ``sqlite`` or ``postgresql``."""
    return services.chosen_engine()


@pytest.fixture(scope="session")
def app(engine_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application, on a database that the migrations made."""
    file = tmp_path_factory.mktemp("database") / "nxfs.db"
    url = f"sqlite:///{file}" if engine_name == "sqlite" else services.postgresql_url()
    settings = {
        "NXFS_ENV": "test",
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": url,
        "LOG_LEVEL": "WARNING",
        "RATELIMIT_ENABLED": "false",
        "MEDIA_URL": f"file://{tmp_path_factory.mktemp('media')}",
        "AUDIT_ARCHIVE": str(tmp_path_factory.mktemp("audit")),
    }
    application = create_app(Config.from_environment(settings))
    audit.install(application, (*AUDIT_ACTIONS, audited.ACTIONS))
    application.test_client_class = DocumentedClient
    with application.app_context():
        flask_migrate.upgrade(directory=str(Path(application.root_path).parent / "migrations"))
    yield application
    inspectors.end()
    with application.app_context():
        db.engine.dispose()


@pytest.fixture(autouse=True)
def context(request: pytest.FixtureRequest) -> Iterator[None]:
    """An application context around each test that uses the application, and empty tables after it."""
    if "app" not in request.fixturenames:
        yield
        return
    application: Flask = request.getfixturevalue("app")
    with application.app_context():
        yield
        empty_tables()


def empty_tables() -> None:
    """Delete all rows, of all tables at once: half a hundred statements take longer than they have to do."""
    db.session.rollback()
    statements = [f"DELETE FROM {table.name}" for table in reversed(db.metadata.sorted_tables)]
    if db.engine.dialect.name == "postgresql":
        statements = ["; ".join(statements)]
    connection = db.session.connection()
    for statement in statements:
        connection.exec_driver_sql(statement)
    db.session.commit()


@pytest.fixture
def client(app: Flask) -> DocumentedClient:
    """A client of the application."""
    return app.test_client()  # type: ignore[return-value]
