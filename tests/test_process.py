"""The real server process over HTTP: start, stop, restart, and what only a real server can get wrong."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import services
from tests.server import ServerProcess
from tests.waiting import wait_until

EMAIL, PASSWORD = "boss@example.com", "salt-lamp-harbour-42"
# Who send requests with keys at once.
CLIENTS = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with an administrator."""
    directory = tmp_path_factory.mktemp("server")
    is_sqlite = services.chosen_engine() == "sqlite"
    url = f"sqlite:///{directory / 'nxfs.db'}" if is_sqlite else services.new_postgresql_database()
    settings = {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD, "LOG_FORMAT": "json"}
    with ServerProcess(url, directory, environment=settings, migrate=True) as process:
        process.flask("admin", "ensure")
        yield process


@pytest.fixture(scope="module")
def browser(server: ServerProcess) -> requests.Session:
    """A client that keeps its connection and is signed in."""
    session = requests.Session()
    answer = session.post(f"{server.url}/api/auth/token/", json={"email": EMAIL, "password": PASSWORD}, timeout=10)
    session.headers["Authorization"] = f"Bearer {answer.json()['access']}"
    return session


def send_raw(server: ServerProcess, data: bytes) -> bytes:
    """Send bytes and return all that comes back until the server closes, or for at most five seconds."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(data)
        connection.settimeout(5)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except TimeoutError:
            pass
        return received


def test_main_job_over_http_works_through_tasks(server: ServerProcess, browser: requests.Session) -> None:
    category = browser.post(f"{server.url}/api/tasks/categories/", json={"name": "Innkjøp"}).json()
    project = browser.post(f"{server.url}/api/tasks/projects/", data={"name": "Hytta"}).json()
    form = {"title": "Kjøp kabel", "category": [category["id"]], "project": project["id"], "due_date": "2027-02-14"}
    task = browser.post(f"{server.url}/api/tasks/", files={key: (None, str(form[key])) for key in ("title",)}).json()
    changed = browser.patch(f"{server.url}/api/tasks/{task['id']}/", json=form)
    assert changed.json()["category"] == [category["id"]]
    query = {"category": "innkjop", "project": "Hytta", "search": "KAB", "due_date_end": "2027-02-14"}
    found = browser.get(f"{server.url}/api/tasks/", params=query).json()
    assert [each["id"] for each in found["results"]] == [task["id"]]
    assert found["filters_applied"]["date_range"] == {"start": "", "end": "2027-02-14"}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GARBAGE\r\n\r\n", id="no http"),
        pytest.param(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="long line"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20000 + b"\r\n\r\n", id="long header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: \x01\r\n\r\n", id="control character"),
        pytest.param(
            b"POST /api/auth/token/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\nZZ\r\nabc\r\n",
            id="bad chunk",
        ),
    ],
)
def test_send_what_is_no_http_answers_the_envelope(server: ServerProcess, data: bytes) -> None:
    head, _, body = send_raw(server, data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(body)["error"]["code"] == "MALFORMED_REQUEST"


def test_send_large_body_with_length_answers_413(server: ServerProcess, browser: requests.Session) -> None:
    answer = browser.post(
        f"{server.url}/api/tasks/", data=b"[" * 10_000_000, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_send_large_body_in_chunks_answers_413(server: ServerProcess, browser: requests.Session) -> None:
    chunks = (b"{" + b" " * 65536 for _ in range(160))
    answer = browser.post(f"{server.url}/api/tasks/", data=chunks, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert browser.get(f"{server.url}/api/auth/me/").status_code == 200


def test_path_without_slash_over_http_is_no_redirect(server: ServerProcess, browser: requests.Session) -> None:
    answer = browser.get(f"{server.url}/api/tasks", allow_redirects=False)
    assert answer.status_code == 200


def test_requests_are_logged_one_line_each_without_secrets(server: ServerProcess, browser: requests.Session) -> None:
    browser.get(f"{server.url}/api/auth/me/", headers={"X-Request-ID": "find-me-in-the-log"})
    requests.post(f"{server.url}/api/auth/token/", json={"email": EMAIL, "password": "wrong-secret-word"}, timeout=10)
    lines = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    found = [line for line in lines if line.get("request_id") == "find-me-in-the-log"]
    assert len(found) == 1
    assert found[0] | {"ms": 0, "timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "logger": "nxfs.request",
        "message": "request",
        "method": "GET",
        "route": "/api/auth/me/",
        "status": 200,
        "ms": 0,
        "user": 1,
        "request_id": "find-me-in-the-log",
    }
    token = str(browser.headers["Authorization"]).removeprefix("Bearer ")
    assert not any(secret in server.log() for secret in (PASSWORD, "wrong-secret-word", token))


def test_logout_kills_access_token_in_another_process(server: ServerProcess, tmp_path: Path) -> None:
    shared = {"SECRET_KEY": server.environment["SECRET_KEY"]}
    with ServerProcess(server.environment["DATABASE_URL"], tmp_path, environment=shared) as other:
        credentials = {"email": EMAIL, "password": PASSWORD}
        pair = requests.post(f"{server.url}/api/auth/token/", json=credentials, timeout=10).json()
        headers = {"Authorization": f"Bearer {pair['access']}"}
        assert requests.get(f"{other.url}/api/auth/me/", headers=headers, timeout=10).status_code == 200
        requests.post(f"{server.url}/api/auth/logout/", headers=headers, json={}, timeout=10)
        assert requests.get(f"{server.url}/api/auth/me/", headers=headers, timeout=10).status_code == 401
        time.sleep(1)
        answer = requests.get(f"{other.url}/api/auth/me/", headers=headers, timeout=10)
        assert answer.json()["error"]["code"] == "TOKEN_REVOKED"


def create_keyed(url: str, browser: requests.Session, title: str) -> requests.Response:
    """Create a task with a key that is its title."""
    headers = {"Authorization": str(browser.headers["Authorization"]), "Idempotency-Key": title}
    return requests.post(f"{url}/api/tasks/", json={"title": title}, headers=headers, timeout=30)


def found_ids(server: ServerProcess, browser: requests.Session, word: str) -> list[int]:
    """Return the ids of the tasks whose titles have ``word``."""
    found = browser.get(f"{server.url}/api/tasks/", params={"search": word}).json()["results"]
    return [task["id"] for task in found]


def write_until_killed(victim: ServerProcess, browser: requests.Session, name: str, answers: int) -> dict[str, Any]:
    """Create tasks until the server is killed, after so many answers, and return each answer, None for those cut."""
    answered: dict[str, Any] = {}

    def write(client: int) -> None:
        with suppress(requests.RequestException):
            for number in count():
                title = f"{name}c{client}n{number}"
                answered[title] = None
                answered[title] = create_keyed(victim.url, browser, title).content

    clients = [threading.Thread(target=write, args=[client]) for client in range(CLIENTS)]
    for client in clients:
        client.start()
    wait_until(lambda: sum(content is not None for content in list(answered.values())) >= answers)
    victim.kill()
    for client in clients:
        client.join(30)
    return answered


def test_two_servers_and_a_killed_one_do_a_keyed_request_once(
    server: ServerProcess, browser: requests.Session, tmp_path: Path
) -> None:
    shared = {"SECRET_KEY": server.environment["SECRET_KEY"]}
    with ServerProcess(server.environment["DATABASE_URL"], tmp_path, environment=shared) as other:
        for title in ("twice1", "twice2", "twice3"):
            with ThreadPoolExecutor(CLIENTS) as pool:
                urls = [server.url, other.url] * (CLIENTS // 2)
                answers = list(pool.map(partial(create_keyed, browser=browser, title=title), urls))
            done = [answer for answer in answers if answer.status_code == 201]
            assert {answer.status_code for answer in answers} <= {201, 409}
            assert len([answer for answer in done if "Idempotency-Replayed" not in answer.headers]) == 1
            assert found_ids(server, browser, title) == [done[0].json()["id"]]
        for name, answers_before in (("first", 3), ("second", 20)):
            if not other.is_running():
                other.start()
            answered = write_until_killed(other, browser, name, answers_before)
            assert len([content for content in answered.values() if content is None]) == CLIENTS
            # Nothing of the killed one has to run out before.
            for title, content in answered.items():
                answer = create_keyed(server.url, browser, title)
                assert (answer.status_code, answer.content) == (201, content or answer.content)
                assert content is None or answer.headers["Idempotency-Replayed"] == "true"
                assert found_ids(server, browser, title) == [answer.json()["id"]]


def test_stop_lets_requests_finish_and_restart_keeps_data(server: ServerProcess, browser: requests.Session) -> None:
    created = browser.post(f"{server.url}/api/tasks/", json={"title": "Kept"}).json()
    token = str(browser.headers["Authorization"])
    answers: list[Any] = []
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest("POST", "/api/tasks/")
    body = json.dumps({"title": "Under way"}).encode()
    headers = {"Authorization": token, "Content-Type": "application/json", "Content-Length": str(len(body))}
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(body[:5])
    time.sleep(0.3)
    stopping = threading.Thread(target=lambda: answers.append(server.stop()))
    stopping.start()
    time.sleep(0.5)
    connection.send(body[5:])
    answer = connection.getresponse()
    assert answer.status == 201
    under_way = json.loads(answer.read())
    connection.close()
    stopping.join(30)
    assert answers == [0]
    server.start()
    for task in (created, under_way):
        found = requests.get(f"{server.url}/api/tasks/{task['id']}/", headers={"Authorization": token}, timeout=10)
        assert found.json()["title"] == task["title"]


def test_start_with_several_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="WEB_CONCURRENCY is '2', but only 1 is allowed"):
        ServerProcess(f"sqlite:///{tmp_path}/unused.db", tmp_path, environment={"WEB_CONCURRENCY": "2"}).start()
