"""Sends many ids as a background job, and looks meanwhile: how far it is, and how long others wait."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from bench.bulk_requests import ALL_FOUR, UPDATE, Deck, Scale, values_of
from bench.dataset import ADMIN_ID
from bench.latency import Latency
from bench.measuring import TIMEOUT_SECONDS, KeptConnection
from bench.place import Place
from nxfs.core.jobs.models import UNFINISHED

# What others ask for meanwhile, and who: the list as somebody who sees all tasks.
ASKED = {"/api/auth/me/": "ordinary", "/api/tasks/": "admin"}
ASK_SECONDS = 0.05
LOOK_SECONDS = 0.1
JOB_SECONDS = 600
STREAM_SECONDS = 10


@dataclass(frozen=True)
class JobResults:
    """What came of the job; ``looked`` and ``pushed`` are the different values of its progress, in their order."""

    ids: int
    queueing: float
    seconds: float
    job: dict[str, Any]
    looked: Sequence[float]
    pushed: Sequence[float]
    quiet: dict[str, Latency]
    meanwhile: dict[str, Latency]


class Asker(threading.Thread):
    """Asks for one path again and again over a connection of its own."""

    def __init__(self, here: Place, path: str) -> None:
        super().__init__(daemon=True)
        self.path = path
        self._connection = KeptConnection(here.server.port, here.headers[ASKED[path]])
        self._times: list[float] = []
        self._is_over = threading.Event()
        self._failure: str | None = None

    def run(self) -> None:
        while self._failure is None and not self._is_over.is_set():
            try:
                response, content, milliseconds = self._connection.get(self.path)
            except (OSError, HTTPException) as error:
                self._failure = repr(error)
                return
            self._times.append(milliseconds)
            if response.status != 200:
                self._failure = f"{response.status}: {content[:300]!r}"
            self._is_over.wait(max(0.0, ASK_SECONDS - milliseconds / 1000))

    def finish(self) -> Latency:
        """End the thread and return how long its requests took; raise RuntimeError when one was not answered."""
        self._is_over.set()
        self.join()
        self._connection.close()
        if self._failure is not None:
            raise RuntimeError(f"GET {self.path} was answered {self._failure}")
        return Latency(self._times)


class Stream(threading.Thread):
    """Reads what is pushed to the owner about jobs."""

    def __init__(self, here: Place) -> None:
        super().__init__(daemon=True)
        self.messages: list[dict[str, Any]] = []
        self._connection = HTTPConnection("127.0.0.1", here.server.port, timeout=TIMEOUT_SECONDS)
        self._connection.request("GET", f"/api/events/?rooms=user_{ADMIN_ID}", headers=here.headers["admin"])
        self._response = self._connection.getresponse()
        if self._response.status != 200:
            raise RuntimeError(f"The stream was answered {self._response.status}: {self._response.read()[:300]!r}")

    def run(self) -> None:
        name = b""
        for line in self._response:
            field, _, value = line.strip().partition(b": ")
            if field == b"event":
                name = value
            elif field == b"data" and name == b"job_progress":
                self.messages.append(json.loads(value)["job"])
                if self.messages[-1]["state"] not in UNFINISHED:
                    break
        self._connection.close()


def measure(here: Place, scale: Scale, deck: Deck) -> JobResults:
    """Measure others while it is quiet, then while a job changes tasks of ``deck``."""
    quiet = _ask(here)
    time.sleep(scale.quiet_seconds)
    times_alone = {asker.path: asker.finish() for asker in quiet}
    stream = Stream(here)
    stream.start()
    connection = KeptConnection(here.server.port, here.headers["admin"])
    values = {"task_ids": deck.deal(scale.job_ids), "updates": values_of(ALL_FOUR, 0)}
    askers = _ask(here)
    began = time.monotonic()
    response, content, queueing = connection.send("POST", UPDATE, values, {"Prefer": "respond-async"})
    if response.status != 202:
        raise RuntimeError(f"The job was answered {response.status}: {content[:300]!r}")
    looks = _look_until_ended(connection, response.headers["Location"])
    seconds = time.monotonic() - began
    times_meanwhile = {asker.path: asker.finish() for asker in askers}
    stream.join(STREAM_SECONDS)
    connection.close()
    return JobResults(
        ids=scale.job_ids,
        queueing=queueing,
        seconds=seconds,
        job=looks[-1],
        looked=_different(looks),
        pushed=_different(stream.messages),
        quiet=times_alone,
        meanwhile=times_meanwhile,
    )


def _ask(here: Place) -> list[Asker]:
    askers = [Asker(here, path) for path in ASKED]
    for asker in askers:
        asker.start()
    return askers


def _look_until_ended(connection: KeptConnection, path: str) -> list[dict[str, Any]]:
    looks: list[dict[str, Any]] = []
    deadline = time.monotonic() + JOB_SECONDS
    while not looks or looks[-1]["state"] in UNFINISHED:
        if time.monotonic() > deadline:
            raise RuntimeError(f"The job has not ended: {looks[-1]}")
        time.sleep(LOOK_SECONDS)
        response, content, _ = connection.get(path)
        if response.status != 200:
            raise RuntimeError(f"GET {path} answered {response.status}: {content[:300]!r}")
        looks.append(json.loads(content))
    return looks


def _different(looks: Sequence[dict[str, Any]]) -> list[float]:
    return list(dict.fromkeys(look["progress"] for look in looks if look["progress"] is not None))
