"""Where is measured: a fresh database with the data set in it, the real server on it, and signed-in users."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from bench import loading
from bench.dataset import ADMIN_ID, HEAVY_ID, ORDINARY_ID, Dataset, Row, Size
from nxfs.app import create_app
from nxfs.auth.models import User
from nxfs.config import Config
from nxfs.extensions import db
from tests import services
from tests.factories.users import PASSWORD_HASH, bearer, open_session
from tests.server import ServerProcess

USERS = {"admin": ADMIN_ID, "heavy": HEAVY_ID, "ordinary": ORDINARY_ID}
SHARED_BUFFERS = "512MB"
TASKS_BETWEEN_REPORTS = 50_000
# The sessions outlive the longest run.
ENVIRONMENT = {"LOG_LEVEL": "WARNING", "ACCESS_TOKEN_MINUTES": "1440"}


@dataclass(frozen=True)
class Place:
    """The server under measurement, the same application in this process, and headers that sign users in by role."""

    engine: str
    server: ServerProcess
    app: Flask
    headers: dict[str, dict[str, str]]


class _Reporting(Dataset):
    """The data set that says how far its loading is."""

    def tasks(self) -> Iterator[Row]:
        for number, row in enumerate(super().tasks(), 1):
            yield row
            if number % TASKS_BETWEEN_REPORTS == 0:
                print(f"  {number:,} tasks", flush=True)


@contextmanager
def begin(engine: str, directory: Path, size: Size) -> Iterator[Place]:
    """Make and load a database of ``engine`` and start a server on it; stop it afterwards."""
    server = ServerProcess(new_database(engine, directory), directory, environment=ENVIRONMENT)
    server.flask("db", "upgrade")
    app = create_app(Config.from_environment(server.environment))
    with app.app_context():
        _load(engine, size)
        headers = {role: sign_in(user_id) for role, user_id in USERS.items()}
        let_go()
    with server:
        try:
            yield Place(engine, server, app, headers)
        finally:
            with app.app_context():
                let_go()


def new_database(engine: str, directory: Path) -> str:
    """Return the address of an empty database of ``engine``."""
    if engine == "sqlite":
        return f"sqlite:///{directory / 'nxfs.db'}"
    services.POSTGRESQL_SETTINGS["shared_buffers"] = SHARED_BUFFERS
    return services.new_postgresql_database()


def _load(engine: str, size: Size) -> None:
    print(f"{engine}: loading {size.tasks:,} tasks, {size.users:,} users", flush=True)
    began = time.monotonic()
    loading.load(_Reporting(size, PASSWORD_HASH))
    print(f"  loaded in {time.monotonic() - began:.0f} s", flush=True)


def sign_in(user_id: int) -> dict[str, str]:
    """Return the headers that sign the user in."""
    return bearer(open_session(db.session.get_one(User, user_id)).access)


def let_go() -> None:
    """Close the connections of this process to the database."""
    db.session.remove()
    db.engine.dispose()
