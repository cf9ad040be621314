"""Where delivery is measured: users who share a project, a session for each of their connections, and the server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
from flask import Flask
from sqlalchemy import func, select, text

from bench import loading, place, texts
from bench.dataset import ADMIN_ID, Dataset, Row, Size
from nxfs.app import create_app
from nxfs.auth.models import User, UserSession
from nxfs.auth.service import tokens
from nxfs.config import Config
from nxfs.core import clock, event_log, search
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db
from nxfs.realtime.models import ServerProcess as Process
from nxfs.tasks.models import Project, ProjectMember, Task
from tests.factories.users import PASSWORD_HASH
from tests.server import ServerProcess

# Each user has this many tabs and devices open.
CONNECTIONS_OF_A_USER = 4
PROJECT_ID = 1
TASKS = 200
LETTERS = 500
SESSION = timedelta(days=1)


@dataclass(frozen=True)
class Place:
    """The server under measurement, the same application in this process, and everybody's access tokens.

    ``tokens_path`` is a file with one token a line, of different sessions; each user's are as far apart as possible.
    """

    engine: str
    directory: Path
    server: ServerProcess
    app: Flask
    tokens_path: Path
    token: str


@contextmanager
def begin(engine: str, directory: Path, clients: int, tokens: int) -> Iterator[Place]:
    """Make a database of ``engine`` with users for so many ``clients`` and so many sessions; start a server on it."""
    server = ServerProcess(place.new_database(engine, directory), directory, environment=place.ENVIRONMENT)
    server.flask("db", "upgrade")
    app = create_app(Config.from_environment(server.environment))
    users = clients // CONNECTIONS_OF_A_USER
    with app.app_context():
        _load(users, tokens)
        signed = [_token(number, users) for number in range(1, tokens + 1)]
        place.let_go()
    path = directory / "tokens"
    path.write_text("\n".join(signed), encoding="utf-8")
    with server:
        try:
            yield Place(engine, directory, server, app, path, signed[0])
        finally:
            with app.app_context():
                place.let_go()


def second_server(here: Place) -> ServerProcess:
    """Return another server on the same database, not started yet."""
    environment = {name: value for name, value in here.server.environment.items() if name != "PORT"}
    return ServerProcess(environment["DATABASE_URL"], here.directory, environment=environment)


def worker_of(server: ServerProcess) -> psutil.Process:
    """Return the process that serves; the one that was started only watches over it."""
    return psutil.Process(server.process.pid).children()[0]


def last_event_id(here: Place) -> int:
    """Return the id of the newest event of the log."""
    with here.app.app_context():
        return event_log.last_id()


def find_events(here: Place, types: tuple[str, ...], after: int) -> list[int]:
    """Return the ids of the events of ``types`` that the log has after the event ``after``."""
    condition = EventRecord.type.in_(types) & (EventRecord.id > after)
    with here.app.app_context():
        return list(db.session.scalars(select(EventRecord.id).where(condition)))


def count_processes(here: Place) -> int:
    """Return how many processes the database believes to be alive."""
    with here.app.app_context():
        return db.session.scalar(select(func.count()).select_from(Process)) or 0


def count_transactions(here: Place) -> int:
    """Return how many transactions PostgreSQL has ended in this database, as far as its statistics know."""
    count = text("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
    with here.app.app_context():
        return int(db.session.execute(count).scalar_one())


def _load(users: int, sessions: int) -> None:
    dataset = Dataset(Size(tasks=1, users=users, projects=1), PASSWORD_HASH)
    now = clock.now()
    # The owner is no member.
    members = range(ADMIN_ID + 1, users + 1)
    pieces = (
        (User.__table__, dataset.users()),
        (Project.__table__, ({**row, "user_id": ADMIN_ID} for row in dataset.projects())),
        (ProjectMember.__table__, ({"project_id": PROJECT_ID, "user_id": user, "added_at": now} for user in members)),
        (Task.__table__, (_task(number) for number in range(1, TASKS + 1))),
        (UserSession.__table__, (_session(number, users) for number in range(1, sessions + 1))),
    )
    with db.engine.connect() as connection, connection.begin():
        for table, rows in pieces:
            loading.insert_rows(connection, table, rows)
            loading.move_sequence(connection, table)
    loading.settle()


def _user_of(session_id: int, users: int) -> int:
    return (session_id - 1) % users + 1


def _session(number: int, users: int) -> Row:
    return {"id": number, "user_id": _user_of(number, users), "expires_at": clock.now() + SESSION}


def _token(number: int, users: int) -> str:
    expires_at = clock.now() + SESSION
    user_id = _user_of(number, users)
    return tokens.encode_access_token(user_id=user_id, session_id=number, session_expires_at=expires_at)


def _task(number: int) -> Row:
    title = f"Oppgave {number}"
    description = (f"{texts.COMMON_WORD} " * LETTERS)[:LETTERS]
    return {
        "id": number,
        "user_id": ADMIN_ID,
        "project_id": PROJECT_ID,
        "title": title,
        "title_key": search.sort_key(title),
        "description": description,
        "search_title": search.document_of(title),
        "search_text": search.document_of(description),
    }
