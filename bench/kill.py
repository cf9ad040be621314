"""Kills the server at random moments of acknowledged writes, and checks that each of them is there after the restart.

    python -m bench.kill --engine sqlite|postgresql [--rounds N]

What dies is the server's process group; the database's own crash and a power cut are the database's promise.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any

from flask import Flask

from bench import remains
from bench.remains import CREATED, DELETED, UPDATED, Stored, Write
from nxfs.app import create_app
from nxfs.config import Config
from nxfs.extensions import db
from tests import services
from tests.server import ServerProcess

EMAIL, PASSWORD = "boss@example.com", "salt-lamp-harbour-42"
CLIENTS = 4
CATEGORIES = 3
SHORTEST_ROUND, LONGEST_ROUND = 0.2, 1.5
MOST_SHOWN = 20
STATUS = {CREATED: 201, UPDATED: 200, DELETED: 204}


@dataclass
class Report:
    """What the rounds came to."""

    rounds: int = 0
    acknowledged: int = 0
    in_flight: int = 0
    in_flight_kept: int = 0
    lost: int = 0
    problems: list[str] = field(default_factory=list)


class Client(threading.Thread):
    """Writes tasks of its own over one kept connection until the connection breaks."""

    def __init__(self, name: str, server: ServerProcess, token: str, category_ids: Sequence[int], random: Random):
        super().__init__(name=name, daemon=True)
        self.is_doomed = False
        self.writes: list[Write] = []
        self.failure: str | None = None
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=15)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._category_ids = category_ids
        self._random = random
        self._task_ids: list[int] = []

    def run(self) -> None:
        try:
            while self.failure is None:
                self._write(self._next_write())
        except (OSError, HTTPException) as error:
            # After the kill this is the end; whether the last write was done is for the check to find out.
            if not self.is_doomed:
                self.failure = f"The connection of {self.name} broke before the kill: {error!r}"
        finally:
            self._connection.close()

    def _next_write(self) -> Write:
        request_id = f"{self.name}-{len(self.writes)}"
        event = self._random.choices((CREATED, UPDATED, DELETED), (4, 5, 1))[0] if self._task_ids else CREATED
        if event == CREATED:
            return Write(request_id, CREATED, self._values(request_id))
        task_id = self._random.choice(self._task_ids)
        if event == DELETED:
            self._task_ids.remove(task_id)
            return Write(request_id, DELETED, {}, task_id)
        values = self._values(request_id)
        # The title is never the former one, so that each change counts the version up.
        chosen = {name: value for name, value in values.items() if name == "title" or self._random.random() < 0.5}
        return Write(request_id, UPDATED, chosen, task_id)

    def _values(self, request_id: str) -> dict[str, Any]:
        return {
            "title": f"Task of {request_id}",
            "notes": request_id * self._random.randint(1, 200),
            "priority": self._random.choice(("low", "medium", "high")),
            "estimated_time": self._random.randint(1, 99) / 2,
            "category": sorted(self._random.sample(self._category_ids, self._random.randint(0, CATEGORIES))),
        }

    def _write(self, write: Write) -> None:
        self.writes.append(write)
        method = {CREATED: "POST", UPDATED: "PATCH", DELETED: "DELETE"}[write.event]
        path = f"/api/tasks/{write.task_id}/" if write.task_id else "/api/tasks/"
        body = json.dumps(write.values) if write.values else None
        self._connection.request(method, path, body, {**self._headers, "X-Request-ID": write.request_id})
        response = self._connection.getresponse()
        content = response.read()
        if response.status != STATUS[write.event]:
            self.failure = f"{method} {path} answered {response.status}: {content[:300]!r}"
            return
        answer = json.loads(content) if content else {}
        if any(answer[name] != value for name, value in write.values.items()):
            self.failure = f"{method} {path} answered other values than it was sent: {content[:300]!r}"
            return
        write.is_acknowledged = True
        if write.event == CREATED:
            write.task_id = answer["id"]
            self._task_ids.append(answer["id"])


class Ordeal:
    """A server, the writes that clients sent it, and the checks of what is left of them after each kill."""

    def __init__(self, server: ServerProcess, seed: int) -> None:
        self.report = Report()
        self.app = application(server)
        self._server = server
        self._random = Random(seed)
        self._writes: list[Write] = []
        self._category_ids = create_categories(server)

    def run_round(self) -> None:
        """Let the clients write, kill the server meanwhile, start it again, and check everything written so far."""
        token = sign_in(self._server)
        self.report.rounds += 1
        clients = [self._client(number, token) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(self._random.uniform(SHORTEST_ROUND, LONGEST_ROUND))
        for client in clients:
            client.is_doomed = True
        self._server.kill()
        for client in clients:
            client.join()
        self._server.start()
        self._count([write for client in clients for write in client.writes])
        with self.app.app_context():
            stored = remains.read()
        self._resolve(stored)
        self.report.lost = sum(1 for _ in remains.find_lost(self._writes, stored))
        failures = [client.failure for client in clients if client.failure]
        self.report.problems += [each for each in failures + self.judge(stored) if each not in self.report.problems]

    def judge(self, stored: Stored) -> list[str]:
        """Return a sentence for each thing in ``stored`` that is not as the writes left it."""
        return [
            *stored.damage,
            *remains.find_halves(stored),
            *remains.find_lost(self._writes, stored),
            *remains.find_differences(self._writes, stored),
        ]

    def _client(self, number: int, token: str) -> Client:
        name = f"round{self.report.rounds}-client{number}"
        return Client(name, self._server, token, self._category_ids, Random(self._random.random()))

    def _count(self, writes: list[Write]) -> None:
        self._writes += writes
        self.report.acknowledged += sum(write.is_acknowledged for write in writes)
        self.report.in_flight += sum(not write.is_acknowledged for write in writes)

    def _resolve(self, stored: Stored) -> None:
        """Decide about the writes without an answer: those that were done must stay, the others never happened."""
        kept = []
        for write in self._writes:
            entries = stored.by_request.get(write.request_id)
            if not write.is_acknowledged and entries:
                write.task_id = entries[0].target_id
                write.is_acknowledged = True
                self.report.in_flight_kept += 1
            if write.is_acknowledged:
                kept.append(write)
        self._writes = kept


def application(server: ServerProcess) -> Flask:
    """Return the application of ``server``, to look at its database."""
    names = ("NXFS_ENV", "SECRET_KEY", "DATABASE_URL")
    return create_app(Config.from_environment({name: server.environment[name] for name in names}))


def create_categories(server: ServerProcess) -> list[int]:
    """Create some categories and return their ids."""
    token = sign_in(server)
    names = [f"Category {number}" for number in range(CATEGORIES)]
    return [_post(server, "/api/tasks/categories/", {"name": name}, token)["id"] for name in names]


def sign_in(server: ServerProcess) -> str:
    """Return an access token of the administrator."""
    return str(_post(server, "/api/auth/token/", {"email": EMAIL, "password": PASSWORD})["access"])


def _post(server: ServerProcess, path: str, values: dict[str, Any], token: str | None = None) -> Any:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=15)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request("POST", path, json.dumps(values), headers)
        response = connection.getresponse()
        content = response.read()
    finally:
        connection.close()
    if response.status >= 300:
        raise RuntimeError(f"POST {path} answered {response.status}: {content[:300]!r}")
    return json.loads(content)


@contextmanager
def begin(engine: str, directory: Path, seed: int) -> Iterator[Ordeal]:
    """Start a server with an empty database of ``engine``; stop it afterwards."""
    with begin_server(engine, directory) as server:
        ordeal = Ordeal(server, seed)
        try:
            yield ordeal
        finally:
            let_go(ordeal.app)


@contextmanager
def begin_server(engine: str, directory: Path) -> Iterator[ServerProcess]:
    """Start a server with an empty database of ``engine`` and an administrator; stop it afterwards."""
    is_sqlite = engine == "sqlite"
    url = f"sqlite:///{directory / 'nxfs.db'}" if is_sqlite else services.new_postgresql_database()
    settings = {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD, "LOG_LEVEL": "WARNING"}
    with ServerProcess(url, directory, environment=settings, migrate=True) as server:
        server.flask("admin", "ensure")
        yield server


def let_go(app: Flask) -> None:
    """Close this process's connections to the database of ``app``."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the rounds, print what they came to, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.kill", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory, begin(options.engine, Path(directory), options.seed) as ordeal:
        for _ in range(options.rounds):
            ordeal.run_round()
            print(_summary(options.engine, ordeal.report), flush=True)
    for problem in ordeal.report.problems[:MOST_SHOWN]:
        print(problem)
    return 1 if ordeal.report.problems else 0


def _summary(engine: str, report: Report) -> str:
    return (
        f"{engine}: {report.rounds} rounds, {report.acknowledged} acknowledged writes, {report.lost} lost, "
        f"{report.in_flight} without an answer ({report.in_flight_kept} done), {len(report.problems)} problems"
    )


if __name__ == "__main__":
    sys.exit(main())
