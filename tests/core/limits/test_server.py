"""Limits of a real server that counts in Redis: sockets, and forged headers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from redis import Redis

from tests import services
from tests.realtime.people import Person
from tests.realtime.polling import Polling
from tests.server import ServerProcess

pytestmark = pytest.mark.skipif(services.chosen_engine() != "sqlite", reason="Once, beside SQLite, is enough.")

LIMITS = {
    "RATELIMIT_ENABLED": "true",
    "RATELIMIT_SOCKET_CONNECT": "2 per hour",
    "RATELIMIT_SOCKET_EVENT": "3 per hour",
    "RATELIMIT_ANONYMOUS": "3 per hour",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with low limits."""
    directory = tmp_path_factory.mktemp("limited")
    environment = {**LIMITS, "REDIS_URL": services.redis_url(), "MEDIA_URL": f"file://{directory}/media"}
    with ServerProcess(f"sqlite:///{directory}/nxfs.db", directory, environment=environment, migrate=True) as process:
        yield process
    with Redis.from_url(services.redis_url()) as redis:
        redis.flushdb()


def test_sockets_connect_and_send_so_often_and_are_told_when_to_come_back(server):
    kari = Person(server)
    first, second = Polling(server.url, kari.token), Polling(server.url, kari.token)
    refused = Polling(server.url, None)
    refused.post("40" + json.dumps({"token": kari.token}))
    error = json.loads(refused.receive("44"))["data"]["error"]
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    assert 3500 < error["details"]["retry_after"] <= 3600

    # All connections of somebody together.
    answers = [each.emit("join_room", {"room": "tasks"}) for each in (first, second, first, second)]
    assert [each["ok"] for each in answers] == [True, True, True, False]
    assert answers[3]["error"]["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert answers[3]["error"]["error"]["details"]["retry_after"] <= 3600
    # Requests have quotas of their own.
    assert kari.request("GET", "/api/tasks/").status_code == 200
    for each in (first, second, refused):
        each.close()
    kari.close()


def test_forged_headers_and_sockets_without_a_token_count_for_their_address(server):
    def ask(number):
        forged = {"X-Forwarded-For": f"10.0.0.{number}"}
        return requests.get(f"{server.url}/api/blog/posts/public/", headers=forged, timeout=10)

    assert [ask(number).status_code for number in range(2)] == [200, 200]
    stranger = Polling(server.url, None)
    codes = []
    for _ in range(2):
        stranger.post("40" + json.dumps({"token": "nonsense"}))
        codes.append(json.loads(stranger.receive("44"))["data"]["error"]["code"])
    stranger.close()
    assert codes == ["AUTHENTICATION_REQUIRED", "RATE_LIMIT_EXCEEDED"]
    assert ask(9).status_code == 429
