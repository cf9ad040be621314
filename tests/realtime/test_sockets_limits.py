"""What one client may take from the others, and what the server makes of messages that mean nothing."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from nxfs.realtime.connections import MOST_WAITING_BYTES
from nxfs.realtime.hub import MOST_CONNECTIONS_OF_A_USER, MOST_ROOMS
from nxfs.realtime.sockets import BURST, LARGEST_MESSAGE, MOST_VIOLATIONS
from tests import services
from tests.realtime.payloads import refusal, require_answer, require_envelope, require_valid
from tests.realtime.people import Person
from tests.realtime.polling import Polling
from tests.realtime.socket_client import POLLING, WEBSOCKET, Refused, SocketClient
from tests.server import ServerProcess

# Places, sizes and rates are counted in the process, beside whatever database.
pytestmark = pytest.mark.skipif(services.chosen_engine() != "sqlite", reason="Once, beside SQLite, is enough.")

Connect = Callable[..., SocketClient]
Newcomer = Callable[..., Person]


def require_alive(server: ServerProcess, connect: Connect, person: Person) -> None:
    """Fail unless the server serves others as before."""
    assert server.is_running()
    socket = connect(person)
    socket.join("tasks")
    person.create_task("Alive")
    socket.wait_for("task_created", lambda payload: payload["task"]["title"] == "Alive")


# Messages without a meaning


@pytest.mark.parametrize(
    ("name", "values"),
    [
        pytest.param("no_such_message", [{}], id="unknown"),
        pytest.param("x" * 5000, [{}], id="long name"),
        pytest.param("__class__", [{}], id="attribute"),
        pytest.param("answer", [{}], id="method"),
        pytest.param("join_room", [], id="no payload"),
        pytest.param("join_room", [None], id="null"),
        pytest.param("join_room", [[]], id="array"),
        pytest.param("join_room", [["tasks"]], id="array of room"),
        pytest.param("join_room", ["tasks"], id="text"),
        pytest.param("join_room", [7], id="number"),
        pytest.param("join_room", [{"room": "tasks"}, {"room": "tasks"}], id="two payloads"),
        pytest.param("join_room", [{}], id="empty"),
        pytest.param("join_room", [{"room": "tasks", "more": 1}], id="unknown field"),
        pytest.param("join_room", [{"room": {"a": 1}}], id="object for text"),
        pytest.param("join_room", [{"room": "a\x00b"}], id="NUL"),
        pytest.param("join_room", [{"a\x00b": 1}], id="NUL in a name"),
        pytest.param("join_room", [{"room": "tasks", "since": -1}], id="negative"),
        pytest.param("join_room", [{"room": "tasks", "since": 2**63}], id="huge"),
        pytest.param("join_room", [{"room": "tasks", "since": "1"}], id="text for number"),
        pytest.param("join_room", [{"room": "tasks", "presence": "true"}], id="text for boolean"),
        pytest.param("leave_room", [{}], id="leave nothing"),
        pytest.param("task_update", [{"task_id": 1}], id="no updates"),
        pytest.param("task_update", [{"task_id": 1, "updates": []}], id="updates as array"),
        pytest.param("authenticate", [{"token": "x" * 5000}], id="long token"),
    ],
)
def test_messages_without_a_meaning_are_refused_with_the_envelope(
    connect: Connect, kari: Person, name: str, values: list[Any]
) -> None:
    socket = connect(kari)
    refused = refusal(socket.emit(name, *values))
    assert refused["code"] == "VALIDATION_ERROR"
    assert refused["field_errors"]
    assert require_answer("join_room", socket.join("tasks"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'["join_room",{"[" * 100}{"]" * 100}]', id="arrays 100 deep"),
        pytest.param('["join_room",' + '{"a":' * 100 + "1" + "}" * 100 + "]", id="objects 100 deep"),
        pytest.param('["join_room",' + '{"a":' * 30 + "1" + "}" * 30 + "]", id="objects 30 deep"),
        pytest.param(f'["join_room",{{"room":{"[" * 100}{"]" * 100}}}]', id="field 100 deep"),
        pytest.param('["join_room",{"room":"\\ud800"}]', id="half a surrogate"),
        pytest.param('["join_room",{"room":1e999}]', id="infinite"),
        pytest.param(f'["join_room",{{"room":{"9" * 4000}}}]', id="long number"),
    ],
)
def test_what_is_hard_to_read_is_refused_with_the_envelope(
    poll: Callable[..., Polling], kari: Person, text: str
) -> None:
    client = poll(kari)
    assert refusal(client.emit_text(text))["code"] in ("VALIDATION_ERROR", "MALFORMED_REQUEST")
    assert client.emit("leave_room", {"room": "tasks"}) == {"ok": True, "room": "tasks"}


@pytest.mark.parametrize("packet", ["42", "421{", "421[", '421["join_room",', "421[7]", "429", "9", "", "1nonsense"])
def test_packets_that_are_none_do_no_harm(
    poll: Callable[..., Polling], connect: Connect, server: ServerProcess, kari: Person, packet: str
) -> None:
    # Nobody waits for an answer to these; the connection may end.
    with contextlib.suppress(requests.RequestException):
        poll(kari).post(packet)
    require_alive(server, connect, kari)


def test_binary_payloads_are_refused(poll: Callable[..., Polling], kari: Person) -> None:
    client = poll(kari)
    for name in ("join_room", "no_such_message"):
        assert refusal(client.emit_bytes(name, "AAECAw=="))["code"] == "VALIDATION_ERROR"
    assert client.emit("leave_room", {"room": "tasks"})["ok"] is True


@pytest.mark.parametrize("transports", [WEBSOCKET, POLLING], ids=["websocket", "polling"])
def test_a_message_that_is_too_large_closes_only_its_connection(
    connect: Connect, server: ServerProcess, kari: Person, transports: Any
) -> None:
    socket = connect(kari, transports=transports)
    nearly = refusal(socket.emit("join_room", {"room": "x" * (LARGEST_MESSAGE - 1000)}))
    assert nearly["field_errors"].keys() == {"room"}
    socket.send("join_room", {"room": "x" * LARGEST_MESSAGE})
    socket.wait_for_disconnect()
    require_alive(server, connect, kari)


# Numbers


def test_more_than_fifty_rooms_are_refused(connect: Connect, newcomer: Newcomer) -> None:
    siri = newcomer()
    names = ["tasks", siri.room, *(f"project_{siri.create_project()['id']}" for _ in range(MOST_ROOMS - 1))]
    socket = connect(siri)
    joined = [patiently(socket, "join_room", name) for name in names]
    assert [answer["ok"] for answer in joined] == [True] * MOST_ROOMS + [False]
    assert refusal(joined[-1])["code"] == "BUSINESS_RULE_VIOLATION"
    # A room that it is in may be joined again, and one is free when another was left.
    for name, message in (("join_room", "tasks"), ("leave_room", "tasks"), ("join_room", names[-1])):
        require_answer(name, patiently(socket, name, message))
    answer = siri.request("GET", "/api/events/", params={"rooms": ",".join(names), "follow": "false"})
    assert (answer.status_code, require_envelope(answer.json())["code"]) == (400, "VALIDATION_ERROR")


def patiently(socket: SocketClient, name: str, room: str) -> Any:
    """Send a message as soon as the server lets the client, and return the acknowledgement."""
    deadline = time.monotonic() + 10
    while True:
        answer = socket.emit(name, {"room": room})
        is_early = not answer["ok"] and answer["error"]["error"]["code"] == "RATE_LIMIT_EXCEEDED"
        if not is_early or time.monotonic() > deadline:
            return answer
        time.sleep(answer["error"]["error"]["details"]["retry_after"] / 20)


def test_a_flood_is_refused_and_then_closed(connect: Connect, poll: Callable[..., Polling], kari: Person) -> None:
    client = poll(kari)
    answers = [answer for _, answer in client.emit_many("leave_room", [{"room": "tasks"}] * (2 * BURST))]
    assert [answer["ok"] for answer in answers[:BURST]] == [True] * BURST
    refused = [answer for answer in answers if not answer["ok"]]
    assert len(refused) > BURST // 2
    assert {refusal(answer)["code"] for answer in refused} == {"RATE_LIMIT_EXCEEDED"}

    calm, flooding = connect(kari), connect(kari)
    for _ in range(BURST + MOST_VIOLATIONS + 200):
        flooding.send("leave_room", {"room": "tasks"})
        if flooding.disconnects:
            break
    closing = flooding.wait_for("closing")
    require_valid("closing", closing)
    assert (closing["reason"], closing["reconnect"]) == ("too_many_events", False)
    assert flooding.wait_for_disconnect() == "io server disconnect"
    # Another connection of the same user is not meant.
    assert require_answer("leave_room", calm.leave("tasks"))


def test_the_fifty_first_connection_of_a_user_is_refused(connect: Connect, newcomer: Newcomer, ola: Person) -> None:
    siri = newcomer()
    # HEAD asks and leaves nothing behind.
    for _ in range(MOST_CONNECTIONS_OF_A_USER + 1):
        assert siri.request("HEAD", "/api/events/", params={"rooms": "tasks"}).status_code == 200
    sockets = [connect(siri, wait=False) for _ in range(MOST_CONNECTIONS_OF_A_USER)]
    for socket in sockets:
        socket.wait_until_connected()
    with pytest.raises(Refused) as refused:
        connect(siri)
    assert require_envelope(refused.value.error.data)["code"] == "RATE_LIMIT_EXCEEDED"
    answer = siri.request("GET", "/api/events/", params={"rooms": "tasks", "follow": "false"})
    assert (answer.status_code, require_envelope(answer.json())["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert answer.headers["Retry-After"]
    assert connect(ola).is_connected
    sockets[0].close()
    connect_soon(connect, siri)


def connect_soon(connect: Connect, person: Person) -> SocketClient:
    """Connect as soon as the server has noticed that another connection has ended."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return connect(person)
        except Refused:
            if time.monotonic() > deadline:
                raise


# Slow readers

# As text about 120 kB an event: what the kernel keeps for a connection is full soon.
LARGE = dict.fromkeys(("description", "description_nb", "notes"), "\N{GRINNING FACE}" * 10_000)
MEMORY_ALLOWED = 40 * 1024 * 1024


def worker_memory(server: ServerProcess) -> int:
    """Return the resident memory of the server's largest process, in bytes."""
    group = os.getpgid(server.process.pid)
    members = [each for each in Path("/proc").iterdir() if each.name.isdecimal()]
    return max(_resident(each) for each in members if _group_of(each) == group)


def _group_of(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[2])
    except OSError:
        # It has ended meanwhile.
        return None


def _resident(process: Path) -> int:
    return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_who_does_not_read_is_cut_off_and_resumes_without_a_loss(
    connect: Connect, server: ServerProcess, newcomer: Newcomer
) -> None:
    siri = newcomer()
    task = siri.create_task("0", **LARGE)
    witness, slow = connect(siri), connect(siri)
    for socket in (witness, slow):
        cursor = socket.join("tasks")["last_event_id"]
    # The caches of the database and the interpreter are warm before it is measured.
    for number in range(10):
        siri.change_task(task["id"], title=f"warm {number}")
    slow.wait_until(lambda: len(slow.payloads("task_updated")) == 10)
    memory = worker_memory(server)
    slow.stall()
    mark, number = len(server.log()), 0
    while "too_slow" not in server.log()[mark:]:
        number += 1
        assert number < 400, "the server keeps everything for a client that reads nothing"
        siri.change_task(task["id"], title=str(number))
    assert worker_memory(server) - memory < MEMORY_ALLOWED
    assert MOST_WAITING_BYTES < MEMORY_ALLOWED
    witness.wait_for("task_updated", lambda payload: payload["task"]["title"] == str(number), timeout=20)
    assert witness.disconnects == []

    slow.resume()
    slow.wait_for_disconnect()
    # What it missed is as large, but now it reads.
    slow.reopen()
    received = [payload["event_id"] for payload in slow.payloads("task_updated")]
    assert slow.join("tasks", since=max(received))["resync_required"] is False
    last = witness.payloads("task_updated")[-1]["event_id"]
    slow.wait_until(lambda: slow.payloads("task_updated")[-1]["event_id"] == last, timeout=20)
    ids = [payload["event_id"] for payload in slow.payloads("task_updated")]
    assert ids == [payload["event_id"] for payload in witness.payloads("task_updated")]
    assert ids[0] > cursor
    assert len(slow.disconnects) == 1


def test_a_burst_of_large_events_does_not_cut_off_who_reads(connect: Connect, newcomer: Newcomer) -> None:
    siri = newcomer()
    tasks = [siri.create_task(f"Large {number}", **LARGE)["id"] for number in range(16)]
    for _ in range(2):
        holder = siri.create_project("Large", tasks=tasks)
        tasks += siri.post(f"/api/tasks/projects/{holder['id']}/duplicate/")["tasks"]
    holder = siri.create_project("All", tasks=tasks)
    socket = connect(siri)
    socket.join(f"project_{holder['id']}")
    cursor = socket.join("tasks")["last_event_id"]
    siri.post(f"/api/tasks/projects/{holder['id']}/duplicate/")
    socket.wait_until(lambda: socket.disconnects or len(socket.payloads("task_created")) == len(tasks), timeout=20)
    assert socket.disconnects == []
    assert len(tasks) == 64
    # And told again to somebody who comes back.
    late = connect(siri)
    assert late.join("tasks", since=cursor)["resync_required"] is False
    late.wait_until(lambda: late.disconnects or len(late.payloads("task_created")) == len(tasks), timeout=20)
    assert late.disconnects == []
    # Others come and go meanwhile: the last event of all may be one of theirs.
    last = [json.dumps(each.payloads("task_created")[-1]) for each in (late, socket)]
    assert last[0] == last[1]
