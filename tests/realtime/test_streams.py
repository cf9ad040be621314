"""Streams of events: their form, and that nothing is lost however often they break."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nxfs.core.actor import Actor
from nxfs.realtime import streams
from nxfs.realtime.connections import SERVER_DRAINING
from nxfs.realtime.streams import StreamConnection
from tests.realtime.event_source import EventSource
from tests.realtime.payloads import require_valid
from tests.realtime.people import Person
from tests.realtime.socket_client import SocketClient

Connect = Callable[..., SocketClient]
Listen = Callable[..., EventSource]
ALL_ENCODINGS = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def missed(person: Person, *rooms: str, since: int, **headers: str) -> list[tuple[int | None, str, Any]]:
    """Return what a stream tells that ends with what was missed, as (id, name, payload)."""
    query = {"follow": "false", **({} if headers else {"last_event_id": since})}
    answer = person.request("GET", "/api/events/", params={"rooms": ",".join(rooms), **query}, headers=headers)
    assert answer.status_code == 200, answer.text
    return [event for event in parse(answer.text) if not is_presence(event[1])]


def is_presence(name: str) -> bool:
    """True for what people of other tests cause, who may still be leaving."""
    return name in ("user_joined", "user_left")


def parse(text: str) -> Iterator[tuple[int | None, str, Any]]:
    """Read the text of a stream, whose every event has to have the exact form."""
    retry, *blocks = text.removesuffix("\n\n").split("\n\n")
    assert retry == "retry: 2000"
    for block in blocks:
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        assert list(lines) in (["id", "event", "data"], ["event", "data"])
        yield (int(lines["id"]) if "id" in lines else None), lines["event"], json.loads(lines["data"])


def ids_of(stream: EventSource) -> list[int]:
    """Return the ids of the events of the log that came, in the order of arrival."""
    return [event.payload["event_id"] for event in stream.events if "event_id" in event.payload]


@pytest.fixture
def watch(kari: Person) -> Iterator[Iterator[bytes]]:
    """The lines of an open stream of Kari's, as they come."""
    with kari.request("GET", "/api/events/", params={"rooms": "tasks"}, headers=ALL_ENCODINGS, stream=True) as answer:
        yield answer.iter_lines(chunk_size=1)


def test_headers_keep_proxies_from_collecting_caching_and_compressing(kari: Person) -> None:
    query = {"rooms": "tasks"}
    with kari.request("GET", "/api/events/", params=query, headers=ALL_ENCODINGS, stream=True) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].partition(";")[0] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-cache, no-transform"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert "Content-Encoding" not in answer.headers
        assert "Content-Length" not in answer.headers
        assert answer.headers["X-Request-ID"]
    head = kari.request("HEAD", "/api/events/", params=query)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == answer.headers["Content-Type"]
    event_stream_only = {"Accept": "text/event-stream"}
    with kari.request("GET", "/api/events/", params=query, headers=event_stream_only, stream=True) as answer:
        assert answer.status_code == 200


def test_what_is_told_arrives_at_once_line_by_line(kari: Person, watch: Iterator[bytes]) -> None:
    assert [next(watch) for _ in range(2)] == [b"retry: 2000", b""]
    identifier, name, data, blank = (next(watch) for _ in range(4))
    ready = json.loads(data.removeprefix(b"data: "))
    assert (name, blank) == (b"event: ready", b"")
    assert identifier == b"id: %d" % ready["last_event_id"]
    require_valid("ready", ready)
    task = kari.create_task("At once\nand on one line")
    name = b""
    while name in (b"", b"event: user_joined", b"event: user_left"):
        identifier, name, data, blank = (next(watch) for _ in range(4))
    payload = json.loads(data.removeprefix(b"data: "))
    require_valid("task_created", payload)
    assert (name, blank) == (b"event: task_created", b"")
    assert identifier == b"id: %d" % payload["event_id"]
    assert payload["event_id"] > ready["last_event_id"]
    assert (payload["task"], payload["room"]) == (task, "tasks")


def test_streams_and_sockets_say_the_same(connect: Connect, listen: Listen, kari: Person, ola: Person) -> None:
    project = kari.create_project(members=(ola,))
    rooms = [f"project_{project['id']}", "tasks", kari.room]
    socket, stream, second = connect(kari), listen(kari, *rooms), listen(kari, *rooms, ticket=kari.ticket())
    for each in (stream, second):
        ready = each.wait_for("ready").payload
        assert ready["rooms"] == rooms
    for room in rooms:
        socket.join(room)
    task = ola.create_task("The same", project=project["id"], assignee_id=kari.id)
    ola.change_task(task["id"], status="completed", category=[])
    ola.patch(f"/api/tasks/projects/{project['id']}/", description="Blå\r\nbøk 😀")
    kari.post("/api/notifications/read-all/")
    ola.delete(f"/api/tasks/{task['id']}/")
    socket.wait_for("task_deleted")
    for each in (stream, second):
        each.wait_for("task_deleted")
        told = [(event.name, event.payload) for event in each.events if "event_id" in event.payload]
        told = [event for event in told if not is_presence(event[0])]
        for name, payload in told:
            require_valid(name, payload)
        assert [event.id for event in each.events] == [
            str(event.payload.get("event_id", event.payload.get("last_event_id"))) for event in each.events
        ]
        assert told == [event for event in socket.events if not is_presence(event[0])]
    assert {name for name, _ in told} >= {"task_deleted", "project_updated", "notification", "notifications_read"}


def test_eventsource_loses_and_repeats_nothing_when_it_is_cut(listen: Listen, kari: Person, ola: Person) -> None:
    project = kari.create_project(members=(ola,))
    stream = listen(ola, f"project_{project['id']}", "tasks")
    stream.wait_for("ready")

    def write() -> None:
        for number in range(100):
            kari.create_task(str(number), project=project["id"])

    writing = threading.Thread(target=write)
    writing.start()
    # It connects again by itself, after the two seconds that the server has told.
    stream.wait_until(lambda: len(ids_of(stream)) >= 30)
    stream.cut()
    writing.join()
    stream.wait_for("task_created", lambda event: event.payload["task"]["title"] == "99")
    assert ids_of(stream) == sorted(set(ids_of(stream)))
    titles = [event.payload["task"]["title"] for event in stream.events if event.name == "task_created"]
    assert titles == [str(number) for number in range(100)]
    assert [request.last_event_id is None for request in stream.requests] == [True, False]
    assert {response.status for response in stream.responses} == {200}
    kari.create_task("Live again", project=project["id"])
    stream.wait_for("task_created", lambda event: event.payload["task"]["title"] == "Live again")


def test_a_script_asks_for_what_it_missed(kari: Person, ola: Person) -> None:
    cursor = int(kari.request("GET", "/api/tasks/").headers["X-Event-Cursor"])
    assert [name for _, name, _ in missed(kari, "tasks", since=cursor)] == ["ready"]
    tasks = [kari.create_task(str(number)) for number in range(3)]
    ola.create_task("Not hers")
    for events in (
        missed(kari, "tasks", since=cursor),
        missed(kari, "tasks", since=0, **{"Last-Event-ID": str(cursor)}),
    ):
        assert [name for _, name, _ in events] == ["ready", *["task_created"] * 3]
        assert [payload["task"] for _, name, payload in events if name == "task_created"] == tasks
        for identifier, name, payload in events[1:]:
            require_valid(name, payload)
            assert identifier == payload["event_id"] > cursor
        assert events[0][2]["last_event_id"] == cursor
    newest = events[-1][0]
    assert [name for _, name, _ in missed(kari, "tasks", since=newest)] == ["ready"]


def test_a_header_wins_over_the_query(kari: Person) -> None:
    cursor = int(kari.request("GET", "/api/tasks/").headers["X-Event-Cursor"])
    kari.create_task()
    params = {"rooms": "tasks", "follow": "false", "last_event_id": 2**40}
    answer = kari.request("GET", "/api/events/", params=params, headers={"Last-Event-ID": str(cursor)})
    names = [name for _, name, _ in parse(answer.text) if not is_presence(name)]
    assert names == ["ready", "task_created"]


@pytest.mark.parametrize("cursor", ["9" * 19, str(2**62), str(10**9)])
def test_a_cursor_from_the_future_asks_for_a_resync_and_events_go_on(listen: Listen, kari: Person, cursor: str) -> None:
    (_, first, _), (identifier, name, payload) = missed(kari, "tasks", since=0, **{"Last-Event-ID": cursor})
    assert (first, name) == ("ready", "resync_required")
    require_valid(name, payload)
    assert identifier == payload["last_event_id"]
    stream = listen(kari, "tasks", last_event_id=identifier)
    task = kari.create_task("Goes on")
    stream.wait_for("task_created", lambda event: event.payload["task"]["id"] == task["id"])
    assert [event.name for event in stream.events if not is_presence(event.name)] == ["ready", "task_created"]


@pytest.mark.parametrize("cursor", ["nonsense", "-5", "1e3", "\xb2", "9" * 400])
def test_a_header_that_is_no_number_is_like_an_event_long_gone(kari: Person, cursor: str) -> None:
    kari.create_task()
    events = missed(kari, "tasks", since=0, **{"Last-Event-ID": cursor})
    assert events[0] == (0, "ready", {"rooms": ["tasks"], "last_event_id": 0})
    # All of it, or that it is too much.
    assert events[1][1] == missed(kari, "tasks", since=0)[1][1]


def connection(kari_id: int = 7) -> StreamConnection:
    """Return a stream that no request reads."""
    actor = Actor(id=kari_id, role="user", username="kari", language="en", session_id=1)
    return StreamConnection(connection_id="c", actor=actor, expires_at=None)


def test_a_quiet_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.02)
    stream = connection()
    lines = stream.lines()
    assert next(lines) == "retry: 2000\n\n"
    assert [next(lines) for _ in range(2)] == [": still here\n\n"] * 2
    stream.tell("room_closed", {"room": "tasks"})
    assert next(lines) == 'event: room_closed\ndata: {"room":"tasks"}\n\n'
    assert next(lines) == ": still here\n\n"
    stream.end(SERVER_DRAINING)
    assert "closing" in next(lines)
    assert list(lines) == []


def test_a_stream_that_nobody_reads_ends_as_too_slow_and_keeps_little() -> None:
    for size, most in ((10, 1_001), (100_000, 60)):
        stream = connection()
        for number in range(3_000):
            stream.tell("notification", {"number": number, "text": "x" * size})
        lines = list(stream.lines())
        assert len(lines) < most
        assert json.loads(lines[-1].partition("data: ")[2])["reason"] == "too_slow"
        assert json.loads(lines[-1].partition("data: ")[2])["reconnect"] is True


def test_other_answers_are_still_compressed(kari: Person) -> None:
    for number in range(3):
        kari.create_task(f"{number} " + "long " * 30)
    answer = kari.request("GET", "/api/tasks/", headers=ALL_ENCODINGS)
    assert answer.headers["Content-Encoding"]
