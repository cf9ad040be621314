"""Which requests are counted against what, what the headers say, and what who is refused gets to read."""

from __future__ import annotations

import ipaddress
import math
import re
import time
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from nxfs.core import clock
from nxfs.core.audit import AuditEntry
from nxfs.core.limits import requests
from nxfs.extensions import db
from nxfs.tasks.models import Task
from tests.core.laboratory import create_laboratory
from tests.factories.tasks import create_task
from tests.factories.users import PASSWORD, create_user, open_session
from tests.tasks.person import Person

TASKS = "/api/tasks/"
POSTS = "/api/blog/posts/public/"
TOKEN = "/api/auth/token/"
REFRESH = "/api/auth/token/refresh/"
HOME = "203.0.113.7"


def come_from(address, **headers):
    """Return the keywords of a request from ``address``."""
    return {"environ_base": {"REMOTE_ADDR": address}, "headers": headers}


def sign_in(client, name, password="wrong password", address=HOME):
    return client.post(TOKEN, json={"email": name, "password": password}, **come_from(address)).status_code


# Headers and refusals


def test_headers_tell_every_quota_and_the_one_closest_to_its_end(client, limit):
    limit(api="5 per 10 seconds, 6 per hour")
    kari = Person(client)
    first = kari.get(TASKS).headers
    assert first["RateLimit-Policy"] == '"api-10s";q=5;w=10, "api";q=6;w=3600'
    assert first["RateLimit"] == '"api-10s";r=4;t=10, "api";r=5;t=3600'
    assert (first["X-RateLimit-Limit"], first["X-RateLimit-Remaining"]) == ("5", "4")
    assert 0 <= int(first["X-RateLimit-Reset"]) - time.time() <= 11
    assert "Retry-After" not in first
    exposed = kari.get(TASKS, headers={"Origin": "http://localhost:3000"}).headers["Access-Control-Expose-Headers"]
    names = {"RateLimit", "RateLimit-Policy", "Retry-After", "X-RateLimit-Limit", "X-RateLimit-Remaining"}
    assert names | {"X-RateLimit-Reset"} <= set(exposed.split(", "))


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "You are sending requests too quickly. Please wait a moment."),
        ("no", "Du sender forespørsler for raskt. Vent litt."),
    ],
)
def test_who_is_refused_gets_the_envelope_in_their_language_and_nothing_is_done(client, limit, language, sentence):
    limit(api="1 per minute, 50 per hour")
    kari = Person(client, language=language)
    assert kari.post(TASKS, json={"title": "First"}).status_code == 201
    entries = db.session.scalar(select(func.count()).select_from(AuditEntry))
    refused = kari.post(TASKS, json={"title": "Second"})
    assert refused.status_code == 429
    error = refused.get_json()["error"]
    wait = error["details"]["retry_after"]
    assert error == {"code": "RATE_LIMIT_EXCEEDED", "message": sentence, "details": {"retry_after": wait}}
    assert refused.headers["Retry-After"] == str(wait)
    assert 50 < wait <= 60
    assert wait >= int(re.search(r'"api-60s";r=0;t=(\d+)', refused.headers["RateLimit"])[1])
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    # What is refused is not counted in the other quota either.
    assert '"api";r=49' in refused.headers["RateLimit"]
    assert db.session.scalar(select(func.count()).select_from(Task)) == 1
    assert db.session.scalar(select(func.count()).select_from(AuditEntry)) == entries
    # Who it is is still remembered from the request before.
    assert refused.headers["X-DB-Queries"] == "0"


def test_a_refused_request_with_a_key_may_be_sent_again_with_it(client, limit):
    kari = Person(client)
    key = {"Idempotency-Key": "first-and-only-key"}
    limit(api="1 per hour")
    kari.get(TASKS)
    assert kari.post(TASKS, json={"title": "Once"}, headers=key).status_code == 429
    limit()
    assert kari.post(TASKS, json={"title": "Once"}, headers=key).status_code == 201


def test_every_operation_documents_that_it_may_be_refused(app):
    paths = app.test_client().get("/schema/").get_json()["paths"]
    entries = [entry for path, entry in paths.items() if path.startswith("/api/")]
    operations = [each for entry in entries for each in entry.values() if "responses" in each]
    assert len(operations) > 50
    assert [each["operationId"] for each in operations if "429" not in each["responses"]] == []


def test_switched_off_nothing_is_counted(client):
    assert "RateLimit" not in client.get(POSTS).headers


# Who is counted


def test_users_are_counted_each_and_apart_from_their_address(client, limit):
    limit(api="2 per hour", anonymous="1 per hour")
    kari, ola = Person(client), Person(client)
    assert [kari.get(TASKS).status_code for _ in range(3)] == [200, 200, 429]
    assert ola.get(TASKS).status_code == 200
    assert client.get(POSTS).status_code == 200
    # With no token, or one that means nothing, it is the address.
    assert client.get(TASKS).status_code == 429
    assert client.get(TASKS, headers={"Authorization": "Bearer nonsense"}).status_code == 429
    assert client.get("/api/nowhere/").status_code == 429
    assert client.get(POSTS, **come_from(HOME)).status_code == 200
    # What is open to everybody counts for a user too.
    assert ola.get(POSTS).status_code == 200
    assert ola.get(POSTS).status_code == 429


def test_failed_tokens_are_counted_by_address(client, limit):
    limit(anonymous="3 per hour")
    answers = [client.get(TASKS, headers={"Authorization": f"Bearer {number}"}).status_code for number in range(4)]
    assert answers == [401, 401, 401, 429]


def test_tokens_that_have_run_out_are_not_those_of_strangers(client, limit):
    limit(anonymous="1 per hour", api="4 per hour")
    kari = Person(client)
    with time_machine.travel(clock.now() + timedelta(minutes=16), tick=False):
        answers = [kari.get(TASKS) for _ in range(5)]
        assert [each.status_code for each in answers] == [401] * 4 + [429]
        assert answers[0].get_json()["error"]["code"] == "TOKEN_EXPIRED"
        assert client.get(POSTS).status_code == 200


def test_ipv6_networks_count_as_one_address_and_ipv4_in_ipv6_as_ipv4(client, limit):
    limit(anonymous="2 per hour")
    addresses = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2::7", "2001:db8:1:3::1"]
    assert [client.get(POSTS, **come_from(each)).status_code for each in addresses] == [200, 200, 429, 200]
    same = ["198.51.100.9", "::ffff:198.51.100.9", "198.51.100.9"]
    assert [client.get(POSTS, **come_from(each)).status_code for each in same] == [200, 200, 429]


def test_forged_forwarding_headers_do_not_dodge_limits(client, limit):
    limit(anonymous="2 per hour", login_address="1 per hour")

    def forge(number):
        forged = {"X-Forwarded-For": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}", "X-Real-IP": "10.0.0.1"}
        return come_from(HOME, **forged)

    assert [client.get(POSTS, **forge(number)).status_code for number in range(3)] == [200, 200, 429]
    wrong = {"email": "a@example.com", "password": "wrong password"}
    assert [client.post(TOKEN, json=wrong, **forge(number)).status_code for number in range(2)] == [401, 429]


def test_behind_one_proxy_only_what_the_proxy_says_counts():
    client = create_laboratory(PROXY_HOPS="1", RATELIMIT_ENABLED="true", RATELIMIT_ANONYMOUS="2 per hour").test_client()

    def ask(forwarded):
        return client.get("/api/laboratory/short/", headers={"X-Forwarded-For": forwarded}).status_code

    assert [ask(f"10.0.0.{number}, {HOME}") for number in range(3)] == [200, 200, 429]
    assert ask("198.51.100.9") == 200


def test_exempt_addresses_preflights_and_other_pages_are_not_counted(app, client, limit, monkeypatch):
    limit(anonymous="1 per hour")
    monkeypatch.setitem(app.config, "RATELIMIT_EXEMPT", (ipaddress.ip_network("10.1.0.0/16"),))
    for address in ("10.1.2.3", "::ffff:10.1.2.3"):
        answers = [client.get(POSTS, **come_from(address)) for _ in range(3)]
        assert [(each.status_code, "RateLimit" in each.headers) for each in answers] == [(200, False)] * 3
    preflight = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
    assert [client.options(POSTS, headers=preflight).status_code for _ in range(3)] == [200] * 3
    for path in ("/", "/schema/"):
        assert {client.get(path).status_code for _ in range(3)} <= {200, 404}
    assert [client.get(POSTS).status_code for _ in range(2)] == [200, 429]


# Signing in


def test_sign_in_is_limited_for_each_account_wherever_it_is_tried_from(client, limit):
    limit(login="3 per minute")
    user, other = create_user(), create_user()
    names = [user.email, user.username, user.email.upper(), user.username]
    answers = [sign_in(client, name, address=f"198.51.100.{number}") for number, name in enumerate(names)]
    assert answers == [401, 401, 401, 429]
    # Also with the right password, and alike for a name that nobody has.
    assert sign_in(client, user.email, PASSWORD, address="198.51.100.77") == 429
    assert sign_in(client, other.email, PASSWORD) == 200
    unknown = [sign_in(client, "nobody@example.com", address=f"198.51.100.{number}") for number in range(4)]
    assert unknown == [401, 401, 401, 429]


def test_sign_in_is_limited_for_each_address_over_all_accounts_and_renewing_is_not(client, limit):
    limit(login_address="3 per minute", refresh="2 per minute")
    grant = open_session(create_user())
    assert [sign_in(client, f"person{number}@example.com") for number in range(4)] == [401, 401, 401, 429]
    assert sign_in(client, "person9@example.com", address="198.51.100.9") == 401
    # Registering and asking for links are such attempts too.
    assert client.post("/api/auth/password/reset/", json={"email": "a@b.no"}, **come_from(HOME)).status_code == 429
    renewed = client.post(REFRESH, json={"refresh": grant.refresh}, **come_from(HOME))
    assert (renewed.status_code, renewed.headers["RateLimit-Policy"]) == (200, '"refresh";q=2;w=60')
    assert client.post(REFRESH, json={"refresh": "nonsense"}, **come_from(HOME)).status_code == 401
    assert client.post(REFRESH, json={"refresh": "nonsense"}, **come_from(HOME)).status_code == 429


def test_headers_of_a_sign_in_tell_both_limits(client, limit):
    limit()
    headers = client.post(TOKEN, json={"email": create_user().email, "password": PASSWORD}).headers
    assert headers["RateLimit-Policy"] == '"login-address";q=20;w=60, "login";q=5;w=60'
    assert headers["X-RateLimit-Limit"] == "5"


# Classes


@pytest.mark.parametrize(
    ("method", "path", "policy"),
    [
        ("GET", TASKS, "api"),
        ("POST", "/api/tasks/bulk-update/", "bulk"),
        ("DELETE", "/api/tasks/bulk-delete/", "bulk"),
        ("POST", "/api/blog/tags/bulk-delete/", "bulk"),
        ("POST", "/api/tasks/export/", "export"),
        ("POST", "/api/blog/media/", "upload"),
        ("POST", "/api/tasks/7/images/", "upload"),
        ("GET", "/api/admin/users/", "admin"),
        ("GET", "/api/admin/audit/export/", "export"),
    ],
)
def test_requests_of_users_are_counted_by_what_they_ask_for(app, limit, method, path, policy):
    limit()
    with app.test_request_context(path, method=method):
        app.preprocess_request()
        requests.count_user(7)
        assert requests.describe()["RateLimit"].split(", ")[-1].startswith(f'"{policy}";')


def test_forms_count_as_uploads_where_json_would_do(client, limit):
    limit()
    kari = Person(client)
    form = kari.patch("/api/auth/me/", data={"first_name": "Kari"}, content_type="multipart/form-data")
    assert (form.status_code, form.headers["RateLimit-Policy"]) == (200, '"upload";q=200;w=3600')
    assert '"api"' in kari.patch("/api/auth/me/", json={"first_name": "Kari"}).headers["RateLimit-Policy"]


def test_batches_are_limited_by_requests_and_by_ids_and_a_refused_one_changes_nothing(client, limit):
    limit(bulk="3 per minute", bulk_ids="5 per minute")
    kari = Person(client)
    ids = [create_task(kari.user) for _ in range(3)]

    def update(task_ids, status):
        return kari.post("/api/tasks/bulk-update-status/", json={"task_ids": task_ids, "status": status})

    first = update(ids, "in_progress")
    assert first.headers["RateLimit-Policy"] == '"bulk";q=3;w=60, "bulk-ids";q=5;w=60'
    assert re.sub(r"t=\d+", "t", first.headers["RateLimit"]) == '"bulk";r=2;t, "bulk-ids";r=2;t'
    refused = update(ids, "completed")
    assert refused.status_code == 429
    assert {kari.get(f"{TASKS}{task_id}/").get_json()["status"] for task_id in ids} == {"in_progress"}
    assert update(ids[:2], "completed").status_code == 200
    assert update(ids[:1], "todo").status_code == 429
    assert math.isclose(int(refused.headers["Retry-After"]), 60, abs_tol=5)
