"""The server stops, crashes and comes back on the same port: clients are told, come back, and have lost nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import requests

from tests.realtime.event_source import EventSource
from tests.realtime.payloads import require_valid
from tests.realtime.people import Person
from tests.realtime.socket_client import POLLING, SocketClient
from tests.server import ServerProcess

Connect = Callable[..., SocketClient]
Listen = Callable[..., EventSource]
# GRACEFUL_TIMEOUT_SECONDS of the server is 10: open streams must not make it wait for that long.
STOP_SECONDS = 6


@pytest.fixture(autouse=True)
def running(server: ServerProcess) -> None:
    """Leave a server that runs to the tests after these."""
    yield
    if not server.is_running():
        server.start()


def titles_of(client: SocketClient | EventSource) -> list[str]:
    """Return the titles of the tasks that were created, in the order in which the client was told."""
    if isinstance(client, SocketClient):
        return [payload["task"]["title"] for payload in client.payloads("task_created")]
    return [event.payload["task"]["title"] for event in client.events if event.name == "task_created"]


def come_back(socket: SocketClient, connections: int) -> None:
    """Wait until the client has connected by itself, and join again as it should."""
    socket.wait_until(lambda: len(socket.socket_ids) > connections, timeout=20)
    newest = max(payload["event_id"] for _, payload in socket.events if "event_id" in payload)
    assert socket.join("tasks", since=newest)["resync_required"] is False


def test_a_stop_tells_all_clients_and_they_come_back_without_a_loss(
    connect: Connect, listen: Listen, server: ServerProcess, kari: Person
) -> None:
    sockets = [connect(kari, reconnection=True), connect(kari, reconnection=True, transports=POLLING)]
    streams = [listen(kari, "tasks"), listen(kari, "tasks")]
    for socket in sockets:
        socket.join("tasks")
    kari.create_task("Before")
    for each in (*sockets, *streams):
        each.wait_for("task_created")
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < STOP_SECONDS
    closings = [each.wait_for("closing") for each in sockets] + [each.wait_for("closing").payload for each in streams]
    for closing in closings:
        require_valid("closing", closing)
        assert (closing["reason"], closing["reconnect"]) == ("server_draining", True)
    for socket in sockets:
        # Not "io server disconnect", after which a client stays away.
        assert socket.wait_for_disconnect() in ("transport close", "transport error")
    server.start()
    kari.create_task("After")
    for socket in sockets:
        come_back(socket, 1)
    for each in (*sockets, *streams):
        each.wait_for("task_created", lambda found: "After" in str(found), timeout=20)
        assert titles_of(each) == ["Before", "After"]
    kari.create_task("Live")
    for each in (*sockets, *streams):
        each.wait_for("task_created", lambda found: "Live" in str(found))


def test_a_crash_in_the_middle_of_writes_loses_nothing_that_was_acknowledged(
    connect: Connect, listen: Listen, server: ServerProcess, kari: Person, ola: Person
) -> None:
    socket, stream = connect(ola, reconnection=True), listen(ola, "tasks")
    socket.join("tasks")
    stream.wait_for("ready")
    written: list[str] = []

    def write() -> None:
        for number in range(2_000):
            try:
                task = kari.create_task(str(number), assignee_id=ola.id)
            except requests.ConnectionError:
                return
            written.append(task["title"])

    writing = threading.Thread(target=write)
    writing.start()
    socket.wait_until(lambda: len(titles_of(socket)) >= 20)
    server.kill()
    writing.join()
    assert socket.wait_for_disconnect()
    server.start()
    kari.create_task("After", assignee_id=ola.id)
    come_back(socket, 1)
    for each in (socket, stream):
        each.wait_for("task_created", lambda found: "After" in str(found), timeout=20)
        titles = titles_of(each)
        # The last one may have been committed without its answer having reached the writer.
        assert titles in ([*written, "After"], [*written, str(len(written)), "After"])
    # The events may have been faster than the answers.
    assert len(written) >= 19
