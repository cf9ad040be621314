"""Who may connect, what each connection sees, and how soon it notices that something was taken from its user."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from tests.realtime.conftest import FRONT_END
from tests.realtime.event_source import EventSource
from tests.realtime.payloads import refusal, require_answer, require_envelope, require_valid
from tests.realtime.people import PASSWORD, Person
from tests.realtime.socket_client import POLLING, WEBSOCKET, ConnectError, SocketClient
from tests.server import ServerProcess

Connect = Callable[..., SocketClient]
Listen = Callable[..., EventSource]
Newcomer = Callable[..., Person]
# What is taken away has to be gone within a second.
SOON = 1.0
# Commands are processes of their own: on SQLite the server looks for what they wrote once a second.
SOON_AFTER_COMMANDS = 2.5


def refused(connect: Connect, **options: Any) -> ConnectError:
    """Return why a connection was refused; the server must not have let it in before."""
    socket = connect(wait=False, **options)
    socket.wait_until(lambda: socket.errors)
    assert not socket.socket_ids
    return socket.errors[0]


# Connecting


@pytest.mark.parametrize("transports", [WEBSOCKET, POLLING], ids=["websocket", "polling"])
@pytest.mark.parametrize(
    "auth",
    [{}, {"token": None}, {"token": ""}, {"token": 7}, {"token": ["x"]}, {"token": "garbage"}, {"token": "a.b.c"}],
    ids=str,
)
def test_no_token_or_garbage_is_refused(connect: Connect, auth: Any, transports: Any) -> None:
    error = refused(connect, auth=auth, transports=transports)
    assert require_envelope(error.data)["code"] == "AUTHENTICATION_REQUIRED"
    assert error.message == error.data["error"]["message"]


def test_expired_and_revoked_tokens_are_refused_in_the_clients_language(connect: Connect, newcomer: Newcomer) -> None:
    siri = newcomer()
    expired = refused(connect, token=siri.short_token(-5))
    assert require_envelope(expired.data)["code"] == "TOKEN_EXPIRED"
    other = newcomer(siri)
    other.post("/api/auth/logout/")
    revoked = refused(connect, token=other.token)
    assert require_envelope(revoked.data)["code"] == "TOKEN_REVOKED"
    norwegian = refused(connect, token=other.token, extraHeaders={"Accept-Language": "nb-NO,nb;q=0.9"})
    assert norwegian.data["error"]["code"] == "TOKEN_REVOKED"
    assert norwegian.message != revoked.message
    # A refresh token and one signed with another key open nothing.
    tampered = siri.token[:-6] + ("A" * 6 if not siri.token.endswith("A" * 6) else "B" * 6)
    for token in (siri.refresh, tampered):
        assert refused(connect, token=token).data["error"]["code"] == "AUTHENTICATION_REQUIRED"


def test_the_authorization_header_is_enough(connect: Connect, kari: Person) -> None:
    socket = connect(extraHeaders={"Authorization": f"Bearer {kari.token}"})
    assert require_answer("join_room", socket.join(kari.room))["room"] == kari.room
    error = refused(connect, extraHeaders={"Authorization": f"Basic {kari.token}"})
    assert error.data["error"]["code"] == "AUTHENTICATION_REQUIRED"


@pytest.mark.parametrize(
    ("origin", "is_let_in"),
    [
        (FRONT_END, True),
        ("same", True),
        (None, True),
        ("https://evil.example", False),
        (f"{FRONT_END}.evil.example", False),
        ("null", False),
    ],
)
def test_only_known_origins_connect(server: ServerProcess, origin: str | None, is_let_in: bool) -> None:
    origin = server.url if origin == "same" else origin
    headers = {"Origin": origin} if origin else {}
    answer = requests.get(f"{server.url}/socket.io/?EIO=4&transport=polling", headers=headers, timeout=10)
    assert (answer.status_code == 200) is is_let_in
    assert answer.headers.get("Access-Control-Allow-Origin") == (origin if is_let_in else None)
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }
    with requests.get(
        f"{server.url}/socket.io/?EIO=4&transport=websocket", headers=headers | upgrade, timeout=10, stream=True
    ) as socket:
        assert (socket.status_code == 101) is is_let_in


# Rooms


def forged_rooms(kari: Person, ola: Person, project_id: int) -> list[str]:
    """Return names that open nothing to Kari."""
    return [
        ola.room,
        f"project_{project_id}",
        f"project_{10**9}",
        f"project_{2**63}",
        "project_0",
        "project_-1",
        "project_",
        "project_1.0",
        f"project_0{project_id}",
        f"project_{project_id} tasks",
        f"user_{kari.id}\N{ARABIC-INDIC DIGIT ONE}",
        "project_\N{FULLWIDTH DIGIT ONE}",
        "user_\N{ARABIC-INDIC DIGIT TWO}",
        "Tasks",
        "tasks/",
        "admin",
        "*",
        "room' OR 1=1--",
    ]


def test_forged_rooms_are_refused_all_alike(connect: Connect, listen: Listen, kari: Person, ola: Person) -> None:
    hidden = ola.create_project("Secret")
    socket = connect(kari)
    expected = refusal(socket.join(f"project_{10**9}"))
    assert expected["code"] == "RESOURCE_NOT_FOUND"
    for name in forged_rooms(kari, ola, hidden["id"]):
        assert refusal(socket.join(name)) == expected, name
        answer = kari.request("GET", "/api/events/", params={"rooms": name, "follow": "false"})
        assert (answer.status_code, require_envelope(answer.json())) == (404, expected), name
        presence = kari.request("GET", "/api/realtime/presence/", params={"room": name})
        assert (presence.status_code, presence.json()["error"]) == (404, expected), name
    # What no room can be named is refused before, with the field.
    for name in ("", " ", "x" * 41, "a\x00b", None, 7, ["tasks"]):
        assert refusal(socket.join(name))["field_errors"].keys() == {"room"}, name
    # One forbidden room closes a stream of several.
    answer = kari.request("GET", "/api/events/", params={"rooms": f"tasks,{ola.room}", "follow": "false"})
    assert answer.status_code == 404
    # None of it let anybody in.
    ola.create_task("Unheard", project=hidden["id"])
    own = kari.create_task("Mine")
    assert require_answer("join_room", socket.join("tasks"))["resync_required"] is False
    kari.change_task(own["id"], title="Still mine")
    socket.wait_for("task_updated")
    assert {name for name, _ in socket.events} - {"user_joined", "user_left"} == {"task_updated"}
    assert len(socket.payloads("task_updated")) == 1


def test_leaving_ends_the_events_and_may_be_done_twice(connect: Connect, kari: Person) -> None:
    socket = connect(kari)
    socket.join("tasks")
    socket.join(kari.room)
    for room in ("tasks", "tasks", "project_77"):
        assert require_answer("leave_room", socket.leave(room)) == {"ok": True, "room": room}
    kari.create_task("Unheard")
    cursor = socket.join("tasks")["last_event_id"]
    task = kari.create_task("Heard")
    assert socket.wait_for("task_created")["task"]["id"] == task["id"]
    assert socket.payloads("task_created")[0]["event_id"] > cursor


def test_each_sees_only_the_events_of_what_each_may_see(
    connect: Connect, admin: Person, kari: Person, ola: Person, newcomer: Newcomer
) -> None:
    siri = newcomer()
    project = kari.create_project("Shared", members=(ola,))
    people = {"kari": kari, "ola": ola, "siri": siri, "admin": admin}
    sockets = {name: connect(person) for name, person in people.items()}
    for socket in sockets.values():
        socket.join("tasks")
    assert require_answer("join_room", sockets["admin"].join(f"project_{project['id']}"))
    audiences = {
        "private": ({"kari", "admin"}, {}),
        "assigned": ({"kari", "siri", "admin"}, {"assignee_id": siri.id}),
        "shared": ({"kari", "ola", "admin"}, {"project": project["id"]}),
        "both": ({"kari", "ola", "siri", "admin"}, {"project": project["id"], "assignee_id": siri.id}),
    }
    for title, (_, values) in audiences.items():
        task = kari.create_task(title, **values)
        kari.change_task(task["id"], notes="changed")
        # Of a task that is gone before its creation is told, only the end is told.
        sockets["admin"].wait_for("task_updated", lambda payload, task=task: payload["task_id"] == task["id"])
        kari.delete(f"/api/tasks/{task['id']}/")
    kari.post("/api/tasks/categories/", name=f"The end {project['id']}")
    for name, socket in sockets.items():
        socket.wait_for("category_created", lambda payload: payload["category"]["name"] == f"The end {project['id']}")
        seen = {payload["task"]["title"] for payload in socket.payloads("task_updated")}
        assert len(socket.payloads("task_deleted")) == len(seen), name
        assert not {payload["reason"] for payload in socket.payloads("task_deleted")} - {"deleted"}
        assert seen == {title for title, (viewers, _) in audiences.items() if name in viewers}, name


def test_a_removed_member_gets_no_more_and_is_told_so(
    connect: Connect, listen: Listen, kari: Person, newcomer: Newcomer
) -> None:
    siri = newcomer()
    project = kari.create_project("Shared", members=(siri,))
    room = f"project_{project['id']}"
    task = kari.create_task("Known", project=project["id"])
    socket, stream = connect(siri), listen(siri, room, "tasks")
    for name in (room, "tasks"):
        socket.join(name)
    stream.wait_for("ready")

    kari.remove_member(project["id"], siri)
    began = time.monotonic()
    closed = socket.wait_for("room_closed", timeout=SOON)
    stream.wait_for("room_closed", timeout=SOON)
    assert time.monotonic() - began < SOON
    require_valid("room_closed", closed)
    assert closed["room"] == room
    assert socket.payloads("project_member_removed")[0]["user_id"] == siri.id
    kari.change_task(task["id"], title="Secret")
    kari.create_task("Secret", project=project["id"])
    kari.patch(f"/api/tasks/projects/{project['id']}/", name="Secret")
    siri.create_task("The end")
    socket.wait_for("task_created", lambda payload: payload["task"]["title"] == "The end")
    stream.wait_for("task_created", lambda event: event.payload["task"]["title"] == "The end")
    assert "Secret" not in str(socket.events) + str(stream.events)
    assert refusal(socket.join(room))["code"] == "RESOURCE_NOT_FOUND"
    # It was not told again afterwards either.
    assert "Secret" not in str(socket.join("tasks", since=closed_at(socket))) + str(socket.events)


def closed_at(socket: SocketClient) -> int:
    """Return the id of the event that told of the end of the membership."""
    return socket.payloads("project_member_removed")[0]["event_id"]


def test_a_deleted_project_closes_its_room(connect: Connect, kari: Person, ola: Person) -> None:
    project = kari.create_project("Short", members=(ola,))
    sockets = [connect(kari), connect(ola)]
    for socket in sockets:
        socket.join(f"project_{project['id']}")
    kari.delete(f"/api/tasks/projects/{project['id']}/")
    for socket in sockets:
        assert socket.wait_for("room_closed", timeout=SOON)["room"] == f"project_{project['id']}"
        names = [name for name, _ in socket.events if not name.startswith("user_")]
        assert names == ["project_deleted", "room_closed"], socket.events


def test_a_task_that_goes_out_of_sight_is_deleted_for_those_who_lose_it(
    connect: Connect, admin: Person, kari: Person, ola: Person, newcomer: Newcomer
) -> None:
    siri = newcomer()
    project = kari.create_project("Shared", members=(ola,))
    task = kari.create_task("Moving", project=project["id"], assignee_id=siri.id)
    sockets = {person.id: connect(person) for person in (admin, kari, ola, siri)}
    for socket in sockets.values():
        socket.join("tasks")
    sockets[ola.id].join(f"project_{project['id']}")
    kari.change_task(task["id"], project=None)
    lost = sockets[ola.id].wait_for("task_deleted")
    require_valid("task_deleted", lost)
    assert (lost["task_id"], lost["reason"], lost["deleted_by"]) == (task["id"], "access_ended", kari.id)
    kari.change_task(task["id"], assignee_id=None)
    assert sockets[siri.id].wait_for("task_deleted")["reason"] == "access_ended"
    kari.change_task(task["id"], title="Hidden")
    for person in (admin, kari):
        sockets[person.id].wait_for("task_updated", lambda payload: payload["task"]["title"] == "Hidden")
        assert sockets[person.id].payloads("task_deleted") == []
    kari.create_task("The end", project=project["id"], assignee_id=siri.id)
    for person in (ola, siri):
        sockets[person.id].wait_for("task_created")
        assert "Hidden" not in str(sockets[person.id].events)


# Sessions


def open_both(connect: Connect, listen: Listen, person: Person) -> tuple[SocketClient, EventSource, EventSource]:
    """Return a socket and two streams of the person's session, one by token and one by ticket, all in ``tasks``."""
    socket = connect(person)
    socket.join("tasks")
    streams = listen(person, "tasks"), listen(person, "tasks", ticket=person.ticket())
    for stream in streams:
        stream.wait_for("ready")
    return socket, *streams


def require_ended(
    ended: tuple[SocketClient, EventSource, EventSource], reason: str = "session_ended", seconds: float = SOON
) -> None:
    """Fail unless socket and streams are told ``reason`` and closed within the time."""
    began = time.monotonic()
    socket, *streams = ended
    closing = socket.wait_for("closing", timeout=seconds)
    require_valid("closing", closing)
    assert (closing["reason"], closing["reconnect"]) == (reason, False)
    for stream in streams:
        assert stream.wait_for("closing", timeout=seconds).payload == closing
    assert time.monotonic() - began < seconds
    # Not one that a client answers by connecting again.
    assert socket.wait_for_disconnect() == "io server disconnect"
    for stream in streams:
        stream.wait_until(lambda stream=stream: stream.errors)


def require_alive(person: Person, open_ones: tuple[SocketClient, EventSource, EventSource]) -> None:
    """Fail unless socket and streams still get events."""
    task = person.create_task("Alive")
    for each in open_ones:
        each.wait_for("task_created", lambda found: task["title"] in str(found))
    assert open_ones[0].disconnects == []


def log_out(person: Person) -> None:
    """End the session."""
    person.post("/api/auth/logout/")


def close_account(person: Person) -> None:
    """Deactivate the account."""
    person.delete("/api/auth/me/")


def change_password(person: Person) -> None:
    """Change the password, which ends all sessions, and go on with the new one."""
    new = "rope-fjord-candle-7"
    arguments = {"old_password": PASSWORD, "new_password": new, "confirm_password": new}
    person.use(person.post("/api/auth/me/password/", **arguments))


@pytest.mark.parametrize(
    ("end", "others_stay"), [(log_out, True), (change_password, False), (close_account, False)], ids=lambda each: ""
)
def test_ended_sessions_end_their_connections_at_once(
    connect: Connect, listen: Listen, newcomer: Newcomer, end: Callable[[Person], None], others_stay: bool
) -> None:
    siri = newcomer()
    other = newcomer(siri)
    here, there = open_both(connect, listen, siri), open_both(connect, listen, other)
    token = siri.token
    end(siri)
    require_ended(here)
    if others_stay:
        require_alive(other, there)
    else:
        require_ended(there)
    assert refused(connect, token=token).data["error"]["code"] == "TOKEN_REVOKED"


def test_ending_another_session_or_all_others_leaves_this_one(
    connect: Connect, listen: Listen, newcomer: Newcomer
) -> None:
    siri = newcomer()
    second, third = newcomer(siri), newcomer(siri)
    opened = [open_both(connect, listen, each) for each in (siri, second, third)]
    sessions = siri.get("/api/auth/sessions/")["results"]
    oldest_other = sorted(each["id"] for each in sessions)[1]
    siri.delete(f"/api/auth/sessions/{oldest_other}/")
    require_ended(opened[1])
    require_alive(siri, opened[2])
    siri.delete("/api/auth/sessions/")
    require_ended(opened[2])
    require_alive(siri, opened[0])


def test_a_changed_role_counts_for_open_connections(
    connect: Connect, listen: Listen, kari: Person, newcomer: Newcomer, database: sa.Engine, server: ServerProcess
) -> None:
    siri = newcomer()
    project = kari.create_project("Not hers")
    room = f"project_{project['id']}"
    set_role(database, siri, "admin")
    socket, stream = connect(siri), listen(siri, room)
    stream.wait_for("ready")
    for name in (room, "tasks"):
        require_answer("join_room", socket.join(name))
    kari.create_task("Seen", project=project["id"])
    socket.wait_for("task_created")
    # There is no request that changes a role; a permission is given by a command, and everything is read anew.
    set_role(database, siri, "user")
    server.flask("admin", "grant", siri.email, "blog.publish")
    began = time.monotonic()
    assert socket.wait_for("room_closed", timeout=SOON_AFTER_COMMANDS)["room"] == room
    stream.wait_for("room_closed", timeout=SOON_AFTER_COMMANDS)
    assert time.monotonic() - began < SOON_AFTER_COMMANDS
    kari.create_task("Secret", project=project["id"])
    siri.create_task("The end")
    socket.wait_for("task_created", lambda payload: payload["task"]["title"] == "The end")
    assert "Secret" not in str(socket.events) + str(stream.events)
    assert socket.disconnects == []


def set_role(database: sa.Engine, person: Person, role: str) -> None:
    """Give the person another role."""
    change = sa.text("UPDATE users SET role = :role WHERE id = :id")
    with database.begin() as connection:
        connection.execute(change, {"role": role, "id": person.id})


# Tokens


def test_connections_end_with_their_tokens_unless_they_get_another(
    connect: Connect, listen: Listen, kari: Person, ola: Person
) -> None:
    token = kari.short_token(4)
    silent, renewed, foreign = (connect(token=token) for _ in range(3))
    stream, ticketed = listen(kari, "tasks", token=token), listen(kari, "tasks", ticket=kari.ticket())
    renewed.join("tasks")
    for socket in (silent, renewed, foreign):
        payload = socket.wait_for("token_expiring", timeout=3)
        require_valid("token_expiring", payload)
    stream.wait_for("token_expiring", timeout=3)

    answer = require_answer("authenticate", renewed.emit("authenticate", {"token": kari.token}))
    assert answer["expires_at"] > payload["expires_at"]
    assert refusal(foreign.emit("authenticate", {"token": ola.token}))["code"] == "AUTHENTICATION_REQUIRED"
    assert refusal(foreign.emit("authenticate", {"token": "garbage"}))["code"] == "AUTHENTICATION_REQUIRED"
    assert refusal(foreign.emit("authenticate", {"token": kari.short_token(-1)}))["code"] == "TOKEN_EXPIRED"

    for socket in (silent, foreign):
        closing = socket.wait_for("closing", timeout=6)
        require_valid("closing", closing)
        assert (closing["reason"], closing["reconnect"]) == ("token_expired", False)
        assert socket.wait_for_disconnect() == "io server disconnect"
        assert len(socket.payloads("token_expiring")) == 1
    assert stream.wait_for("closing", timeout=2).payload == closing
    task = kari.create_task("Alive")
    for each in (renewed, ticketed):
        each.wait_for("task_created", lambda found: str(task["id"]) in str(found))
    assert (renewed.disconnects, renewed.payloads("closing")) == ([], [])


def test_a_renewed_token_of_another_session_of_the_user_is_fine_and_counts(
    connect: Connect, newcomer: Newcomer
) -> None:
    siri = newcomer()
    other = newcomer(siri)
    socket = connect(siri)
    require_answer("authenticate", socket.emit("authenticate", {"token": other.token}))
    log_out(siri)
    socket.join("tasks")
    other.create_task("Alive")
    socket.wait_for("task_created")
    log_out(other)
    assert socket.wait_for("closing", timeout=SOON)["reason"] == "session_ended"
