"""What was measured of delivery, as text: one table with both servers side by side, and which figures are met."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.realtime_measuring import Connecting, Results, Storm
from bench.report import RESULTS, table
from nxfs.config import PROJECT_ROOT
from tests.realtime.node import NODE

MOST_KILOBYTES = 80
MOST_BROADCAST_MILLISECONDS = 500
MOST_POLLED_MILLISECONDS = 100
MOST_SINGLE_MILLISECONDS = 50
MOST_ACROSS_MILLISECONDS = 150
MOST_TRANSACTIONS = 499
PACKAGES = ("gevent", "gunicorn", "python-socketio", "python-engineio", "simple-websocket", "wsproto")
NODE_VERSIONS = "console.log(process.version, require('socket.io/package.json').version)"


@dataclass(frozen=True)
class Line:
    """One line of the table: what was measured of ours and of Node's, and how much may be, if anything is promised."""

    name: str
    ours: float
    peer: float | None = None
    unit: str = ""
    most: float | None = None

    @property
    def is_met(self) -> bool:
        """True when it is as promised, or nothing is."""
        return self.most is None or self.ours <= self.most

    def cells(self) -> tuple[str, ...]:
        """Return the line of the table."""
        ratio = f"{self.ours / self.peer:.1f}" if self.peer and self.ours and self.unit else ""
        bar = "" if self.most is None else _shown(self.most, self.unit)
        verdict = "" if self.most is None else ("met" if self.is_met else "MISSED")
        peer = "" if self.peer is None else _shown(self.peer, self.unit)
        return self.name, _shown(self.ours, self.unit), peer, ratio, bar, verdict


def rows(results: Results) -> list[Line]:
    """Return everything that was measured."""
    return [
        *_connecting(results),
        *_delivery(results),
        *_storm("cut off", results.ours.storm, results.peer.storm),
        *_storm("server killed", results.restart, None),
        Line("idle, of one core", results.ours.idle_percent, results.peer.idle_percent, "%"),
        *_steps(results.steps),
    ]


def lines(results: Results) -> Iterator[str]:
    """Yield what is shown."""
    scale = results.scale
    node, socketio = _node_versions()
    yield f"\n{results.engine}: {scale.clients:,} clients over WebSocket, all in the same room"
    before, after = results.load
    yield f"{os.cpu_count()} cores, which the server, the crowd of clients and the database share."
    yield f"Average load {before:.1f} before and {after:.1f} afterwards, much of it from the measurement itself."
    yield f"A change is {results.payload_bytes:,} bytes for each client, not compressed."
    yield f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES) + ";"
    yield f"Node {node}, socket.io {socketio}, without rights, database or log."
    yield "Times are from the moment that the event log has for a change, before it is committed, to the last client.\n"
    head = ("", "ours", "Node", "ratio", "bar", "")
    yield from table(head, [line.cells() for line in rows(results)])


def write_file(results: Results) -> Path:
    """Write everything, and return the file's path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"realtime-{results.engine}.txt"
    path.write_text("\n".join(lines(results)).lstrip("\n") + "\n", encoding="utf-8")
    return path


def _connecting(results: Results) -> Iterator[Line]:
    ours, peer = results.ours.connecting, results.peer.connecting
    yield Line("connect and join, all", ours.seconds, peer.seconds, "s")
    yield Line("connect and join, the slowest", ours.slowest_seconds, peer.slowest_seconds, "s")
    yield Line("could not connect", len(ours.failures), len(peer.failures), most=0)
    yield Line("memory of each client", ours.kilobytes, peer.kilobytes, "kB", MOST_KILOBYTES)


def _delivery(results: Results) -> Iterator[Line]:
    ours, peer, scale = results.ours, results.peer, results.scale
    all_clients, few = f"a change to {scale.clients:,}", f"a change to {scale.few_clients}"
    yield Line(f"{all_clients}, median", ours.broadcasts.median, peer.broadcasts.median, "ms")
    worst = f"{all_clients}, worst of {scale.broadcasts}"
    yield Line(worst, ours.broadcasts.longest, peer.broadcasts.longest, "ms", MOST_BROADCAST_MILLISECONDS)
    yield Line("a request meanwhile, median", ours.polled.median, peer.polled.median, "ms")
    yield Line("a request meanwhile, p99", ours.polled.p99, peer.polled.p99, "ms", MOST_POLLED_MILLISECONDS)
    yield Line("a request meanwhile, longest", ours.polled.longest, peer.polled.longest, "ms")
    yield Line(f"{few}, median", ours.single.median, peer.single.median, "ms")
    yield Line(f"{few}, p99", ours.single.p99, peer.single.p99, "ms", MOST_SINGLE_MILLISECONDS)
    if results.across is not None:
        yield Line(f"{few} of another process, median", results.across.median, unit="ms")
        yield Line(f"{few} of another process, p99", results.across.p99, unit="ms", most=MOST_ACROSS_MILLISECONDS)


def _storm(name: str, ours: Storm, peer: Storm | None) -> Iterator[Line]:
    yield Line(f"{name}: each has tried to join", ours.rejoined_seconds, peer and peer.rejoined_seconds, "s")
    yield Line(f"{name}: all have everything", ours.seconds, unit="s")
    yield Line(f"{name}: attempts it took", ours.attempts, peer and peer.attempts)
    yield Line(f"{name}: had to load anew", ours.resyncs)
    yield Line(f"{name}: lost", ours.lost, peer and peer.lost, most=0)
    yield Line(f"{name}: came twice", ours.repeated, peer and peer.repeated, most=0)
    if ours.transactions is not None:
        yield Line(f"{name}: transactions of the database", ours.transactions, most=MOST_TRANSACTIONS)
    if ours.presence_events is not None:
        yield Line(f"{name}: told to have left or joined", ours.presence_events, most=0)


def _steps(steps: list[Connecting]) -> Iterator[Line]:
    total = 0
    for step in steps:
        total += step.clients
        yield Line(f"up to {total:,}: could not connect", len(step.failures), most=0)
        yield Line(f"up to {total:,}: memory of each that came", step.kilobytes, unit="kB")
        yield Line(f"up to {total:,}: connect and join", step.seconds, unit="s")


def _shown(value: float, unit: str) -> str:
    if not unit:
        return f"{value:,.0f}"
    return f"{value:,.{1 if value < 100 else 0}f} {unit}"


def _node_versions() -> list[str]:
    command = [str(NODE), "-e", NODE_VERSIONS]
    done = subprocess.run(command, cwd=PROJECT_ROOT / "tests" / "node", capture_output=True, text=True, check=True)
    return done.stdout.split()
