"""Personal API tokens: how they are made and end, what they are for, and that they are for nothing else."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from nxfs.admin.service import users
from nxfs.auth.models import APIToken, User
from nxfs.auth.scopes import AREAS, SCOPES, scope_of
from nxfs.auth.service import api_tokens, authentication, token_use
from nxfs.core import clock
from nxfs.core.audit import AuditEntry
from nxfs.core.errors import AuthenticationRequiredError
from nxfs.extensions import db
from tests.factories.tasks import create_task
from tests.factories.users import bearer, create_api_token, create_user, sign_in

PATH = "/api/auth/tokens/"
NEW = {"name": "n8n", "scopes": ["tasks:write", "tasks:read", "tasks:read"]}
# Accounts and their security, live connections: never for tokens. Each is a blueprint.
NEVER = {"auth", "api_tokens", "events", "realtime"}


def with_token(token):
    return {"Authorization": f"Token {token}"}


def test_token_is_shown_once_stored_as_a_hash_and_good_for_its_scopes(client):
    user = create_user()
    headers = sign_in(client, user)
    made = client.post(PATH, json=NEW, headers=headers)
    assert made.status_code == 201
    token = made.json["token"]
    assert token.startswith("nxfs_")
    assert len(token) > 40
    assert made.headers["Cache-Control"] == "no-store"
    assert (made.json["scopes"], made.json["last_used_at"]) == (["tasks:read", "tasks:write"], None)
    listed = client.get(PATH, headers=headers).json["results"]
    assert listed == [{name: value for name, value in made.json.items() if name != "token"}]
    stored = db.session.scalars(select(APIToken)).one()
    assert token not in str(vars(stored))
    assert stored.expires_at - stored.created_at == timedelta(days=90)
    created = client.post("/api/tasks/", json={"title": "Bought by a script"}, headers=with_token(token))
    assert (created.status_code, created.json["user_id"]) == (201, user.id)
    assert client.get("/api/tasks/", headers=with_token(token)).json["count"] == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["tasks:everything"]}, "scopes"),
        ({"scopes": "tasks:read"}, "scopes"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
        ({"user_id": 1}, "user_id"),
        ({"token_hash": "0" * 64}, "token_hash"),
    ],
)
def test_what_cannot_be_a_token_is_refused_by_field(client, change, field):
    response = client.post(PATH, json={**NEW, **change}, headers=sign_in(client, create_user()))
    assert response.status_code == 400
    assert [each.split(".")[0] for each in response.json["error"]["field_errors"]] == [field]
    assert db.session.scalar(select(APIToken.id)) is None


def test_nobody_has_more_than_twenty_tokens_that_can_be_used(client):
    user = create_user()
    headers = sign_in(client, user)
    token_ids = [create_api_token(user)[0] for _ in range(api_tokens.MOST_TOKENS)]
    assert client.post(PATH, json=NEW, headers=headers).status_code == 422
    assert client.delete(f"{PATH}{token_ids[0]}/", headers=headers).status_code == 204
    assert client.post(PATH, json=NEW, headers=headers).status_code == 201


def test_every_route_is_for_one_scope_or_never_for_tokens(app):
    served = {rule.endpoint.split(".")[0] for rule in app.url_map.iter_rules() if rule.rule.startswith("/api/")}
    assert served <= AREAS.keys() | NEVER
    assert not AREAS.keys() & NEVER
    assert {
        name for name, blueprint in app.blueprints.items() if not getattr(blueprint, "takes_api_tokens", True)
    } == NEVER
    asked_for = {scope_of(name, method) for name in AREAS for method in ("GET", "POST")}
    # Nothing of the server itself can be written, and accounts are not for tokens to write.
    assert asked_for - {"system:write", None} == SCOPES.keys()


def test_token_opens_nothing_beyond_its_scopes_by_any_method(app, client):
    """Token scope escape: every route of the API, with a token that is for notifications only."""
    _, token = create_api_token(create_user(role="admin"), "notifications:read")
    headers = {**with_token(token), "X-HTTP-Method-Override": "GET"}
    tried = 0
    for rule in app.url_map.iter_rules():
        area = rule.endpoint.split(".")[0]
        if not rule.rule.startswith("/api/") or area in ("notifications", "schema"):
            continue
        url = rule.build(dict.fromkeys(rule.arguments, 1))[1]
        for method in rule.methods - {"OPTIONS", "HEAD"}:
            answer = client.open(url, method=method, headers=headers, json={})
            is_public = client.open(url, method=method, json={}).status_code not in (401, 403)
            assert is_public or answer.status_code in (401, 403), f"{method} {url}: {answer.status_code}"
            tried += 1
    assert tried > 80
    assert client.delete("/api/notifications/1/", headers=headers).status_code == 403


def test_refusal_names_the_scope_that_is_missing(client):
    _, token = create_api_token(create_user(), "tasks:read")
    error = client.post("/api/tasks/", json={"title": "x"}, headers=with_token(token)).json["error"]
    assert (error["code"], error["details"]) == ("PERMISSION_DENIED", {"scope": "tasks:write"})
    error = client.get("/api/auth/me/", headers=with_token(token)).json["error"]
    assert (error["code"], "details" in error) == ("PERMISSION_DENIED", False)


@pytest.mark.parametrize("path", ["/api/auth/me/", "/api/tasks/", "/api/events/?rooms=tasks"])
def test_api_token_is_no_access_token(client, path):
    _, token = create_api_token(create_user(), *SCOPES)
    assert client.get(path, headers=bearer(token)).status_code == 401
    assert not authentication.is_valid(token)


def test_token_has_never_more_than_its_owner_may_do(client):
    stranger, owner = create_user(), create_user()
    task_id = create_task(owner)
    _, token = create_api_token(stranger, *SCOPES)
    for path in (f"/api/tasks/{task_id}/", "/api/admin/users/"):
        expected = client.get(path, headers=sign_in(client, stranger)).status_code
        assert expected in (403, 404)
        assert client.get(path, headers=with_token(token)).status_code == expected


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"expires_at": clock.now() - timedelta(days=1)}, "TOKEN_EXPIRED"),
        ({"revoked_at": clock.now()}, "TOKEN_REVOKED"),
    ],
)
def test_token_that_has_ended_is_refused(client, overrides, code):
    _, token = create_api_token(create_user(), **overrides)
    response = client.get("/api/tasks/", headers=with_token(token))
    assert (response.status_code, response.json["error"]["code"]) == (401, code)


@pytest.mark.parametrize("token", ["nxfs_unknown", "", " ", "nxfs_\u00e6"])
def test_unknown_token_is_refused(client, token):
    assert client.get("/api/tasks/", headers=with_token(token)).status_code == 401


def test_somebody_elses_token_is_not_there(client):
    token_id, token = create_api_token(create_user())
    response = client.delete(f"{PATH}{token_id}/", headers=sign_in(client, create_user()))
    assert response.status_code == 404
    assert client.get("/api/tasks/", headers=with_token(token)).status_code == 200


def test_revoking_counts_at_once_here_and_is_audited(client):
    user = create_user()
    headers = sign_in(client, user)
    token_id, token = create_api_token(user)
    assert client.get("/api/tasks/", headers=with_token(token)).status_code == 200
    assert client.delete(f"{PATH}{token_id}/", headers=headers).status_code == 204
    assert client.get("/api/tasks/", headers=with_token(token)).status_code == 401
    assert client.delete(f"{PATH}{token_id}/", headers=headers).status_code == 404
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor_id, entry.target_id) == ("auth.api_token_revoked", user.id, user.id)


@pytest.mark.parametrize(
    "change",
    [
        lambda user: delete(APIToken),
        lambda user: update(APIToken).values(revoked_at=clock.now()),
        lambda user: update(User).where(User.id == user.id).values(is_active=False),
    ],
)
def test_end_of_a_token_in_another_process_counts_within_a_second(app, change):
    user = create_user()
    _, token = create_api_token(user)
    assert authentication.authenticate_api_token(token).id == user.id
    db.session.execute(change(user))
    db.session.commit()
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            authentication.authenticate_api_token(token)
        except AuthenticationRequiredError:
            return
        time.sleep(0.01)
    pytest.fail("not noticed within a second")


@pytest.mark.parametrize(
    "end",
    [
        lambda user_id: users.set_active(actor=None, user_id=user_id, is_active=False),
        lambda user_id: users.reset_password(actor=None, user_id=user_id, new_password="gule-gummistøvler-39"),
        lambda user_id: users.erase_user(actor=None, user_id=user_id),
    ],
)
def test_what_an_administrator_does_to_an_account_ends_its_tokens_for_ever(client, end):
    user = create_user()
    _, token = create_api_token(user)
    assert client.get("/api/tasks/", headers=with_token(token)).status_code == 200
    end(user.id)
    db.session.execute(update(User).values(is_active=True, must_change_password=False))
    db.session.commit()
    authentication.forget(user.id)
    assert client.get("/api/tasks/", headers=with_token(token)).status_code == 401


def test_session_that_another_process_has_ended_makes_no_token(client, monkeypatch):
    user = create_user()
    headers = sign_in(client, user)
    assert client.get("/api/auth/me/", headers=headers).status_code == 200
    # This process still remembers it.
    monkeypatch.setattr(authentication, "forget", lambda user_id: None)
    users.end_user_sessions(actor=None, user_id=user.id)
    assert client.post(PATH, json=NEW, headers=headers).status_code == 401
    assert db.session.scalar(select(APIToken.id)) is None


def test_administrators_token_makes_no_accounts_and_sets_no_passwords(client):
    user, admin = create_user(), create_user(role="admin")
    _, token = create_api_token(admin, *SCOPES)
    assert client.get("/api/admin/users/", headers=with_token(token)).status_code == 200
    body = {"email": "new@example.com", "role": "admin", "password": "gule-gummistøvler-39"}
    assert client.post("/api/admin/users/", json=body, headers=with_token(token)).status_code == 403
    reset = {"new_password": "gule-gummistøvler-39"}
    path = f"/api/admin/users/{user.id}/reset-password/"
    assert client.post(path, json=reset, headers=with_token(token)).status_code == 403


def test_use_is_written_together_and_not_by_each_request(client):
    token_id, token = create_api_token(create_user())
    first = client.get("/api/tasks/", headers=with_token(token))
    again = client.get("/api/tasks/", headers=with_token(token))
    assert int(first.headers["X-DB-Queries"]) == int(again.headers["X-DB-Queries"]) + 1
    assert db.session.scalar(select(APIToken.last_used_at)) is None
    db.session.rollback()
    token_use.write()
    row = db.session.get_one(APIToken, token_id)
    assert (row.last_used_at is not None, row.last_used_address) == (True, "127.0.0.1")


def test_two_keys_of_one_user_are_the_same_whether_by_token_or_by_session(client):
    user = create_user()
    _, token = create_api_token(user, "tasks:write")
    body, key = {"title": "Once"}, {"Idempotency-Key": "once"}
    first = client.post("/api/tasks/", json=body, headers={**with_token(token), **key})
    second = client.post("/api/tasks/", json=body, headers={**sign_in(client, user), **key})
    assert (first.json["id"], second.headers["Idempotency-Replayed"]) == (second.json["id"], "true")


def test_scopes_are_listed_with_what_they_are_for(client):
    headers = sign_in(client, create_user(language="no"))
    listed = client.get(f"{PATH}scopes/", headers=headers).json["results"]
    assert {each["name"]: each["description"] for each in listed} == {name: text.nb for name, text in SCOPES.items()}
