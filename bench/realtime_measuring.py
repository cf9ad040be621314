"""Measures how a server keeps many clients up to date: ours and, with the same crowd, the one on Node."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from bench import realtime_place, realtime_sides
from bench.latency import Latency, poll
from bench.measuring import KeptConnection
from bench.realtime_place import Place
from bench.realtime_sides import CHANGED, Answer, Crowd, Ours, Side, milliseconds_to_last
from tests.factories.users import bearer

# Before the memory is looked at for the first time: what every server loads once.
WARM_UP_CLIENTS, WARM_UP_CHANGES = 5, 20
# Until what was allocated for the connecting itself is free again.
SETTLE_SECONDS = 3.0
WAIT_SECONDS = 60.0
STORM_SECONDS = 180.0
PATIENCE_SECONDS = 10.0
PRESENCE_EVENTS = ("user_joined", "user_left")
# PostgreSQL tells its statistics of an idle connection's transactions after ten seconds.
STATISTICS_SECONDS = 11.0
# A dead process is found after thirty seconds, by others that look every ten.
SWEEP_SECONDS = 60.0


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    clients: int = 2_000
    at_once: int = 200
    broadcasts: int = 20
    few_clients: int = 50
    single_changes: int = 300
    missed_changes: int = 200
    # One whole interval of pings, in which each client is asked once whether it is still there.
    idle_seconds: float = 25.0
    # Whether it is waited until PostgreSQL tells its statistics, and until the traces of a dead process are removed.
    is_patient: bool = True
    # Clients of the last part, which goes up in steps; none without it.
    steps: Sequence[int] = ()


QUICK = Scale(
    clients=200,
    broadcasts=5,
    few_clients=20,
    single_changes=50,
    missed_changes=50,
    idle_seconds=5.0,
    is_patient=False,
)


@dataclass(frozen=True)
class Connecting:
    """How clients came: ``kilobytes`` of memory that the server needs for each."""

    clients: int
    seconds: float
    failures: Sequence[str]
    slowest_seconds: float
    kilobytes: float


@dataclass(frozen=True)
class Storm:
    """All clients were cut off, much happened, and all came back at once.

    ``seconds`` is until the last one had everything, ``rejoined_seconds`` until each had tried once to join again, and
    ``attempts`` how many that took. ``transactions`` are those of the database meanwhile, where it counts them, and
    ``presence_events`` what the log says of people who came or left, where nothing may be said.
    """

    seconds: float
    rejoined_seconds: float
    attempts: int
    resyncs: int
    lost: int
    repeated: int
    transactions: int | None = None
    presence_events: int | None = None


@dataclass(frozen=True)
class SideResults:
    """What was measured of one server."""

    name: str
    connecting: Connecting
    broadcasts: Latency
    polled: Latency
    idle_percent: float
    storm: Storm
    single: Latency


@dataclass(frozen=True)
class Results:
    """Everything that was measured on one engine.

    ``across`` is from one process to another, ``steps`` how ever more clients came to ours, ``load`` before and after.
    """

    engine: str
    scale: Scale
    ours: SideResults
    peer: SideResults
    restart: Storm
    across: Latency | None
    steps: Sequence[Connecting]
    payload_bytes: int
    load: tuple[float, float]


def measure(here: Place, scale: Scale) -> Results:
    """Measure both servers, one after the other, and ours in what the other one cannot do."""
    load = os.getloadavg()[0]
    measurement = _Measurement(here, scale)
    ours, restart, payload = measurement.measure_ours()
    across = measurement.measure_across() if here.engine == "postgresql" else None
    peer = measurement.measure_peer(payload)
    return Results(
        engine=here.engine,
        scale=scale,
        ours=ours,
        peer=peer,
        restart=restart,
        across=across,
        steps=measurement.measure_steps(),
        payload_bytes=len(orjson.dumps([CHANGED, payload])),
        load=(load, os.getloadavg()[0]),
    )


class _Measurement:
    """Measures in one place."""

    def __init__(self, here: Place, scale: Scale) -> None:
        self._here = here
        self._scale = scale
        self._counts_transactions = here.engine == "postgresql" and scale.is_patient

    # What is measured of both

    def measure_connecting(self, side: Side, crowd: Crowd, clients: int) -> Connecting:
        """Let clients connect and join, and look how much memory that takes."""
        process = side.process()
        before = process.memory_info().rss
        arrival = crowd.connect(clients, self._scale.at_once)
        time.sleep(SETTLE_SECONDS)
        needed = process.memory_info().rss - before
        slowest = arrival["milliseconds"]["most"] / 1000 if arrival["milliseconds"] else 0.0
        return Connecting(clients, arrival["seconds"], arrival["failures"], slowest, needed / clients / 1000)

    def warm_up(self, side: Side) -> None:
        """Let the server do everything once."""
        with realtime_sides.gather(side.port, self._here.tokens_path) as crowd:
            crowd.connect(WARM_UP_CLIENTS, WARM_UP_CLIENTS)
            side.change(WARM_UP_CHANGES)
            crowd.wait(WARM_UP_CHANGES, WARM_UP_CLIENTS, WAIT_SECONDS)

    def measure_broadcasts(self, side: Side, crowd: Crowd, changes: int, clients: int) -> tuple[Latency, Answer]:
        """Measure one change after the other, until the last client knows it; return the last payload too."""
        times, event = [], {}
        for _ in range(changes):
            crowd.forget()
            side.change(1)
            [event] = crowd.wait(1, clients, WAIT_SECONDS)
            times.append(milliseconds_to_last(event))
        return Latency(times), event["payload"]

    def measure_polled(self, side: Side, crowd: Crowd) -> Latency:
        """Measure how long small requests take while changes are told one after the other."""
        times: list[float] = []
        is_over = threading.Event()
        connection = KeptConnection(side.port, bearer(self._here.token))

        def keep_asking() -> None:
            times.extend(poll(connection, lambda: not is_over.is_set()).times)

        poller = threading.Thread(target=keep_asking)
        poller.start()
        try:
            self.measure_broadcasts(side, crowd, self._scale.broadcasts, self._scale.clients)
        finally:
            is_over.set()
            poller.join()
            connection.close()
        return Latency(times)

    def measure_idle(self, side: Side) -> float:
        """Return what part of one core the server needs while nothing happens, in per cent."""
        process = side.process()
        before, began = process.cpu_times(), time.monotonic()
        time.sleep(self._scale.idle_seconds)
        after, elapsed = process.cpu_times(), time.monotonic() - began
        return (after.user + after.system - before.user - before.system) / elapsed * 100

    def measure_single(self, side: Side, changing: Side) -> Latency:
        """Measure changes one at a time with few clients; those of ``changing`` are heard at ``side``."""
        few = self._scale.few_clients
        with realtime_sides.gather(side.port, self._here.tokens_path) as crowd:
            crowd.connect(few, few)
            self.measure_broadcasts(changing, crowd, WARM_UP_CHANGES, few)
            return self.measure_broadcasts(changing, crowd, self._scale.single_changes, few)[0]

    # What differs

    def measure_ours(self) -> tuple[SideResults, Storm, Answer]:
        """Measure our server; return also how it got over a crash, and what it sends."""
        side, scale = Ours(self._here), self._scale
        self.warm_up(side)
        with realtime_sides.gather(side.port, self._here.tokens_path) as crowd:
            connecting = self.measure_connecting(side, crowd, scale.clients)
            _say("ours: all are connected")
            broadcasts, payload = self.measure_broadcasts(side, crowd, scale.broadcasts, scale.clients)
            polled = self.measure_polled(side, crowd)
            idle = self.measure_idle(side)
            _say("ours: changes are told")
            storm = self._measure_storm(side, crowd)
            _say("ours: the storm is over")
            restart = self._measure_restart(side, crowd)
        _say("ours: the server was killed and is back")
        single = self.measure_single(side, side)
        return SideResults(side.name, connecting, broadcasts, polled, idle, storm, single), restart, payload

    def measure_peer(self, payload: Answer) -> SideResults:
        """Measure the server on Node, which sends ``payload``."""
        scale = self._scale
        with realtime_sides.start_peer(payload) as side:
            self.warm_up(side)
            with realtime_sides.gather(side.port, self._here.tokens_path) as crowd:
                connecting = self.measure_connecting(side, crowd, scale.clients)
                broadcasts, _ = self.measure_broadcasts(side, crowd, scale.broadcasts, scale.clients)
                polled = self.measure_polled(side, crowd)
                idle = self.measure_idle(side)
                storm = self._measure_peer_storm(side, crowd)
            single = self.measure_single(side, side)
            _say("Node: all is measured")
            return SideResults(side.name, connecting, broadcasts, polled, idle, storm, single)

    def measure_across(self) -> Latency:
        """Measure changes that are made in one process and heard from another."""
        with realtime_place.second_server(self._here) as second:
            return self.measure_single(Ours(self._here), Ours(self._here, second))

    def measure_steps(self) -> list[Connecting]:
        """Measure how more and more clients come, as many more in each step."""
        side, steps = Ours(self._here), []
        self._here.server.restart()
        self.warm_up(side)
        with realtime_sides.gather(side.port, self._here.tokens_path) as crowd:
            for before, after in zip((0, *self._scale.steps), self._scale.steps, strict=False):
                steps.append(self.measure_connecting(side, crowd, after - before))
        return steps

    def _measure_storm(self, side: Side, crowd: Crowd) -> Storm:
        before = realtime_place.last_event_id(self._here)
        crowd.forget()
        crowd.cut()
        side.change(self._scale.missed_changes)
        transactions = self._count_transactions()
        storm = self._come_back(crowd, before)
        if transactions is None:
            return storm
        return replace(storm, transactions=(self._count_transactions() or 0) - transactions)

    def _measure_restart(self, side: Side, crowd: Crowd) -> Storm:
        before = realtime_place.last_event_id(self._here)
        crowd.forget()
        server = self._here.server
        server.kill()
        server.start()
        side.change(self._scale.missed_changes)
        storm = self._come_back(crowd, before)
        if self._scale.is_patient:
            self._await_sweep()
        presence_events = realtime_place.find_events(self._here, PRESENCE_EVENTS, before)
        return replace(storm, presence_events=len(presence_events))

    def _measure_peer_storm(self, side: Side, crowd: Crowd) -> Storm:
        crowd.forget()
        clients = crowd.cut()
        side.change(self._scale.missed_changes)
        began = time.monotonic()
        arrival = crowd.reconnect(self._scale.clients)
        rejoined = time.monotonic() - began
        # It forgets what it has sent, and no client can ask for it.
        lost = clients * self._scale.missed_changes - sum(each["received"] for each in crowd.broadcasts())
        return Storm(rejoined, rejoined, arrival["joined"], 0, lost, 0)

    def _come_back(self, crowd: Crowd, before: int) -> Storm:
        """Let all connect again at once, and wait until all know what happened after the event ``before``."""
        scale = self._scale
        expected = realtime_place.find_events(self._here, (CHANGED,), before)
        began = time.monotonic()
        arrival = crowd.reconnect(scale.clients)
        rejoined = time.monotonic() - began
        attempts, resyncs = arrival["joined"] + arrival["failed"], arrival["resync_required"]
        while not crowd.has_all(len(expected), scale.clients, PATIENCE_SECONDS):
            if time.monotonic() - began > STORM_SECONDS:
                break
            # As clients do whose connection the server has ended.
            arrival = crowd.reconnect(scale.clients)
            attempts += arrival["joined"] + arrival["failed"]
            resyncs += arrival["resync_required"]
        seconds = time.monotonic() - began
        report = crowd.report(expected)
        return Storm(seconds, rejoined, attempts, resyncs, report["missing"], report["repeated"])

    def _count_transactions(self) -> int | None:
        if not self._counts_transactions:
            return None
        time.sleep(STATISTICS_SECONDS)
        return realtime_place.count_transactions(self._here)

    def _await_sweep(self) -> None:
        deadline = time.monotonic() + SWEEP_SECONDS
        while realtime_place.count_processes(self._here) > 1:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"After {SWEEP_SECONDS} s the process that was killed is still believed to be alive."
                )
            time.sleep(1)


def _say(what: str) -> None:
    print(f"  {time.strftime('%H:%M:%S')} {what}", flush=True)
