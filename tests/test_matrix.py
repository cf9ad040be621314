"""Every route of the URL map, with every method, as every role: the answers are those of the table in ``matrix``."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from nxfs.core.api.idempotency import KEPT_HEADERS
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db
from tests import services
from tests.client import DocumentedClient
from tests.conftest import empty_tables
from tests.factories import files
from tests.matrix import ARGUMENTS, AUDITED_READS, NOT_AUDITED, RULES, SIGNED_IN, Case, World

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
CASES = [(name, case) for name, cases in RULES.items() for case in cases]
# The table is about rules, not about engines, and each case needs a world of its own: each role on one engine at least.
ROLES_HERE = (
    ("anonymous", "assignee", "owner", "staff")
    if services.chosen_engine() == "sqlite"
    else ("stranger", "member", "admin")
)
# The own account is closed by it: whoever sends it again is nobody.
ENDS_THE_SESSION = {"DELETE /api/auth/me/"}
KEYED_CASES = [
    (name, case)
    for name, cases in RULES.items()
    for case in (cases if services.chosen_engine() == "sqlite" else ())
    if not name.startswith("GET") and set(case.allowed) & set(SIGNED_IN)
]
KEYED_IDS = [f"{name} {'/'.join(case.arguments)}".strip() for name, case in KEYED_CASES]
IDS = [f"{name} {'/'.join(case.arguments)}".strip() for name, case in CASES]


def api_rules(app: Flask) -> dict[str, Rule]:
    """Return the rules of the API by their text; pages that are the same for everybody are none of it."""
    return {rule.rule: rule for rule in app.url_map.iter_rules() if not rule.rule.startswith(("/schema/", "/live/"))}


def url_of(app: Flask, path: str, case: Case, world: World) -> str:
    """Return the URL of a case in a world."""
    rule = api_rules(app)[path]
    named = {**ARGUMENTS, **case.arguments}
    values = {name: named[name](world) for name in rule.arguments}
    query = {name: value(world) for name, value in case.arguments.items() if name not in rule.arguments}
    _, url = rule.build(values)
    return f"{url}?{urlencode(query)}" if query else url


def allowed_role(case: Case) -> str:
    """Return one of the signed-in roles that may do this: the owner, to whom most of a world belongs, if possible."""
    return max((role for role in case.allowed if role in SIGNED_IN), key=lambda role: role == "owner")


def takes_keys(app: Flask, name: str) -> bool:
    """Return whether the document says that an operation takes an ``Idempotency-Key``."""
    method, path = name.split()
    document = app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    operation = document["paths"][re.sub(r"<(?:[^:<>]+:)?(\w+)>", r"{\1}", path)][method.lower()]
    return any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", ()))


def count_rows(model: type) -> int:
    """Return how many rows a table has."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model))


def assert_is_head_of(head: TestResponse, response: TestResponse) -> None:
    """Fail unless ``head`` is ``response`` without its body."""
    assert (head.status_code, head.data) == (response.status_code, b"")
    for name in ("Content-Type", "ETag", "Cache-Control", "Vary"):
        assert head.headers.get(name) == response.headers.get(name), name


def test_every_route_has_a_rule_and_every_rule_a_route(app):
    served = {
        f"{method} {path}" for path, rule in api_rules(app).items() for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert set(RULES) == served


@pytest.mark.parametrize(("name", "case"), CASES, ids=IDS)
def test_request_of_each_role_answers_as_the_table_says(app, client: DocumentedClient, name, case):
    world = None
    # A world takes longer to make than all its requests: one that nobody has changed is good for the next role.
    for role in sorted(ROLES_HERE, key=lambda role: role in case.allowed):
        if world is None:
            empty_tables()
            world = World()
        if has_written_something(app, client, name, case, role, world):
            world = None


def has_written_something(app, client, name, case, role, world):
    """Send the request of a role, fail unless the answer is the table's, and return whether it changed anything."""
    method, path = name.split()
    sent = {"json": case.body(world, role)}
    if case.form is not None:
        sent = {"data": case.form(world, role), "content_type": "multipart/form-data"}
    audited, told = count_rows(AuditEntry), count_rows(EventRecord)
    url, headers = url_of(app, path, case, world), world.headers(role)
    response = client.open(url, method=method, headers=headers, **sent)
    assert response.status_code == case.expected(role), f"{role}: {response.get_data(as_text=True)}"
    has_read = name in AUDITED_READS and response.status_code < 300
    if method == "GET":
        assert_is_head_of(client.head(url, headers=headers), response)
    has_written = method != "GET" and response.status_code < 300 and name not in NOT_AUDITED
    assert (count_rows(AuditEntry) > audited) == (has_written or has_read), role
    assert count_rows(EventRecord) == told or has_written, role
    return method != "GET" and response.status_code < 400


@pytest.mark.parametrize(("name", "case"), KEYED_CASES, ids=KEYED_IDS)
def test_write_with_a_key_is_done_once_and_answered_twice_alike(app, client: DocumentedClient, name, case):
    if not takes_keys(app, name):
        pytest.skip("It takes no keys: it is for everybody, or answers with a secret.")
    world, role = World(), allowed_role(case)
    method, path = name.split()
    headers = {**world.headers(role), "Idempotency-Key": "a-key"}
    sent = files.encoded(case.form(world, role)) if case.form else {"json": case.body(world, role)}
    url = url_of(app, path, case, world)
    first = client.open(url, method=method, headers=headers, **sent)
    assert first.status_code == case.expected(role), first.get_data(as_text=True)
    assert "Idempotency-Replayed" not in first.headers
    audited, told = count_rows(AuditEntry), count_rows(EventRecord)
    second = client.open(url, method=method, headers=headers, **sent)
    if name in ENDS_THE_SESSION:
        assert second.status_code == 401
    else:
        assert (second.status_code, second.data) == (first.status_code, first.data)
        assert second.headers["Idempotency-Replayed"] == "true"
        assert {each: second.headers.get(each) for each in KEPT_HEADERS} == {
            each: first.headers.get(each) for each in KEPT_HEADERS
        }
    assert (count_rows(AuditEntry), count_rows(EventRecord)) == (audited, told)


def test_options_of_every_route_names_its_methods_and_changes_nothing(app, client):
    world = World()
    told = count_rows(EventRecord)
    for path, rule in api_rules(app).items():
        response = client.options(url_of(app, path, Case(200), world))
        assert (response.status_code, set(response.allow)) == (200, rule.methods), path
    assert count_rows(EventRecord) == told


@pytest.mark.parametrize("role", ["anonymous", "admin"])
def test_wrong_method_of_every_route_is_405_and_names_the_right_ones(app, client, role):
    world = World()
    for path, rule in api_rules(app).items():
        for method in sorted(METHODS | {"TRACE", "QUERY"} - rule.methods):
            if method in rule.methods:
                continue
            url = url_of(app, path, Case(200), world)
            response = client.open(url, method=method, headers=world.headers(role))
            assert (response.status_code, set(response.allow)) == (405, rule.methods), (method, path)


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_method_override_header_is_ignored(app, client, header):
    world = World()
    url = f"/api/tasks/{world.shared_id}/"
    assert client.get(url, headers={**world.headers("owner"), header: "DELETE"}).status_code == 200
    assert client.get(url, headers=world.headers("owner")).status_code == 200
