"""A real server with a storage of its own, a user who is signed in there, and what is left of uploads."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from sqlalchemy import select

from nxfs.app import create_app
from nxfs.config import Config
from nxfs.extensions import db
from nxfs.files.models import StoredFile
from tests import services
from tests.factories.users import bearer, create_user, open_session
from tests.server import ServerProcess

UPLOAD, MEDIA = "/api/blog/media/upload/", "/api/blog/media/"
BOUNDARY = "----nxfs-test"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
WAITING_SECONDS = 30
INSPECTOR = "nxfs.files.inspection.worker"


@dataclass(frozen=True)
class Answer:
    """What the server answered to bytes; ``status`` 0 stands for a connection that ended without an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass
class Site:
    """The server, its storage on disk, the application on the same database in this process, and a signed-in user."""

    server: ServerProcess
    directory: Path
    app: Flask
    browser: requests.Session
    user_id: int

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request as the user; ``path`` may be a whole address."""
        return self.browser.request(method, path if "://" in path else self.server.url + path, timeout=60, **options)

    def upload(self, content: bytes, filename: str = "cabin.jpg") -> requests.Response:
        """Upload a file into the library."""
        return self.call("POST", UPLOAD, files={"file": (filename, content, "application/octet-stream")})

    def head(self, *lines: str, path: str = UPLOAD) -> bytes:
        """Return the head of an upload as it is sent, with more header ``lines``."""
        authorization = f"Authorization: {self.browser.headers['Authorization']}"
        host = self.server.url.removeprefix("http://")
        start = (f"POST {path} HTTP/1.1", f"Host: {host}", authorization, f"Content-Type: {FORM}", *lines)
        return "\r\n".join(start).encode() + b"\r\n\r\n"

    def send(self, *pieces: bytes, hang_up: bool = False) -> Answer:
        """Send bytes over a connection of their own, and return the first answer; or do not wait for one."""
        with socket.create_connection(("127.0.0.1", self.server.port), WAITING_SECONDS) as connection:
            # The server may answer, and close, before everything is sent.
            with suppress(ConnectionError):
                for piece in pieces:
                    connection.sendall(piece)
            return Answer(0) if hang_up else _read_answer(connection)

    def listed(self) -> list[dict[str, Any]]:
        """Return the library."""
        answer = self.call("GET", MEDIA, params={"page_size": 100})
        assert answer.status_code == 200, answer.text
        return answer.json()["results"]

    def names(self) -> set[str]:
        """Return the names of the files that have rows."""
        return set(self.digests())

    def digests(self) -> dict[str, str]:
        """Return the names of the files that have rows, with the SHA-256 of their contents."""
        with self.app.app_context():
            digests = dict(db.session.execute(select(StoredFile.name, StoredFile.sha256)).all())
            db.session.remove()
        return digests

    def stored(self) -> set[str]:
        """Return the names of the originals on disk."""
        return {path.name for path in self.directory.glob("originals/*/*")}

    def derived(self) -> set[str]:
        """Return the names of the derivatives on disk."""
        return {path.name for path in self.directory.glob("derivatives/*/*")}

    def incoming(self) -> set[str]:
        """Return what lies where uploads wait."""
        return {path.name for path in self.directory.glob("incoming/*")}

    def media(self, *arguments: str) -> int:
        """Run ``flask media`` in this process and return its exit code."""
        with self.app.app_context():
            code = self.app.test_cli_runner().invoke(args=["media", *arguments]).exit_code
            db.session.remove()
        return code

    def gunicorn_pids(self) -> list[int]:
        """Return the processes of the server itself: the master first, so that it starts no worker for a killed one."""
        return [pid for pid, command in self._processes() if INSPECTOR not in command]

    def inspector_pids(self) -> list[int]:
        """Return the children that inspect files, of this server and of those that were there before it."""
        return [pid for pid, command in self._processes() if INSPECTOR in command]

    def kill(self) -> list[int]:
        """End the server with SIGKILL, but none of its children; return those that inspect files."""
        inspectors = self.inspector_pids()
        for pid in self.gunicorn_pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.server.process.wait()
        return inspectors

    def _processes(self) -> Iterator[tuple[int, str]]:
        """Yield the processes of the session that the server leads, by their ids."""
        for path in sorted(Path("/proc").glob("[0-9]*"), key=lambda each: int(each.name)):
            # It may end meanwhile.
            with suppress(OSError):
                state = (path / "stat").read_text().rpartition(")")[2].split()
                if int(state[3]) == self.server.process.pid and state[0] != "Z":
                    yield int(path.name), (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def form(*parts: tuple[str, str, bytes]) -> bytes:
    """Return the body of a form of files: field, filename (as it stands in the header) and content."""
    return b"".join(part_head(name, filename) + content + b"\r\n" for name, filename, content in parts) + END


END = f"--{BOUNDARY}--\r\n".encode()


def part_head(name: str = "file", filename: str = "cabin.jpg", more: str = "") -> bytes:
    """Return the head of one file of a form."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"{more}'
    return f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()


def chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield ``pieces`` as the chunks of a body without a length."""
    for piece in pieces:
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"


@contextmanager
def begin(directory: Path, **settings: str) -> Iterator[Site]:
    """Start a server with an empty database of the chosen engine and an empty storage; stop it afterwards."""
    is_sqlite = services.chosen_engine() == "sqlite"
    url = f"sqlite:///{directory / 'nxfs.db'}" if is_sqlite else services.new_postgresql_database()
    media = directory / "media"
    environment = {"MEDIA_URL": f"file://{media}", "LOG_FORMAT": "json", **settings}
    with ServerProcess(url, directory, environment=environment, migrate=True) as server:
        app = create_app(Config.from_environment(server.environment | {"LOG_LEVEL": "WARNING"}))
        with app.app_context():
            user = create_user()
            headers = bearer(open_session(user).access)
        try:
            with requests.Session() as browser:
                browser.headers.update(headers)
                yield Site(server, media, app, browser, user.id)
        finally:
            with app.app_context():
                db.session.remove()
                db.engine.dispose()


def _read_answer(connection: socket.socket) -> Answer:
    response = HTTPResponse(connection)
    try:
        response.begin()
        return Answer(response.status, dict(response.headers), response.read())
    except (ConnectionError, HTTPException):
        return Answer(0)
    finally:
        response.close()
