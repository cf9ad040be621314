"""How evenly the server answers small requests: over a kept connection, and while others sign in."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.measuring import KeptConnection, percentile
from bench.place import Place
from nxfs.config import PROJECT_ROOT
from tests.factories.users import PASSWORD

PATH = "/api/auth/me/"
KEPT_REQUESTS = 200
POLL_SECONDS = 0.01
ALONE_SECONDS = 3.0
PARALLEL_LOGINS = 16
LOGIN_ROUNDS = 10
LOGIN_SECONDS = 120
# Nobody else of the data set is measured beyond this one.
FIRST_LOGIN_USER = 20


@dataclass(frozen=True)
class Latency:
    """Milliseconds that requests took, seen from the client."""

    times: Sequence[float]

    @property
    def median(self) -> float:
        """Return the median."""
        return median(self.times)

    @property
    def p99(self) -> float:
        """Return what 99 of 100 requests do not exceed."""
        return percentile(self.times, 0.99)

    @property
    def longest(self) -> float:
        """Return the longest."""
        return max(self.times)


@dataclass(frozen=True)
class LoginLatency:
    """A poller's requests alone and while others sign in, and the sign-ins themselves."""

    alone: Latency
    during: Latency
    logins: Latency


def measure_kept_connection(place: Place) -> Latency:
    """Measure requests that follow one another at once over one connection."""
    connection = KeptConnection(place.server.port, place.headers["ordinary"])
    _get(connection)
    times = [_get(connection) for _ in range(KEPT_REQUESTS)]
    connection.close()
    return Latency(times)


def measure_logins(place: Place) -> LoginLatency:
    """Measure a poller alone, then while sixteen users sign in at once, ten times over."""
    connection = KeptConnection(place.server.port, place.headers["ordinary"])
    _get(connection)
    end = time.monotonic() + ALONE_SECONDS
    alone = poll(connection, lambda: time.monotonic() < end)
    usernames = [f"user{FIRST_LOGIN_USER + number}" for number in range(PARALLEL_LOGINS)]
    command = [sys.executable, "-m", "bench.logins", str(place.server.port), str(LOGIN_ROUNDS), *usernames]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=PROJECT_ROOT, text=True, **pipes) as process:
        process.stdin.write(PASSWORD)
        process.stdin.close()
        end = time.monotonic() + LOGIN_SECONDS
        # What it prints at its end fits into a pipe, so that it need not be read meanwhile.
        during = poll(connection, lambda: process.poll() is None and time.monotonic() < end)
        process.kill()
        output, errors = process.stdout.read(), process.stderr.read()
    connection.close()
    if process.returncode:
        raise RuntimeError(f"Not everybody could sign in:\n{errors}")
    return LoginLatency(alone, during, Latency(json.loads(output)))


def poll(connection: KeptConnection, goes_on: Callable[[], bool]) -> Latency:
    """Ask for the smallest answer every ten milliseconds as long as ``goes_on()``."""
    times = []
    while goes_on():
        times.append(_get(connection))
        time.sleep(max(0.0, POLL_SECONDS - times[-1] / 1000))
    return Latency(times)


def _get(connection: KeptConnection) -> float:
    response, content, milliseconds = connection.get(PATH)
    if response.status != 200:
        raise RuntimeError(f"GET {PATH} answered {response.status}: {content[:300]!r}")
    return milliseconds
