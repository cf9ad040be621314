"""Who may read a stream, and by what: tokens, and tickets that open one stream once."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from tests.realtime.conftest import FRONT_END
from tests.realtime.event_source import EventSource
from tests.realtime.payloads import require_envelope, require_valid
from tests.realtime.people import Person
from tests.server import ServerProcess

Listen = Callable[..., EventSource]
Newcomer = Callable[..., Person]
ONCE = {"rooms": "tasks", "follow": "false"}


def ask(server: ServerProcess, headers: dict[str, str] | None = None, **query: Any) -> requests.Response:
    """Ask for a stream that ends by itself, without an account."""
    parameters = {**ONCE, **query}
    return requests.get(f"{server.url}/api/events/", params=parameters, headers=headers, timeout=10)


def code_of(answer: requests.Response) -> tuple[int, str]:
    """Return status and code of a refusal."""
    return answer.status_code, require_envelope(answer.json())["code"]


def test_a_stream_needs_a_token_or_a_ticket(server: ServerProcess, kari: Person, newcomer: Newcomer) -> None:
    for headers in ({}, {"Authorization": "Bearer garbage"}, {"Authorization": f"Basic {kari.token}"}):
        assert code_of(ask(server, headers)) == (401, "AUTHENTICATION_REQUIRED")
    assert code_of(ask(server, {"Authorization": f"Bearer {kari.short_token(-5)}"})) == (401, "TOKEN_EXPIRED")
    assert ask(server, {"Authorization": f"Bearer {kari.token}"}).status_code == 200
    other = newcomer(kari)
    other.post("/api/auth/logout/")
    assert code_of(ask(server, {"Authorization": f"Bearer {other.token}"})) == (401, "TOKEN_REVOKED")
    # Never in the address, where it would be logged.
    assert code_of(ask(server, token=kari.token)) == (400, "VALIDATION_ERROR")
    assert code_of(ask(server, ticket=kari.token)) == (400, "VALIDATION_ERROR")
    assert code_of(ask(server, ticket="x" * 43)) == (401, "AUTHENTICATION_REQUIRED")
    assert code_of(requests.post(f"{server.url}/api/events/ticket/", timeout=10)) == (401, "AUTHENTICATION_REQUIRED")


def test_a_ticket_opens_one_stream_once_within_a_minute(
    server: ServerProcess, kari: Person, database: sa.Engine
) -> None:
    issued = kari.post("/api/events/ticket/")
    assert issued.keys() == {"ticket", "expires_at"}
    assert ask(server, ticket=issued["ticket"]).status_code == 200
    assert code_of(ask(server, ticket=issued["ticket"])) == (401, "AUTHENTICATION_REQUIRED")
    # A refused room uses it up too, and HEAD as well.
    for wanted, query in ((404, {"rooms": "project_999999999"}), (200, {})):
        ticket = kari.ticket()
        assert ask(server, ticket=ticket, **query).status_code == wanted
        assert ask(server, ticket=ticket).status_code == 401
    late = kari.ticket()
    with database.begin() as connection:
        # The newest: other tests may have left theirs.
        newest = "expires_at = (SELECT max(expires_at) FROM event_tickets)"
        changed = connection.execute(
            sa.text(f"UPDATE event_tickets SET expires_at = :past WHERE {newest}"), {"past": "2020-01-01 00:00:00+00"}
        )
        assert changed.rowcount == 1
    assert code_of(ask(server, ticket=late)) == (401, "AUTHENTICATION_REQUIRED")


def test_tickets_promise_a_minute(kari: Person) -> None:
    before = time.time()
    ends = kari.post("/api/events/ticket/")["expires_at"]
    assert 55 < moment(ends) - before < 65


def moment(text: str) -> float:
    """Return seconds since 1970 of a time on the wire."""
    return datetime.fromisoformat(text).timestamp()


def test_a_ticket_of_an_ended_session_opens_nothing(server: ServerProcess, newcomer: Newcomer) -> None:
    siri = newcomer()
    other = newcomer(siri)
    ticket, good = siri.ticket(), other.ticket()
    siri.post("/api/auth/logout/")
    assert code_of(ask(server, ticket=ticket)) == (401, "TOKEN_REVOKED")
    assert ask(server, ticket=good).status_code == 200


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"rooms": ""}, 400, "VALIDATION_ERROR"),
        ({"rooms": "project_999999999"}, 404, "RESOURCE_NOT_FOUND"),
        ({"rooms": "tasks,project_999999999"}, 404, "RESOURCE_NOT_FOUND"),
        ({"rooms": "tasks", "last_event_id": "-1"}, 400, "VALIDATION_ERROR"),
        ({"rooms": "tasks", "last_event_id": "x"}, 400, "VALIDATION_ERROR"),
        ({"rooms": "tasks", "follow": "maybe"}, 400, "VALIDATION_ERROR"),
        ({"rooms": "tasks", "room": "tasks"}, 400, "VALIDATION_ERROR"),
    ],
    ids=str,
)
def test_wrong_questions_get_the_envelope(kari: Person, query: dict[str, str], status: int, code: str) -> None:
    answer = kari.request("GET", "/api/events/", params=query)
    assert answer.headers["Content-Type"] == "application/json"
    assert code_of(answer) == (status, code)
    assert require_envelope(answer.json())["message"]


def test_rooms_may_be_repeated_and_named_twice(kari: Person) -> None:
    for rooms in ("tasks,tasks", ["tasks", kari.room], f"tasks,{kari.room}"):
        answer = kari.request("GET", "/api/events/", params={"rooms": rooms, "follow": "false"})
        assert answer.status_code == 200


def test_other_origins_may_read_it_when_they_are_known(server: ServerProcess, kari: Person) -> None:
    for origin, allowed in ((FRONT_END, FRONT_END), ("https://evil.example", None)):
        answer = ask(server, {"Authorization": f"Bearer {kari.token}", "Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed


def test_everybody_reads_only_their_own(listen: Listen, admin: Person, kari: Person, newcomer: Newcomer) -> None:
    siri = newcomer()
    project = kari.create_project("Hers")
    readers = {person.id: listen(person, "tasks") for person in (admin, kari, siri)}
    for stream in readers.values():
        stream.wait_for("ready")
    kari.create_task("Private")
    kari.create_task("In the project", project=project["id"])
    kari.create_task("For Siri", assignee_id=siri.id)
    for stream in readers.values():
        stream.wait_for("task_created", lambda event: event.payload["task"]["title"] == "For Siri")
    titles = {
        reader: [event.payload["task"]["title"] for event in stream.events if event.name == "task_created"]
        for reader, stream in readers.items()
    }
    everything = ["Private", "In the project", "For Siri"]
    assert titles == {admin.id: everything, kari.id: everything, siri.id: ["For Siri"]}


def test_an_eventsource_that_is_refused_gives_up_or_comes_back_with_a_new_token(
    listen: Listen, kari: Person, newcomer: Newcomer
) -> None:
    refused = listen(kari, "tasks", token="garbage")
    refused.wait_until(lambda: refused.errors)
    assert refused.errors[0].status == 401
    assert refused.errors[0].closed
    siri = newcomer()
    stream = listen(siri, "tasks", token=siri.short_token(2))
    closing = stream.wait_for("closing", timeout=6).payload
    require_valid("closing", closing)
    assert closing["reason"] == "token_expired"
    stream.use_token(siri.token)
    task = siri.create_task("Missed")
    stream.wait_for("task_created", lambda event: event.payload["task"]["id"] == task["id"])
    assert stream.requests[-1].last_event_id
