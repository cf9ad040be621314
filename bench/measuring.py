"""Asks the server for the lists of ``bench.cases``, one by one over a kept connection, and takes the time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from math import ceil
from statistics import median
from urllib.parse import urlencode

from bench import cases
from bench.cases import Case, Parameters
from bench.place import Place

MEASURED_REQUESTS = 5
PAGE_SIZE = "25"
# A case this slow has missed its figure; measuring it all five times would only take long.
MOST_SECONDS = 10.0
KEPT_SECONDS = 60
TIMEOUT_SECONDS = 60
# What a browser says, so that compression is part of what is measured.
BROWSER = {"Accept-Encoding": "gzip, deflate, br, zstd"}

NO_FILTER, FILTERS, SEARCHES, ORDERINGS, COMBINATIONS = GROUPS = (
    "no filter",
    "each filter alone",
    "searches",
    "orderings",
    "random combinations",
)


@dataclass(frozen=True)
class Measurement:
    """One case and what came of it; times in milliseconds, ``failure`` an answer that should not have come."""

    case: Case
    group: str
    server_times: Sequence[float]
    wall_times: Sequence[float]
    rows: int
    count: int
    statements: int
    failure: str | None = None

    @property
    def median(self) -> float:
        """Return the median time in the server."""
        return median(self.server_times)

    @property
    def longest(self) -> float:
        """Return the longest time in the server."""
        return max(self.server_times)


class KeptConnection:
    """One connection to the server that is kept alive, signed in as one user."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self._headers = dict(headers)
        self._used_at = time.monotonic()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[HTTPResponse, bytes, float]:
        """Return the response, its body, and how many milliseconds it took from here."""
        return self.send("GET", path, headers=headers)

    def send(
        self, method: str, path: str, values: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[HTTPResponse, bytes, float]:
        """Send ``values``, if any, as JSON; return the response, its body, and how many milliseconds it took."""
        if time.monotonic() - self._used_at > KEPT_SECONDS:
            # The server has closed it, or is about to.
            self._connection.close()
        self._used_at = time.monotonic()
        body = None if values is None else json.dumps(values)
        content_type = {} if body is None else {"Content-Type": "application/json"}
        began = time.perf_counter()
        self._connection.request(method, path, body, self._headers | content_type | dict(headers or {}))
        response = self._connection.getresponse()
        content = response.read()
        return response, content, (time.perf_counter() - began) * 1000

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def measure_cases(place: Place, random_count: int, progress: Callable[[int, int], None]) -> list[Measurement]:
    """Measure every case; ``progress`` is told how many of how many are done."""
    pairs = list(_all_cases(random_count))
    connections = {role: KeptConnection(place.server.port, headers) for role, headers in place.headers.items()}
    measurements = []
    for group, case in pairs:
        measurements.append(measure(connections[case.role], group, case, path_of(case.parameters)))
        progress(len(measurements), len(pairs))
    for connection in connections.values():
        connection.close()
    return measurements


def path_of(parameters: Parameters) -> str:
    """Return the path of the list of tasks with ``parameters``."""
    return f"/api/tasks/?{urlencode({'page_size': PAGE_SIZE, **parameters})}"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of ``values`` that ``share`` of them do not exceed."""
    return sorted(values)[ceil(share * len(values)) - 1]


def _all_cases(random_count: int) -> Iterator[tuple[str, Case]]:
    yield from ((_group_of(case.parameters), case) for case in cases.single_cases())
    yield from ((SEARCHES, case) for case in cases.search_cases())
    yield from ((COMBINATIONS, case) for case in cases.random_cases(random_count))


def _group_of(parameters: Parameters) -> str:
    if "search" in parameters:
        return SEARCHES
    if "ordering" in parameters:
        return ORDERINGS
    return FILTERS if parameters.keys() - {"page"} else NO_FILTER


def measure(connection: KeptConnection, group: str, case: Case, path: str) -> Measurement:
    """Ask for the list at ``path`` several times and return what came of it."""
    # Not compressed, because its body is read. Not counted otherwise, unless it is too slow to ask again.
    response, content, wall = connection.get(path)
    failure = _failure_of(case, response, content)
    answer = json.loads(content) if response.status == 200 else {"results": (), "count": 0}
    warm_up = (server_time(response), wall)
    times, statements, spent = [], [statements_of(response)], wall
    while failure is None and len(times) < MEASURED_REQUESTS and spent < MOST_SECONDS * 1000:
        response, content, wall = connection.get(path, BROWSER)
        failure = _failure_of(case, response, content)
        times.append((server_time(response), wall))
        statements.append(statements_of(response))
        spent += wall
    server_times, wall_times = zip(*(times or [warm_up]), strict=True)
    rows = len(answer["results"])
    return Measurement(case, group, server_times, wall_times, rows, answer["count"], max(statements), failure)


def _failure_of(case: Case, response: HTTPResponse, content: bytes) -> str | None:
    # A user who sees few tasks has no hundredth page.
    if response.status == 200 or (response.status == 404 and "page" in case.parameters):
        return None
    return f"answered {response.status}: {content[:200]!r}"


def server_time(response: HTTPResponse) -> float:
    """Return how many milliseconds the server says that it took."""
    return float(response.headers["X-Response-Time"].removesuffix("s")) * 1000


def statements_of(response: HTTPResponse) -> int:
    """Return how many SQL statements the server says that it sent."""
    return int(response.headers["X-DB-Queries"])
