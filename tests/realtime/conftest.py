"""One server process for all tests over the wire, its administrator, and clients that end with their test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests import services
from tests.realtime.event_source import EventSource, EventSources
from tests.realtime.people import PASSWORD, Person
from tests.realtime.polling import Polling
from tests.realtime.socket_client import SocketClient, SocketClients
from tests.server import ServerProcess

# The page knows no database; a browser is slow.
collect_ignore = [] if services.chosen_engine() == "sqlite" else ["test_live_page.py"]

ADMIN = "boss@example.com"
FRONT_END = "https://front.example"
SETTINGS = {
    "ADMIN_EMAIL": ADMIN,
    "ADMIN_PASSWORD": PASSWORD,
    "CORS_ORIGINS": FRONT_END,
    "GRACEFUL_TIMEOUT_SECONDS": "10",
    "LOG_FORMAT": "json",
    "PRESENCE_GRACE_SECONDS": "0",
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with an administrator; a test that stops it starts it again."""
    directory = tmp_path_factory.mktemp("realtime")
    is_sqlite = services.chosen_engine() == "sqlite"
    url = f"sqlite:///{directory / 'nxfs.db'}" if is_sqlite else services.new_postgresql_database()
    with ServerProcess(url, directory, environment=SETTINGS, migrate=True) as process:
        process.flask("admin", "ensure")
        yield process
    # Whatever clients sent, and however they went.
    for defect in ("unhandled exception", "cannot be shown", "could not begin", "Traceback"):
        assert defect not in process.log(), f"{process.log_path} has: {defect}"


@pytest.fixture(scope="session")
def database(server: ServerProcess) -> Iterator[sa.Engine]:
    """The server's database, for what no request shows."""
    engine = sa.create_engine(server.environment["DATABASE_URL"], poolclass=sa.NullPool)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def admin(server: ServerProcess) -> Iterator[Person]:
    """The administrator."""
    person = Person(server, ADMIN)
    yield person
    person.close()


@pytest.fixture(scope="session")
def newcomer(server: ServerProcess) -> Iterator[Callable[[], Person]]:
    """A function that gives somebody new, or with a person that person with another session."""
    people: list[Person] = []

    def arrive(person: Person | None = None) -> Person:
        people.append(person.again() if person else Person(server))
        return people[-1]

    yield arrive
    for person in people:
        person.close()


@pytest.fixture(scope="session")
def kari(newcomer: Callable[[], Person]) -> Person:
    """Somebody; no test ends this session."""
    return newcomer()


@pytest.fixture(scope="session")
def ola(newcomer: Callable[[], Person]) -> Person:
    """Somebody else; no test ends this session."""
    return newcomer()


@pytest.fixture(scope="session")
def socket_clients() -> Iterator[SocketClients]:
    """The Node process of all Socket.IO clients."""
    with SocketClients() as clients:
        yield clients


@pytest.fixture(scope="session")
def event_sources() -> Iterator[EventSources]:
    """The Node process of all EventSources."""
    with EventSources() as sources:
        yield sources


@pytest.fixture
def connect(server: ServerProcess, socket_clients: SocketClients) -> Iterator[Callable[..., SocketClient]]:
    """A function that connects a person, or whoever the options say, by WebSocket unless they say otherwise."""
    opened: list[SocketClient] = []

    def open_socket(person: Person | None = None, **options: Any) -> SocketClient:
        options = {"transports": ["websocket"], "token": person.token if person else None, **options}
        is_awaited = options.pop("wait", True)
        client = socket_clients.open(server.url, wait=False, **options)
        opened.append(client)
        if is_awaited:
            client.wait_until_connected()
        return client

    yield open_socket
    for client in opened:
        client.close()


@pytest.fixture
def listen(event_sources: EventSources) -> Iterator[Callable[..., EventSource]]:
    """A function that opens a person's stream of rooms, with the token in the header unless a ticket is given."""
    opened: list[EventSource] = []

    def open_stream(person: Person, *rooms: str, **query: Any) -> EventSource:
        token = None if "ticket" in query else query.pop("token", person.token)
        opened.append(event_sources.open(person.stream_url(*rooms, **query), token=token))
        return opened[-1]

    yield open_stream
    for stream in opened:
        stream.close()


@pytest.fixture
def poll(server: ServerProcess) -> Iterator[Callable[..., Polling]]:
    """A function that connects a person over plain HTTP requests, to send what no well-behaved client sends."""
    opened: list[Polling] = []

    def open_polling(person: Person, **headers: str) -> Polling:
        opened.append(Polling(server.url, person.token, headers=headers))
        return opened[-1]

    yield open_polling
    for client in opened:
        client.close()
