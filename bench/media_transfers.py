"""How long a photograph takes to upload, what others notice of it, and how often a new derivative is made."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.latency import ALONE_SECONDS, Latency, poll
from bench.measuring import KeptConnection
from bench.media_place import second_server
from bench.photo import TURNED, photograph
from bench.place import Place
from nxfs.config import PROJECT_ROOT
from nxfs.files.formats import LIBRARY
from tests.server import ServerProcess

UPLOADS = 10
PARALLEL_UPLOADS, PARALLEL_ROUNDS = 4, 3
REQUESTS_AT_ONCE = 100
MOST_SECONDS = 120
# Made by one process, and by two that are asked at the same time.
WIDTH, SHARED_WIDTH = 800, 1600


@dataclass(frozen=True)
class UploadLatency:
    """Uploads of one kind, and a poller's requests meanwhile."""

    name: str
    uploads: Latency
    meanwhile: Latency


@dataclass(frozen=True)
class Uploads:
    """What was uploaded, the poller alone, and each kind of uploads; the last one is several at once."""

    photograph_bytes: int
    alone: Latency
    kinds: Sequence[UploadLatency]


@dataclass(frozen=True)
class DerivativeRequests:
    """A hundred requests at once for a derivative that there was not: their times, and how often it was made."""

    name: str
    times: Latency
    made: int
    answers: int
    failed: int


def measure_transfers(here: Place, directory: Path) -> tuple[Uploads, list[DerivativeRequests]]:
    """Measure uploads, then the derivatives of the file that was uploaded last."""
    paths = {"landscape": directory / "landscape.jpg", "turned": directory / "turned.jpg"}
    paths["landscape"].write_bytes(photograph(LIBRARY.most_bytes))
    paths["turned"].write_bytes(photograph(LIBRARY.most_bytes, orientation=TURNED))
    connection = KeptConnection(here.server.port, here.headers["ordinary"])
    end = time.monotonic() + ALONE_SECONDS
    poll(connection, lambda: time.monotonic() < end - ALONE_SECONDS / 2)
    alone = poll(connection, lambda: time.monotonic() < end)
    kinds, answer = [], None
    for name, path, rounds, parallel in (
        ("one after the other", paths["landscape"], UPLOADS, 1),
        ("one after the other, turned", paths["turned"], UPLOADS, 1),
        (f"{PARALLEL_UPLOADS} at once", paths["landscape"], PARALLEL_ROUNDS, PARALLEL_UPLOADS),
    ):
        kind, answer = _measure_uploads(here, connection, name, path, rounds, parallel)
        kinds.append(kind)
    connection.close()
    uploads = Uploads(paths["landscape"].stat().st_size, alone, kinds)
    return uploads, _measure_derivatives(here, directory, answer)


def _measure_uploads(
    here: Place, connection: KeptConnection, name: str, path: Path, rounds: int, parallel: int
) -> tuple[UploadLatency, Any]:
    arguments = ["upload", str(here.server.port), str(path), str(rounds), str(parallel)]
    with _client(arguments) as process:
        process.stdin.write(here.headers["heavy"]["Authorization"])
        process.stdin.close()
        end = time.monotonic() + MOST_SECONDS
        # What it prints at its end fits into a pipe, so that it need not be read meanwhile.
        meanwhile = poll(connection, lambda: process.poll() is None and time.monotonic() < end)
        told = _end(process)
    return UploadLatency(name, Latency(told["times"]), meanwhile), told["answer"]


def _measure_derivatives(here: Place, directory: Path, file: Any) -> list[DerivativeRequests]:
    alone = _ask_at_once("one process", [here.server], file, WIDTH)
    with second_server(here, directory) as other:
        return [alone, _ask_at_once("two processes", [here.server, other], file, SHARED_WIDTH)]


def _ask_at_once(name: str, servers: Sequence[ServerProcess], file: Any, width: int) -> DerivativeRequests:
    urls = [
        file["thumbnail_url"].replace("/320.webp", f"/{width}.webp").replace(servers[0].url, server.url)
        for server in servers
    ]
    before = _count_made(servers)
    with _client(["fetch", str(REQUESTS_AT_ONCE), *urls]) as process:
        output, errors = process.communicate(timeout=MOST_SECONDS)
    if process.returncode:
        raise RuntimeError(f"Not every derivative was answered:\n{errors}")
    results = json.loads(output)
    return DerivativeRequests(
        name,
        Latency([took for _, _, took in results]),
        _count_made(servers) - before,
        len({digest for _, digest, _ in results}),
        sum(status != 200 for status, _, _ in results),
    )


def _count_made(servers: Sequence[ServerProcess]) -> int:
    return sum(server.log().count('"derivative made"') for server in servers)


def _client(arguments: Sequence[str]) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, "-m", "bench.media_client", *arguments], cwd=PROJECT_ROOT, text=True, **pipes
    )


def _end(process: subprocess.Popen[str]) -> Any:
    process.kill()
    output, errors = process.stdout.read(), process.stderr.read()
    if process.wait():
        raise RuntimeError(f"Not everything was uploaded:\n{errors}")
    return json.loads(output)
