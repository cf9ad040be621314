"""What a client must not reach: the library's own events, and places that it does not give back."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest
import requests

from tests import waiting
from tests.realtime.people import Person
from tests.realtime.polling import Polling
from tests.server import ServerProcess

Newcomer = Callable[[], Person]
SECONDS = 10
wait_until = partial(waiting.wait_until, seconds=SECONDS)
MORE_THAN_ALLOWED = 55


@pytest.mark.parametrize("name", ["connect", "disconnect", "client message", "", 5, None, {"a": 1}])
def test_names_of_the_library_and_names_that_are_none_are_unknown_messages(
    server: ServerProcess, newcomer: Newcomer, name: object
) -> None:
    mallory, second = newcomer(), newcomer()
    client = Polling(server.url, mallory.token)
    answer = client.emit_text(json.dumps([name, {"REMOTE_ADDR": "6.6.6.6"}, {"token": second.token}]))
    assert (answer["ok"], answer["error"]["error"]["code"]) == (False, "VALIDATION_ERROR")
    # It is still who it was, and still there.
    assert client.emit("join_room", {"room": f"user_{mallory.id}"})["ok"]
    assert not client.emit("join_room", {"room": f"user_{second.id}"})["ok"]


def test_clients_that_go_while_they_come_in_leave_no_place_taken(server: ServerProcess, newcomer: Newcomer) -> None:
    siri = newcomer()
    for _ in range(MORE_THAN_ALLOWED):
        Polling(server.url, None).post("40" + json.dumps({"token": siri.token}), "1")
    assert open_stream(siri, "tasks").status_code == 200


def test_streams_whose_clients_have_gone_leave_no_place_taken_and_nobody_present(newcomer: Newcomer) -> None:
    siri, ola = newcomer(), newcomer()
    room = f"project_{siri.create_project(members=(ola,))['id']}"
    for _ in range(MORE_THAN_ALLOWED):
        response = open_stream(siri, room)
        assert response.status_code == 200
        response.close()
    wait_until(lambda: ola.get("/api/realtime/presence/", room=room)["count"] == 0)


def open_stream(person: Person, room: str) -> requests.Response:
    """Return the answer to the request for a stream, unread."""
    headers = {"Authorization": f"Bearer {person.token}"}
    return requests.get(person.stream_url(room), headers=headers, stream=True, timeout=SECONDS)
