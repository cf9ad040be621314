"""Where bulk operations are measured: our server, and one of Django REST Framework with the same rows beside it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from bench import place
from bench.dataset import Size
from bench.place import Place
from nxfs.config import PROJECT_ROOT
from tests.services import free_port

SETTINGS = "bench.peer.settings"
START_SECONDS = 60
STOP_SECONDS = 10


@dataclass(frozen=True)
class Peer:
    """The other server: its port, and the headers that sign its administrator in."""

    port: int
    headers: dict[str, str]


@dataclass(frozen=True)
class Pair:
    """Both servers, with the same tasks, on databases of the same engine."""

    ours: Place
    peer: Peer


@contextmanager
def begin(engine: str, directory: Path, size: Size) -> Iterator[Pair]:
    """Make and load a database of ``engine`` for each server and start both; stop them afterwards."""
    with place.begin(engine, directory, size) as ours:
        beside = directory / "peer"
        beside.mkdir()
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "PEER_DATABASE": place.new_database(engine, beside),
            "PEER_SECRET": secrets.token_urlsafe(48),
            "PYTHONPATH": str(PROJECT_ROOT),
        }
        token = _fill(environment, size.tasks)
        with _serve(environment, beside) as port:
            yield Pair(ours, Peer(port, {"Authorization": f"Token {token}"}))


def _fill(environment: dict[str, str], tasks: int) -> str:
    began = time.monotonic()
    command = [sys.executable, "-m", "django", "fill", str(tasks)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"The peer's database could not be filled:\n{done.stderr[-4000:]}")
    print(f"  the same for Django in {time.monotonic() - began:.0f} s", flush=True)
    return done.stdout.strip()


@contextmanager
def _serve(environment: dict[str, str], directory: Path) -> Iterator[int]:
    port, log_path = free_port(), directory / "server.log"
    # Started elsewhere, because gunicorn would read our configuration where that is.
    command = [sys.executable, "-m", "gunicorn", "--worker-class=gthread", "--threads=1", f"--bind=127.0.0.1:{port}"]
    options = ["--keep-alive=75", "--timeout=600", "--no-control-socket", "bench.peer.wsgi:application"]
    with log_path.open("wb") as log:
        process = subprocess.Popen([*command, *options], cwd=directory, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The peer did not start:\n{log_path.read_text()[-4000:]}")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True
