"""The OWASP API Security Top 10 (2023), each risk by a test that is named after it. Some are shown at length elsewhere:
the matrix of roles and routes, tokens, uploads, sockets."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from nxfs.app import create_app
from nxfs.auth.models import PasswordReset
from nxfs.config import Config
from nxfs.core.limits.limiter import EXTENSION, Limiter
from nxfs.core.limits.shared import RedisCounters
from nxfs.extensions import db
from tests import services
from tests.client import DocumentedClient
from tests.core.laboratory import create_laboratory
from tests.core.limits.quotas import quotas
from tests.factories.tasks import create_project, create_task
from tests.factories.users import PASSWORD, bearer, create_user, open_session, sign_in
from tests.matrix import RULES, Case, World
from tests.test_matrix import allowed_role, api_rules, url_of

pytestmark = pytest.mark.skipif(services.chosen_engine() != "sqlite", reason="Rules, not engines: once is enough.")

# What only the server writes; a schema that has one of these names means something else by it.
SERVER_OWNED = (
    *("id", "pk", "user_id", "owner_id", "author_id", "uploaded_by", "actor_id", "created_at", "updated_at", "version"),
    *("is_admin", "password_hash", "token_hash", "email_key", "date_joined", "last_login", "last_seen", "erased_at"),
    *("must_change_password", "file_size", "file_url", "sha256", "completed_at", "comment_count", "_sa_instance_state"),
)
MISSING = 2**40


def limited(app: Flask, monkeypatch: pytest.MonkeyPatch, *, shared: Any = None, **rates: str) -> None:
    """Give the application limits."""
    monkeypatch.setitem(app.extensions, EXTENSION, Limiter(quotas(**rates), share=25, shared=shared))


def test_api1_broken_object_level_authorization_ids_in_bodies_are_no_way_around_that_in_paths(client):
    stranger, owner = create_user(), create_user()
    task_id, project_id = create_task(owner), create_project(owner)
    own_id = create_task(stranger)
    headers = sign_in(client, stranger)

    def answers(path: str, body: Any, method: str = "POST") -> tuple[int, str]:
        response = client.open(path, method=method, json=body, headers=headers)
        # Which id was meant is all that may differ.
        return response.status_code, response.text.split('"request_id"')[0].split('"timestamp"')[0]

    for of, missing in ((task_id, MISSING), (project_id, MISSING)):
        for body in (
            lambda each: ("/api/tasks/bulk-update/", {"task_ids": [each], "updates": {"status": "completed"}}),
            lambda each: ("/api/tasks/bulk-delete/", {"task_ids": [each]}),
            lambda each: ("/api/tasks/", {"title": "Mine", "project_id": each}),
        ):
            theirs, nobodys = answers(*body(of)), answers(*body(missing))
            assert theirs[0] == nobodys[0]
            assert theirs[1].replace(str(of), "#") == nobodys[1].replace(str(missing), "#")
    for path, name in ((f"/api/tasks/{task_id}/", "title"), (f"/api/tasks/projects/{project_id}/", "name")):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            assert answers(path, {name: "Mine"}, method)[0] == 404
    assert answers(f"/api/tasks/{own_id}/", {"project_id": project_id}, "PATCH")[0] == 400


def test_api2_broken_authentication_only_a_live_access_token_in_its_header_lets_anybody_in(client):
    user = create_user()
    grant = open_session(user)
    for headers in (
        {"Authorization": f"Bearer {grant.refresh}"},
        {"Authorization": f"Token {grant.access}"},
        {"Authorization": grant.access},
        {"Authorization": f"Basic {grant.access}"},
        {"Cookie": f"access_token={grant.access}"},
        bearer(f"{grant.access}x"),
        bearer(grant.access.rpartition(".")[0] + "."),
    ):
        assert client.get("/api/auth/me/", headers=headers).status_code == 401, headers
    assert client.get(f"/api/auth/me/?token={grant.access}&access_token={grant.access}").status_code == 401
    answers = [
        client.post("/api/auth/token/", json={"email": email, "password": "wrong-password"})
        for email in (user.email, "nobody@example.com", create_user(is_active=False).email)
    ]
    assert {(answer.status_code, str(answer.json["error"])) for answer in answers} == {
        (401, str(answers[0].json["error"]))
    }
    # A refresh token that comes back late was stolen from one of two: its session ends.
    first = client.post("/api/auth/token/refresh/", json={"refresh": grant.refresh}).json
    client.post("/api/auth/logout/", headers=bearer(first["access"]))
    assert client.get("/api/auth/me/", headers=bearer(first["access"])).status_code == 401
    assert client.post("/api/auth/token/refresh/", json={"refresh": first["refresh"]}).status_code == 401


def written_bodies() -> list[tuple[str, Case]]:
    """Return every operation that takes a JSON object, with a case of it that succeeds."""
    return [
        (name, cases[0])
        for name, cases in RULES.items()
        if not name.startswith("GET") and cases[0].form is None and cases[0].status < 400
    ]


def test_api3_broken_object_property_level_authorization_server_owned_fields_are_refused_everywhere(app, client):
    world, tried = World(), 0
    for name, case in written_bodies():
        method, path = name.split()
        role = allowed_role(case)
        body = case.body(world, role)
        if not isinstance(body, dict) or not body:
            continue
        extra = {field: 1 for field in SERVER_OWNED if field not in body}
        url = url_of(app, path, case, world)
        response = client.open(url, method=method, headers=world.headers(role), json={**body, **extra})
        assert response.status_code == 400, f"{name}: {response.status_code} {response.text[:300]}"
        refused = set(response.json["error"]["field_errors"])
        assert extra.keys() <= refused, f"{name} takes {extra.keys() - refused}"
        tried += 1
    assert tried > 50


def test_api4_unrestricted_resource_consumption_every_size_has_a_bound(client):
    headers = sign_in(client, create_user())
    assert client.get("/api/tasks/?page_size=100000", headers=headers).json["page_info"]["page_size"] == 100
    for query in (f"search={'+'.join(['word'] * 500)}", f"search={'x' * 5000}", "&".join(["status=todo"] * 2000)):
        assert client.get(f"/api/tasks/?{query}", headers=headers).status_code in (200, 400, 414)
    deep = '{"title": ' + "[" * 50_000 + "]" * 50_000 + "}"
    for body in (deep, '{"title": "' + "x" * 2_000_000 + '"}', '{"task_ids": [' + "1," * 200_000 + "1]}"):
        answer = client.post("/api/tasks/", data=body, content_type="application/json", headers=headers)
        assert answer.status_code in (400, 413)
    ids = list(range(1, 1_002))
    refused = {"task_ids": ids, "updates": {"status": "completed"}}
    answer = client.post("/api/tasks/bulk-update/?async=false", json=refused, headers=headers)
    assert answer.status_code in (400, 413)
    compressed = client.post("/api/tasks/", data=b"x" * 20, headers={**headers, "Content-Encoding": "gzip"})
    assert compressed.status_code in (400, 415)


def test_api5_broken_function_level_authorization_administration_is_closed_by_whatever_name_and_method(app, client):
    world, tried = World(), 0
    wrong = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL")
    for path, rule in api_rules(app).items():
        if not path.startswith("/api/admin/"):
            continue
        url = url_of(app, path, Case(200), world)
        for role in ("anonymous", "stranger", "staff"):
            for method in (*sorted(rule.methods - {"OPTIONS"}), "TRACE", "PROPFIND"):
                headers = {**world.headers(role), **dict.fromkeys(wrong, "GET")}
                for address in (url, url.rstrip("/"), f"{url}?_method=GET", f"/{url}", url.replace("admin", "%61dmin")):
                    answer = client.open(address, method=method, headers=headers, json={})
                    # What is malformed is refused as that, whoever sends it.
                    refused = answer.status_code in (400, 401, 403, 404, 405)
                    assert refused, (role, method, address, answer.status_code)
                    tried += 1
    assert tried > 500


def test_api6_unrestricted_access_to_sensitive_business_flows_is_slowed_down(app, client, monkeypatch):
    user = create_user()
    for _ in range(12):
        assert client.post("/api/auth/password/reset/", json={"email": user.email}).status_code == 200
    assert db.session.scalar(select(func.count()).select_from(PasswordReset)) == 5
    limited(app, monkeypatch, login_address="10 per minute", login="3 per minute")
    guesses = [
        client.post("/api/auth/token/", json={"email": user.email, "password": PASSWORD}).status_code for _ in range(5)
    ]
    assert guesses == [200, 200, 200, 429, 429]
    # Another address in a header is no other address.
    accounts = [
        client.post(
            "/api/auth/register/",
            json={"email": f"robot-{number}@example.com", "username": f"robot-{number}", "password": PASSWORD},
            headers={"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"},
        ).status_code
        for number in range(8)
    ]
    assert (accounts.count(201), accounts.count(429)) == (5, 3)


def test_api7_server_side_request_forgery_no_address_that_a_user_gives_is_ever_called(app, client, monkeypatch):
    called = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: called.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **named: called.append(host) or [])
    headers = sign_in(client, create_user(role="staff"))
    post = {"title": "Cabin", "body_markdown": "![x](http://169.254.169.254/latest/) <http://127.0.0.1:6379/>"}
    created = client.post("/api/blog/posts/", json=post, headers=headers)
    assert created.status_code == 201, created.text
    for address in ("http://169.254.169.254/latest/", "http://127.0.0.1:6379/", "file:///etc/passwd", "gopher://x/"):
        client.patch("/api/auth/me/", json={"website": address}, headers=headers)
        video = client.post(f"/api/blog/posts/{created.json['id']}/youtube/", json={"url": address}, headers=headers)
        assert video.status_code in (400, 404, 405)
    assert called == []


def test_api8_security_misconfiguration_nothing_is_told_and_no_other_origin_is_let_in():
    lab = create_laboratory(CORS_ORIGINS="https://app.example.com").test_client()
    crash = lab.get("/api/laboratory/crash/", headers={"Origin": "https://evil.example"})
    assert crash.status_code == 500
    assert "secret" not in crash.text
    assert "Traceback" not in crash.text
    assert "Access-Control-Allow-Origin" not in crash.headers
    assert crash.headers["Cache-Control"] == "no-store"
    assert crash.headers["X-Content-Type-Options"] == "nosniff"
    assert lab.open("/api/tasks/", method="TRACE").status_code == 405
    for name, value in (("SECRET_KEY", "secret"), ("CORS_ORIGINS", "*")):
        settings = {"NXFS_ENV": "production", "SECRET_KEY": "k9-Zt.4pQ" * 5, name: value}
        with pytest.raises(Exception, match=name):
            Config.from_environment(settings)


def test_api9_improper_inventory_management_production_serves_what_the_document_names_and_nothing_else(app):
    settings = {"NXFS_ENV": "production", "SECRET_KEY": "k9-Zt.4pQ" * 5, "DATABASE_URL": "sqlite:///instance/none.db"}
    served = create_app(Config.from_environment(settings))
    assert {rule.rule for rule in served.url_map.iter_rules()} == {rule.rule for rule in app.url_map.iter_rules()}
    assert not served.debug
    assert not served.testing
    document = served.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    paths = {path for path in api_rules(served) if path.startswith("/api/")}
    assert len([path for path in document["paths"] if path.startswith("/api/")]) == len(paths)


@pytest.mark.parametrize(
    "garbage", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"$99999999999\r\n", b"*3\r\n:1\r\n", b"\xff" * 64]
)
def test_api10_unsafe_consumption_of_apis_a_redis_that_talks_nonsense_breaks_nothing(
    app: Flask, client: DocumentedClient, monkeypatch: pytest.MonkeyPatch, garbage: bytes
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def talk() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with closing(connection):
                    connection.sendall(garbage)

        threading.Thread(target=talk, daemon=True).start()
        shared = RedisCounters(f"redis://127.0.0.1:{server.getsockname()[1]}/0")
        # A quarter of it, while nobody else counts.
        limited(app, monkeypatch, shared=shared, login="8 per minute")
        user = create_user()
        sign_ins = [
            client.post("/api/auth/token/", json={"email": user.email, "password": PASSWORD}).status_code
            for _ in range(4)
        ]
        assert sign_ins == [200, 200, 429, 429]
        server.shutdown(socket.SHUT_RDWR)
