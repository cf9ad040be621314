"""The two servers that are compared, ours and a plain one of socket.io on Node, and the crowd that connects to them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol

import psutil

from bench import realtime_place
from bench.measuring import TIMEOUT_SECONDS
from bench.realtime_place import TASKS, Place
from tests.factories.users import bearer
from tests.realtime.node import NodeProgram
from tests.server import ServerProcess

ROOM = "tasks"
CHANGED = "task_updated"
PROGRAMS = Path(__file__).parent / "node"
CONNECT_SECONDS = 300.0
Answer = dict[str, Any]


class Side(Protocol):
    """A server under measurement."""

    name: str
    port: int

    def process(self) -> psutil.Process:
        """Return the process that serves."""

    def change(self, count: int) -> None:
        """Change something so many times, one after the other; everybody in the room is told of each."""


class Ours:
    """Our server; a change is a request that changes a task."""

    name = "ours"

    def __init__(self, here: Place, server: ServerProcess | None = None) -> None:
        self._server = server or here.server
        self._headers = {**bearer(here.token), "Content-Type": "application/json"}
        # What is changed to what it was before is no change.
        self._title = secrets.token_hex(4)
        self._changes = 0
        self.port = self._server.port

    def process(self) -> psutil.Process:
        """Return the process that serves."""
        return realtime_place.worker_of(self._server)

    def change(self, count: int) -> None:
        """Change the titles of so many tasks over one connection."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)
        for _ in range(count):
            self._changes += 1
            body = json.dumps({"title": f"Oppgave {self._title} {self._changes:06}"})
            connection.request("PATCH", f"/api/tasks/{self._changes % TASKS + 1}/", body, self._headers)
            response = connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise RuntimeError(f"A change was answered {response.status}: {content[:300]!r}")
        connection.close()


class Peer:
    """The server on Node; a change is a broadcast of what ours has sent."""

    name = "Node"

    def __init__(self, program: NodeProgram, payload: Answer) -> None:
        self._program = program
        self._payload = payload
        self.port: int = program.ask("start")["port"]

    def process(self) -> psutil.Process:
        """Return the process that serves."""
        return psutil.Process(self._program.pid)

    def change(self, count: int) -> None:
        """Broadcast so many messages."""
        self._program.ask("broadcast", room=ROOM, count=count, name=CHANGED, payload=self._payload)


class Crowd:
    """Many clients of a server, in a process of their own."""

    def __init__(self, program: NodeProgram, port: int, tokens: Path) -> None:
        self._program = program
        self._address = {"url": f"http://127.0.0.1:{port}", "tokens": str(tokens), "rooms": [ROOM]}

    def connect(self, clients: int, at_once: int) -> Answer:
        """Let so many more clients connect and join; return how it went."""
        values = {"clients": clients, "at_once": at_once, **self._address}
        return self._program.ask("connect", timeout=CONNECT_SECONDS, **values)

    def reconnect(self, at_once: int) -> Answer:
        """Let all come back that are not connected; return how it went."""
        return self._program.ask("reconnect", timeout=CONNECT_SECONDS, at_once=at_once)

    def cut(self) -> int:
        """Cut all connections at once and return how many there were."""
        return int(self._program.ask("cut", timeout=CONNECT_SECONDS)["cut"])

    def forget(self) -> None:
        """Count what comes from now on."""
        self._program.ask("forget")

    def wait(self, changes: int, receipts: int, seconds: float) -> list[Answer]:
        """Wait until so many changes have each come to so many clients, and return the changes.

        Raises TimeoutError when they have not come in time.
        """
        answer = self._wait(changes, receipts, seconds)
        if not answer["complete"]:
            came = [each["received"] for each in answer["events"]]
            raise TimeoutError(f"After {seconds} s {len(came)} of {changes} changes came, to {came[:20]} clients.")
        return answer["events"]

    def has_all(self, changes: int, receipts: int, seconds: float) -> bool:
        """Wait like ``wait``, and return whether they have come in time."""
        return bool(self._wait(changes, receipts, seconds)["complete"])

    def report(self, expected: list[int]) -> Answer:
        """Compare what each client got with the events ``expected``."""
        return self._program.ask("report", timeout=CONNECT_SECONDS, expected=expected)

    def broadcasts(self) -> list[Answer]:
        """Return the changes that came since the last ``forget``."""
        return self._program.ask("broadcasts", timeout=CONNECT_SECONDS, name=CHANGED)["events"]

    def _wait(self, changes: int, receipts: int, seconds: float) -> Answer:
        values = {"name": CHANGED, "events": changes, "receipts": receipts, "timeout_ms": seconds * 1000}
        return self._program.ask("wait", timeout=seconds + TIMEOUT_SECONDS, **values)


@contextmanager
def gather(port: int, tokens: Path) -> Iterator[Crowd]:
    """Start a crowd that will connect to the server at ``port``; end it afterwards."""
    with NodeProgram(PROGRAMS / "crowd.mjs", _ignore) as program:
        yield Crowd(program, port, tokens)


@contextmanager
def start_peer(payload: Answer) -> Iterator[Peer]:
    """Start the server on Node, which sends ``payload``; end it afterwards."""
    with NodeProgram(PROGRAMS / "peer_server.mjs", _ignore) as program:
        yield Peer(program, payload)


def milliseconds_to_last(event: Answer) -> float:
    """Return how long after it had happened the last client heard of a change."""
    occurred_at = datetime.fromisoformat(event["payload"]["occurred_at"])
    return float(event["last"]) - occurred_at.timestamp() * 1000


def _ignore(_: Answer) -> None:
    """The programs tell nothing that they were not asked."""
