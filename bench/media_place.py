"""Where media are measured: a database with a library and posts in it, a storage, and one or two servers on them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from bench import loading, place
from bench.media_data import Library, LibrarySize
from bench.place import Place
from nxfs.app import create_app
from nxfs.auth.models import User
from nxfs.blog.models import MediaFile, MediaUsage, Post, PostImage, PostSlug, Tag, post_tags
from nxfs.config import Config
from nxfs.core.database import lift_time_limit
from nxfs.extensions import db
from nxfs.files.models import FileOwner, StoredFile
from tests.factories.users import PASSWORD_HASH
from tests.server import ServerProcess

# The tables with an inverted index of their words.
SEARCHED = (MediaFile.__tablename__, Post.__tablename__)


@contextmanager
def begin(engine: str, directory: Path, size: LibrarySize) -> Iterator[Place]:
    """Make and load a database of ``engine`` and start a server on it; stop it afterwards."""
    storage = {"MEDIA_URL": f"file://{directory / 'media'}", "MEDIA_QUOTA": "0"}
    # The log tells how often derivatives were made.
    environment = {**place.ENVIRONMENT, **storage, "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
    server = ServerProcess(place.new_database(engine, directory), directory, environment=environment)
    server.flask("db", "upgrade")
    app = create_app(Config.from_environment(server.environment | {"LOG_LEVEL": "WARNING"}))
    with app.app_context():
        _load(engine, Library(size, PASSWORD_HASH))
        headers = {role: place.sign_in(user_id) for role, user_id in place.USERS.items()}
        place.let_go()
    with server:
        try:
            yield Place(engine, server, app, headers)
        finally:
            with app.app_context():
                place.let_go()


def second_server(here: Place, directory: Path) -> ServerProcess:
    """Return another server on the same database and storage, not started yet."""
    environment = {name: value for name, value in here.server.environment.items() if name != "PORT"}
    return ServerProcess(environment["DATABASE_URL"], directory, environment=environment)


def _load(engine: str, library: Library) -> None:
    size = library.size
    print(f"{engine}: loading {size.media:,} files of the library and {size.posts:,} posts", flush=True)
    began = time.monotonic()
    pieces = (
        (User.__table__, library.users()),
        (StoredFile.__table__, library.files()),
        (FileOwner.__table__, library.owners()),
        (MediaFile.__table__, library.media()),
        (Tag.__table__, library.tags()),
        (Post.__table__, library.posts()),
        (PostSlug.__table__, library.slugs()),
        (post_tags, library.post_tags()),
        (MediaUsage.__table__, library.usages()),
        (PostImage.__table__, library.images()),
    )
    with db.engine.connect() as connection:
        lift_time_limit(connection)
        connection.commit()
        with connection.begin():
            structures = _drop_search(connection)
            for table, rows in pieces:
                loading.insert_rows(connection, table, rows)
                loading.move_sequence(connection, table)
            _build_search(connection, structures)
    loading.settle()
    print(f"  loaded in {time.monotonic() - began:.0f} s", flush=True)


def _drop_search(connection: Connection) -> list[str]:
    """Drop what makes each row dear to insert and is built quickly afterwards; return the statements that do that."""
    statements = []
    for table in SEARCHED:
        if connection.dialect.name == "sqlite":
            kind, name = "TRIGGER", f"{table}_search_insert"
            found = f"SELECT sql FROM sqlite_master WHERE name = '{name}'"
        else:
            kind, name = "INDEX", f"ix_{table}_search_document"
            found = f"SELECT indexdef FROM pg_indexes WHERE indexname = '{name}'"
        statements.append(connection.exec_driver_sql(found).scalar_one())
        connection.exec_driver_sql(f"DROP {kind} {name}")
    return statements


def _build_search(connection: Connection, structures: list[str]) -> None:
    if connection.dialect.name == "sqlite":
        for table, statement in zip(SEARCHED, structures, strict=True):
            # The trigger knows how a row is indexed; of no new row but of all.
            values = statement.partition("VALUES (")[2].rpartition(")")[0].replace("new.", "")
            into = f"{table}_search (rowid, title, body, facets)"
            connection.exec_driver_sql(f"INSERT INTO {into} SELECT {values} FROM {table}")
            connection.exec_driver_sql(f"INSERT INTO {table}_search ({table}_search) VALUES ('optimize')")
    for statement in structures:
        connection.exec_driver_sql(statement)
