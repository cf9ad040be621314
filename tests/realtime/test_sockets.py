"""What two people see of each other over sockets: every event, once, in order, as REST shows it, with nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from nxfs.realtime.schemas.events import EVENTS
from tests.realtime.payloads import REQUIRED, refusal, require_answer, require_valid
from tests.realtime.people import Person
from tests.realtime.polling import Polling
from tests.realtime.socket_client import POLLING, WEBSOCKET, SocketClient
from tests.server import ServerProcess

Connect = Callable[..., SocketClient]
# What a test of sockets alone cannot cause: these have tests of their own.
ELSEWHERE = {"resync_required", "room_closed", "token_expiring", "closing"}


def ids_of(client: SocketClient) -> list[int]:
    """Return the ids of the events that came, in the order of arrival, without those of people: they are told once."""
    events = [payload for name, payload in client.events if name not in ("user_joined", "user_left")]
    return [payload["event_id"] for payload in events if "event_id" in payload]


@pytest.fixture
def project(kari: Person, ola: Person) -> Any:
    """A project of Kari's with Ola."""
    return kari.create_project(members=(ola,))


def test_all_events_come_with_the_payloads_of_schemas_and_rest(
    connect: Connect, kari: Person, newcomer: Callable[[], Person]
) -> None:
    ola, siri = newcomer(), newcomer()
    project = kari.create_project(members=(ola,))
    room = f"project_{project['id']}"
    socket = connect(ola)
    for name in ("tasks", room, ola.room):
        require_answer("join_room", socket.join(name, presence=True))
    cause_all_events(connect, kari, ola, siri, project, socket)

    came = {name for name, _ in socket.events}
    assert came == EVENTS.keys() - ELSEWHERE
    assert came > REQUIRED.keys()
    for name, payload in socket.events:
        require_valid(name, payload)
    assert ids_of(socket) == sorted(set(ids_of(socket)))


def cause_all_events(
    connect: Connect, kari: Person, ola: Person, siri: Person, project: Any, socket: SocketClient
) -> None:
    """Let Kari do everything that Ola hears of, and wait until he has heard of it what REST says."""
    path = f"/api/tasks/projects/{project['id']}/"

    def expect(name: str, **values: Any) -> Any:
        return socket.wait_for(name, lambda payload: all(payload[key] == value for key, value in values.items()))

    task = kari.create_task("Cable", project=project["id"])
    expect("task_created", task=task, created_by=kari.id)
    task = kari.change_task(task["id"], status="completed")
    assert task["completed"] is True
    expect("task_updated", task_id=task["id"], task=task, updated_by=kari.id)
    kari.delete(f"/api/tasks/{task['id']}/")
    expect("task_deleted", task_id=task["id"], deleted_by=kari.id, reason="deleted")

    many = sorted(kari.create_task(f"Pipe {number}", project=project["id"])["id"] for number in range(2))
    kari.post("/api/tasks/bulk-update/", task_ids=many, updates={"priority": "high"})
    expect("tasks_bulk_updated", task_ids=many, updates={"priority": "high"}, updated_by=kari.id)
    kari.post("/api/tasks/bulk-delete/", task_ids=many)
    expect("tasks_bulk_deleted", task_ids=many, deleted_by=kari.id, reason="deleted")
    own = ola.create_task("Later")
    job = ola.post("/api/tasks/bulk-update/?async=true", task_ids=[own["id"]], updates={"status": "completed"})
    socket.wait_for("job_progress", lambda payload: payload["job"]["state"] == "succeeded")
    assert ola.get(f"/api/jobs/{job['id']}/")["result"] == {"updated_count": 1, "failed_updates": []}

    category = kari.post("/api/tasks/categories/", name=f"Shopping {kari.id} {project['id']}")
    expect("category_created", category=category | {"task_count": None}, created_by=kari.id)
    category = kari.patch(f"/api/tasks/categories/{category['id']}/", color="#2f855a")
    values = {"category_id": category["id"], "category": category | {"task_count": None}, "updated_by": kari.id}
    expect("category_updated", **values)
    kari.delete(f"/api/tasks/categories/{category['id']}/")
    expect("category_deleted", category_id=category["id"], merged_into=None, deleted_by=kari.id)

    kari.create_task("Assigned", assignee_id=ola.id)
    payload = expect("notification", type="task_assigned", room=ola.room)
    stored = ola.get("/api/notifications/")["results"][0]
    assert {key: payload[key] for key in ("type", "message", "data")} == {
        key: stored[key] for key in ("type", "message", "data")
    }
    assert payload["notification_id"] == stored["id"]
    ola.post(f"/api/notifications/{stored['id']}/read/")
    socket.wait_for("notifications_read", lambda payload: payload["notification_ids"] == [stored["id"]])
    kari.create_task("Assigned too", assignee_id=ola.id)
    unread = {each["id"] for each in ola.get("/api/notifications/", read="false")["results"]}
    ola.post("/api/notifications/read-all/")
    socket.wait_for("notifications_read", lambda payload: set(payload["notification_ids"]) == unread)

    # Somebody new: whoever was here in a server that crashed counts as present for a while.
    visitor = connect(siri)
    visitor.join("tasks")
    expect("user_joined", user_id=siri.id, room="tasks")
    socket.wait_for("presence_diff", lambda diff: siri.id in [each["user_id"] for each in diff["joins"]])
    visitor.leave("tasks")
    expect("user_left", user_id=siri.id, room="tasks")
    socket.wait_for("presence_diff", lambda diff: siri.id in diff["leaves"])

    kari.add_member(project["id"], siri)
    expect("project_member_added", project_id=project["id"], user_id=siri.id, added_by=kari.id)
    kari.remove_member(project["id"], siri)
    expect("project_member_removed", project_id=project["id"], user_id=siri.id, removed_by=kari.id)
    changed = kari.patch(path, name="Cabin wiring")
    assert ola.get(path) == changed
    expect("project_updated", project_id=project["id"], project=changed, updated_by=kari.id)
    # One that is created with Ola in it does not exist: he sees the creation of his own.
    own = ola.create_project("Boat")
    expect("project_created", project=own, created_by=ola.id)
    ola.delete(f"/api/tasks/projects/{own['id']}/")
    expect("project_deleted", project_id=own["id"], deleted_by=ola.id)


@pytest.mark.parametrize("transports", [WEBSOCKET, POLLING, None], ids=["websocket", "polling", "upgrade"])
def test_each_transport_tells_and_is_told(connect: Connect, kari: Person, transports: Any) -> None:
    socket = connect(kari, transports=transports)
    if transports is None:
        socket.wait_until(lambda: socket.transport == "websocket")
    assert socket.transport == (transports or WEBSOCKET)[0]
    answer = require_answer("join_room", socket.join("tasks"))
    assert kari.id in [each["user_id"] for each in answer["members"]]
    assert answer["member_count"] == len(answer["members"])
    title = "Ærlig talt – ☃ " * 12
    task = kari.create_task(title)
    assert socket.wait_for("task_created")["task"] == task
    answer = socket.emit("task_update", {"task_id": task["id"], "updates": {"status": "completed"}})
    assert require_answer("task_update", answer)["task"]["completed"] is True
    assert socket.wait_for("task_updated")["task"] == kari.get(f"/api/tasks/{task['id']}/") == answer["task"]


def test_an_event_of_several_rooms_comes_once(connect: Connect, kari: Person, ola: Person, project: Any) -> None:
    both, general, late = connect(ola), connect(ola), connect(ola)
    room = f"project_{project['id']}"
    cursor = both.join("tasks")["last_event_id"]
    both.join(room)
    general.join("tasks")
    task = kari.create_task("Once", project=project["id"])
    for number in range(3):
        kari.change_task(task["id"], title=f"Once {number}")
    for socket in (both, general):
        socket.wait_for("task_updated", lambda payload: payload["task"]["title"] == "Once 2")
    assert {payload["room"] for name, payload in both.events if name.startswith("task_")} == {room}
    assert {payload["room"] for name, payload in general.events if name.startswith("task_")} == {"tasks"}
    # What comes again in another room was told already.
    late.join("tasks", since=cursor)
    late.join(room, since=cursor)
    late.join("tasks", since=cursor)
    ola.create_task("The end")
    for socket in (both, general, late):
        socket.wait_for("task_created", lambda payload: payload["task"]["title"] == "The end")
    told = [name for name, payload in both.events if name.startswith("task_") and payload["room"] == room]
    assert told == ["task_created", "task_updated", "task_updated", "task_updated"]
    assert len(ids_of(late)) == len(set(ids_of(late)))
    assert set(ids_of(both)) <= set(ids_of(late))


def test_events_of_one_client_are_handled_in_order(
    connect: Connect, poll: Callable[..., Polling], kari: Person
) -> None:
    task = kari.create_task("0")
    messages = [{"task_id": task["id"], "updates": {"title": str(number)}} for number in range(1, 40)]
    answers = poll(kari).emit_many("task_update", messages)
    assert [number for number, _ in answers] == list(range(39))
    assert [answer["task"]["title"] for _, answer in answers] == [str(number) for number in range(1, 40)]

    witness, socket = connect(kari), connect(kari)
    witness.join("tasks")
    for message in messages[:38]:
        socket.send("task_update", message)
    answer = socket.emit("task_update", {"task_id": task["id"], "updates": {"title": "last"}})
    assert answer["task"]["title"] == "last"
    assert answer["task"]["version"] == answers[-1][1]["task"]["version"] + 39
    witness.wait_until(lambda: len(ids_of(witness)) == 39)
    payloads = witness.payloads("task_updated")
    versions = [payload["task"]["version"] for payload in payloads]
    assert versions == sorted(versions)
    assert payloads[-1]["task"]["title"] == "last"


def test_task_update_refuses_what_patch_refuses(connect: Connect, kari: Person, ola: Person) -> None:
    own, foreign = kari.create_task("Mine"), ola.create_task("His")
    socket = connect(kari)

    def change(task_id: Any, updates: Any, **more: Any) -> dict[str, Any]:
        return refusal(socket.emit("task_update", {"task_id": task_id, "updates": updates, **more}))

    updates_refused = [
        {"title": ""},
        {"title": 5},
        {"status": "later"},
        {"due_date": "2026-02-30"},
        {"estimated_time": -1},
        {"category": [10**9]},
        {"project": 10**9},
        {"assignee_id": 10**9},
        # The server's own.
        {"id": 7},
        {"version": 7},
        {"user_id": ola.id},
        {"created_at": "2026-01-01T00:00:00Z"},
        {"images": []},
        {"nonsense": 1},
    ]
    for updates in updates_refused:
        patched = kari.request("PATCH", f"/api/tasks/{own['id']}/", json=updates).json()["error"]
        refused = change(own["id"], updates)
        assert refused["code"] == patched["code"] == "VALIDATION_ERROR", updates
        assert refused["message"] == patched["message"]
        errors = {name.removeprefix("updates."): each for name, each in refused["field_errors"].items()}
        assert errors == patched["field_errors"], updates

    patched = kari.request("PATCH", f"/api/tasks/{foreign['id']}/", json={"title": "x"}).json()["error"]
    assert change(foreign["id"], {"title": "x"}) == patched == change(10**15, {"title": "x"})
    for task_id in (0, -1, "1", None, 2**63, 1.5, True):
        assert set(change(task_id, {"title": "x"})["field_errors"]) == {"task_id"}
    assert change(own["id"], {"title": "x"}, if_match=own["version"] + 1)["code"] == "PRECONDITION_FAILED"
    assert kari.get(f"/api/tasks/{own['id']}/") == own
    message = {"task_id": own["id"], "updates": {"title": "Newer"}, "if_match": own["version"]}
    assert socket.emit("task_update", message)["task"]["title"] == "Newer"
    assert refusal(socket.emit("task_update", message))["code"] == "PRECONDITION_FAILED"


def test_task_update_leaves_an_audit_entry_with_its_request_id(
    connect: Connect, kari: Person, database: sa.Engine, server: ServerProcess
) -> None:
    task = kari.create_task()
    socket = connect(kari, extraHeaders={"User-Agent": "a-browser/1"})
    socket.emit("task_update", {"task_id": task["id"], "updates": {"title": "Audited"}})
    entries = sa.text("SELECT * FROM audit_entries WHERE action = 'tasks.task_updated' AND target_id = :id")
    with database.connect() as connection:
        entry = connection.execute(entries, {"id": task["id"]}).one()
    assert (entry.actor_id, entry.address, entry.user_agent) == (kari.id, "127.0.0.1", "a-browser/1")
    (line,) = [line for line in server.log().splitlines() if entry.request_id in line and "socket event" in line]
    assert '"task_update"' in line
    refused = socket.emit("task_update", {"task_id": task["id"], "updates": {"title": ""}})
    assert f'"{refused["error"]["request_id"]}"' in server.log()


def test_a_change_between_loading_and_joining_arrives(connect: Connect, kari: Person) -> None:
    listed = kari.request("GET", "/api/tasks/")
    cursor = int(listed.headers["X-Event-Cursor"])
    task = kari.create_task("In between")
    socket = connect(kari)
    answer = require_answer("join_room", socket.join("tasks", since=cursor))
    assert answer["resync_required"] is False
    assert answer["last_event_id"] > cursor
    assert socket.wait_for("task_created")["task"] == task
    assert task["id"] not in [each["id"] for each in listed.json()["results"]]
    for path in ("/api/tasks/projects/", "/api/tasks/categories/", "/api/notifications/"):
        assert int(kari.request("GET", path).headers["X-Event-Cursor"]) > cursor


def test_nothing_is_lost_or_repeated_when_connections_are_cut(connect: Connect, kari: Person, ola: Person) -> None:
    project = kari.create_project(members=(ola,))
    room = f"project_{project['id']}"
    socket = connect(ola, reconnection=True)
    first = socket.join(room)["last_event_id"]
    writing = threading.Thread(target=write_many, args=(kari, project["id"]))
    writing.start()
    for count in (20, 45, 70):
        socket.wait_until(lambda count=count: len(ids_of(socket)) >= count)
        connections = len(socket.socket_ids)
        socket.cut()
        socket.wait_until(lambda connections=connections: len(socket.socket_ids) > connections)
        answer = socket.join(room, since=max(ids_of(socket), default=first))
        assert answer["resync_required"] is False
    writing.join()
    socket.wait_for("task_created", lambda payload: payload["task"]["title"] == "99")
    ids = ids_of(socket)
    assert ids == sorted(set(ids))
    titles = [payload["task"]["title"] for payload in socket.payloads("task_created")]
    assert titles == [str(number) for number in range(100)]
    assert len(socket.socket_ids) == 4


def write_many(person: Person, project_id: int) -> None:
    """Create a hundred tasks."""
    for number in range(100):
        person.create_task(str(number), project=project_id)


def test_a_burst_reaches_who_listens_and_is_too_much_to_tell_again(
    connect: Connect, newcomer: Callable[[], Person]
) -> None:
    siri = newcomer()
    witness, socket = connect(siri), connect(siri)
    first = witness.join("tasks")["last_event_id"]
    tasks = [siri.create_task(f"Copied {number}", description="x" * 3000)["id"] for number in range(8)]
    while len(tasks) < 64:
        holder = siri.create_project("Copies", tasks=tasks)
        tasks += siri.post(f"/api/tasks/projects/{holder['id']}/duplicate/")["tasks"]
    holder = siri.create_project("All", tasks=tasks)
    for _ in range(16):
        siri.post(f"/api/tasks/projects/{holder['id']}/duplicate/")
    last = siri.create_task("The end")
    witness.wait_for("task_created", lambda payload: payload["task"]["id"] == last["id"], timeout=20)
    assert witness.disconnects == []
    ids = ids_of(witness)
    assert len(ids) > 1024
    assert ids == sorted(set(ids))

    assert socket.join("tasks", since=first)["resync_required"] is True
    siri.create_task("Afterwards")
    socket.wait_for("task_created", lambda payload: payload["task"]["title"] == "Afterwards")
    assert len(ids_of(socket)) == 1
    # A thousand can be told, and come in order.
    later = connect(siri)
    assert later.join("tasks", since=ids[-999])["resync_required"] is False
    later.wait_until(lambda: len(ids_of(later)) >= 999)
    assert ids_of(later) == [*ids[-998:], *ids_of(socket)]


@pytest.mark.parametrize("ahead", [10**6, 2**62])
def test_a_cursor_from_the_future_asks_for_a_resync(connect: Connect, kari: Person, ahead: int) -> None:
    socket = connect(kari)
    answer = require_answer("join_room", socket.join("tasks", since=ahead))
    assert answer["resync_required"] is True
    assert answer["last_event_id"] < ahead
    task = kari.create_task("Still told")
    assert socket.wait_for("task_created")["task"]["id"] == task["id"]
    assert socket.join("tasks", since=answer["last_event_id"])["resync_required"] is False


def test_polling_and_rest_share_one_port(server: ServerProcess) -> None:
    answer = requests.get(f"{server.url}/socket.io/?EIO=4&transport=polling", timeout=10)
    assert answer.status_code == 200
    assert answer.text.startswith('0{"sid"')
