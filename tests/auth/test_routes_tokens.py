"""Signing in and out, refreshing and checking tokens, over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from argon2 import PasswordHasher
from sqlalchemy import func, select, update

from nxfs.auth.models import RefreshToken, User, UserSession
from nxfs.auth.service import passwords
from nxfs.core import clock
from nxfs.core.audit import AuditEntry
from nxfs.extensions import db
from tests.factories.users import PASSWORD, bearer, create_user, open_session, reload, sign_in

TOKEN = "/api/auth/token/"
REFRESH = "/api/auth/token/refresh/"
LOGOUT = "/api/auth/logout/"
ME = "/api/auth/me/"


def code_of(response):
    return response.status_code, response.json["error"]["code"]


def actions():
    rows = db.session.execute(select(AuditEntry.action, AuditEntry.outcome).order_by(AuditEntry.id))
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("name", [{"email": "KARI@example.com"}, {"username": "Kari"}, {"email": "kari"}])
def test_sign_in_by_email_or_username_in_any_case_answers_tokens_and_user(client, name):
    user = create_user(username="kari")
    response = client.post(TOKEN, json={**name, "password": PASSWORD})
    assert response.status_code == 200
    assert set(response.json) == {"access", "refresh", "user"}
    assert response.json["user"]["id"] == user.id
    assert response.json["user"]["last_login"] is not None
    assert response.headers["Cache-Control"] == "no-store"
    assert client.get(ME, headers=bearer(response.json["access"])).json["id"] == user.id


def test_sign_in_keeps_the_version_and_is_audited(client):
    user = create_user()
    response = client.post(TOKEN, json={"email": user.email, "password": PASSWORD}, headers={"User-Agent": "Tester"})
    assert response.json["user"]["version"] == user.version
    assert reload(user).updated_at == user.updated_at
    assert actions() == [("auth.signed_in", "success")]
    session = db.session.scalars(select(UserSession)).one()
    assert (session.address, session.user_agent) == ("127.0.0.1", "Tester")


def test_sign_in_stores_only_the_hash_of_the_refresh_token(client):
    user = create_user()
    refresh = client.post(TOKEN, json={"email": user.email, "password": PASSWORD}).json["refresh"]
    stored = db.session.scalars(select(RefreshToken.token_hash)).one()
    assert refresh not in stored
    assert len(stored) == 64


@pytest.mark.parametrize(
    ("overrides", "body"),
    [
        ({}, {"password": "wrong password"}),
        ({}, {"email": "nobody@example.com"}),
        ({"is_active": False}, {}),
        ({"is_active": False}, {"password": "wrong password"}),
        ({"password_hash": "unusable"}, {}),
    ],
)
def test_sign_in_that_fails_answers_alike_whatever_the_reason(client, overrides, body):
    user = create_user(**overrides)
    response = client.post(TOKEN, json={"email": user.email, "password": PASSWORD, **body})
    assert code_of(response) == (401, "INVALID_CREDENTIALS")
    assert response.json["error"] == {"code": "INVALID_CREDENTIALS", "message": "Wrong e-mail, username or password."}
    # Even the number of statements, which is sent with every answer, must not tell accounts from others.
    assert response.headers["X-DB-Queries"] == "5"
    assert actions() == [("auth.sign_in_failed", "failure")]
    assert db.session.scalar(select(UserSession.id)) is None


def test_sign_in_that_fails_speaks_norwegian_on_request(client):
    response = client.post(TOKEN, json={"email": "a@b.no", "password": "x"}, headers={"Accept-Language": "nb"})
    assert response.json["error"]["message"] == "Feil e-post, brukernavn eller passord."


def test_sign_in_of_unknown_user_checks_a_hash_of_todays_parameters():
    assert not passwords.needs_new_hash(passwords.NOBODYS_HASH)
    assert not passwords.verify_password(None, "")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": PASSWORD}, "email"),
        ({"email": "a@example.com", "username": "a", "password": PASSWORD}, "email"),
        ({"email": "a@example.com"}, "password"),
        ({"email": "a@example.com", "password": ""}, "password"),
        ({"email": "a@example.com", "password": "x" * 129}, "password"),
        ({"email": "", "password": PASSWORD}, "email"),
        ({"email": "a\x00b", "password": PASSWORD}, "email"),
        ({"email": {"$ne": ""}, "password": PASSWORD}, "email"),
        ({"email": "a@example.com", "password": PASSWORD, "remember": True}, "remember"),
    ],
)
def test_sign_in_with_bad_field_is_refused_by_its_name(client, body, field):
    response = client.post(TOKEN, json=body)
    assert code_of(response) == (400, "VALIDATION_ERROR")
    assert field in response.json["error"]["field_errors"]


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"{", "application/json", (400, "MALFORMED_REQUEST")),
        (b'{"email": "\\ud800", "password": "x"}', "application/json", (400, "MALFORMED_REQUEST")),
        (b"\xff\xfe", "application/json", (400, "MALFORMED_REQUEST")),
        (b"[" * 100_000, "application/json", (400, "MALFORMED_REQUEST")),
        (b"[]", "application/json", (400, "VALIDATION_ERROR")),
        (b"{}", "text/plain", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b"{}", "application/json; charset=latin-1", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b"email=a&password=b", "application/x-www-form-urlencoded", (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b'"' + b"x" * 2_000_000 + b'"', "application/json", (413, "PAYLOAD_TOO_LARGE")),
    ],
)
def test_sign_in_with_unreadable_body_answers_the_envelope(client, data, content_type, expected):
    assert code_of(client.post(TOKEN, data=data, content_type=content_type)) == expected


def test_sign_in_with_older_hash_parameters_stores_a_new_hash(client):
    old_hash = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    user = create_user(password_hash=old_hash)
    assert client.post(TOKEN, json={"email": user.email, "password": PASSWORD}).status_code == 200
    present = reload(user)
    assert present.password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert present.version == user.version
    assert client.post(TOKEN, json={"email": user.email, "password": PASSWORD}).status_code == 200


def test_refresh_answers_a_new_pair_and_the_session_goes_on(client):
    grant = open_session(create_user())
    response = client.post(REFRESH, json={"refresh": grant.refresh})
    assert response.status_code == 200
    assert set(response.json) == {"access", "refresh"}
    assert response.json["refresh"] != grant.refresh
    assert client.get(ME, headers=bearer(response.json["access"])).status_code == 200
    assert db.session.scalar(select(func.count()).select_from(UserSession)) == 1


def test_refresh_within_grace_answers_the_live_successor_again(client):
    grant = open_session(create_user())
    first = client.post(REFRESH, json={"refresh": grant.refresh}).json["refresh"]
    assert client.post(REFRESH, json={"refresh": grant.refresh}).json["refresh"] == first
    second = client.post(REFRESH, json={"refresh": first}).json["refresh"]
    third = client.post(REFRESH, json={"refresh": second}).json["refresh"]
    assert len({grant.refresh, first, second, third}) == 4
    # Whichever of the chain arrives late, it leads to the one live token.
    for token in (grant.refresh, first, second):
        assert client.post(REFRESH, json={"refresh": token}).json["refresh"] == third
    live = select(func.count()).select_from(RefreshToken).where(RefreshToken.used_at.is_(None))
    assert db.session.scalar(live) == 1


def test_refresh_of_used_token_after_grace_ends_the_session_and_is_audited(client):
    user = create_user()
    grant = open_session(user)
    start = clock.now()
    with time_machine.travel(start, tick=False):
        fresh = client.post(REFRESH, json={"refresh": grant.refresh}).json
    with time_machine.travel(start + timedelta(seconds=30), tick=False):
        assert client.post(REFRESH, json={"refresh": grant.refresh}).status_code == 200
    with time_machine.travel(start + timedelta(seconds=31), tick=False):
        assert code_of(client.post(REFRESH, json={"refresh": grant.refresh})) == (401, "TOKEN_REVOKED")
        assert code_of(client.post(REFRESH, json={"refresh": fresh["refresh"]})) == (401, "TOKEN_REVOKED")
        assert code_of(client.get(ME, headers=bearer(fresh["access"]))) == (401, "TOKEN_REVOKED")
    assert ("auth.refresh_token_reused", "failure") in actions()
    assert db.session.scalars(select(UserSession.end_reason)).one() == "token_reused"


def test_refresh_of_reused_token_leaves_other_sessions_alone(client):
    user = create_user()
    grant, other = open_session(user), open_session(user)
    client.post(REFRESH, json={"refresh": grant.refresh})
    with time_machine.travel(clock.now() + timedelta(minutes=1)):
        client.post(REFRESH, json={"refresh": grant.refresh})
        assert client.post(REFRESH, json={"refresh": other.refresh}).status_code == 200


@pytest.mark.parametrize("token", ["unknown", "x" * 4096, "", None, 7, "access"])
def test_refresh_with_what_is_no_refresh_token_is_refused(client, token):
    grant = open_session(create_user())
    response = client.post(REFRESH, json={"refresh": grant.access if token == "access" else token})
    if isinstance(token, str) and token:
        assert code_of(response) == (401, "AUTHENTICATION_REQUIRED")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    else:
        assert code_of(response) == (400, "VALIDATION_ERROR")


def test_refresh_of_disabled_user_is_refused(client):
    user = create_user()
    grant = open_session(user)
    db.session.execute(update(User).values(is_active=False))
    db.session.commit()
    assert code_of(client.post(REFRESH, json={"refresh": grant.refresh})) == (401, "TOKEN_REVOKED")


def test_refresh_after_idle_time_ends_the_session(app, client, monkeypatch):
    monkeypatch.setitem(app.config, "SESSION_IDLE_HOURS", 2)
    grant = open_session(create_user())
    start = clock.now()
    with time_machine.travel(start + timedelta(minutes=119)):
        refresh = client.post(REFRESH, json={"refresh": grant.refresh}).json["refresh"]
    with time_machine.travel(start + timedelta(minutes=119 + 119)):
        refresh = client.post(REFRESH, json={"refresh": refresh}).json["refresh"]
    with time_machine.travel(start + timedelta(minutes=119 + 119 + 121)):
        assert code_of(client.post(REFRESH, json={"refresh": refresh})) == (401, "TOKEN_EXPIRED")
        assert code_of(client.post(REFRESH, json={"refresh": refresh})) == (401, "TOKEN_REVOKED")


def test_refresh_does_not_carry_a_session_past_its_age_limit(app, client, monkeypatch):
    monkeypatch.setitem(app.config, "SESSION_ABSOLUTE_HOURS", 1)
    grant = open_session(create_user())
    start = clock.now()
    with time_machine.travel(start + timedelta(minutes=59)):
        pair = client.post(REFRESH, json={"refresh": grant.refresh}).json
        assert client.get(ME, headers=bearer(pair["access"])).status_code == 200
    with time_machine.travel(start + timedelta(minutes=61)):
        assert code_of(client.get(ME, headers=bearer(pair["access"]))) == (401, "TOKEN_EXPIRED")
        assert code_of(client.post(REFRESH, json={"refresh": pair["refresh"]})) == (401, "TOKEN_EXPIRED")


def test_lifetimes_are_those_of_the_role_also_of_one_that_came_later(app, client, monkeypatch):
    for name in ("ACCESS_TOKEN_MINUTES", "SESSION_IDLE_HOURS", "SESSION_ABSOLUTE_HOURS"):
        monkeypatch.setitem(app.config, f"{name}_ADMIN", 3 if name.endswith("MINUTES") else 2)
    ordinary, promoted = create_user(), create_user()
    grants = [open_session(user) for user in (ordinary, promoted)]
    db.session.execute(update(User).where(User.id == promoted.id).values(role="admin"))
    db.session.commit()
    start = clock.now()
    pairs = [client.post(REFRESH, json={"refresh": grant.refresh}).json for grant in grants]
    with time_machine.travel(start + timedelta(minutes=4)):
        assert [client.get(ME, headers=bearer(pair["access"])).status_code for pair in pairs] == [200, 401]
    with time_machine.travel(start + timedelta(minutes=119)):
        pairs = [client.post(REFRESH, json={"refresh": pair["refresh"]}).json for pair in pairs]
    with time_machine.travel(start + timedelta(minutes=121)):
        answers = [client.post(REFRESH, json={"refresh": pair["refresh"]}) for pair in pairs]
        assert [answer.status_code for answer in answers] == [200, 401]


def test_refresh_during_key_exchange_stays_in_the_chain(app, client, monkeypatch):
    grant = open_session(create_user())
    first = client.post(REFRESH, json={"refresh": grant.refresh}).json["refresh"]
    monkeypatch.setitem(app.config, "SECRET_KEY_PREVIOUS", app.config["SECRET_KEY"])
    monkeypatch.setitem(app.config, "SECRET_KEY", "another-key-0123456789-0123456789-abcdef")
    assert client.post(REFRESH, json={"refresh": grant.refresh}).json["refresh"] == first
    second = client.post(REFRESH, json={"refresh": first}).json["refresh"]
    assert client.post(REFRESH, json={"refresh": grant.refresh}).json["refresh"] == second


def test_refresh_notes_when_the_user_was_seen(client):
    user = create_user()
    grant = open_session(user)
    moment = clock.now() + timedelta(minutes=5)
    with time_machine.travel(moment, tick=False):
        client.post(REFRESH, json={"refresh": grant.refresh})
    assert reload(user).last_seen == moment
    assert db.session.scalars(select(UserSession.last_used_at)).one() == moment


def test_verify_says_whether_an_access_token_can_be_used(client):
    grant = open_session(create_user())

    def is_valid(token):
        return client.post("/api/auth/token/verify/", json={"token": token}).json

    assert is_valid(grant.access) == {"valid": True}
    assert is_valid(grant.refresh) == {"valid": False}
    assert is_valid("ø") == {"valid": False}
    client.post(LOGOUT, json={"refresh_token": grant.refresh})
    assert is_valid(grant.access) == {"valid": False}


def test_logout_with_refresh_token_needs_no_access_token_and_can_be_repeated(client):
    grant = open_session(create_user())
    for _ in range(2):
        response = client.post(LOGOUT, json={"refresh_token": grant.refresh})
        assert (response.status_code, response.json) == (200, {"message": "You are signed out."})
    assert code_of(client.get(ME, headers=bearer(grant.access))) == (401, "TOKEN_REVOKED")
    assert code_of(client.post(REFRESH, json={"refresh": grant.refresh})) == (401, "TOKEN_REVOKED")
    assert actions() == [("auth.sessions_ended", "success")]


def test_logout_with_expired_access_token_and_refresh_token_ends_the_session(client):
    grant = open_session(create_user())
    with time_machine.travel(clock.now() + timedelta(hours=1)):
        body = {"refresh_token": grant.refresh}
        assert client.post(LOGOUT, json=body, headers=bearer(grant.access)).status_code == 200
    assert db.session.scalars(select(UserSession.end_reason)).one() == "signed_out"


@pytest.mark.parametrize("request_body", [{}, {"json": {}}, {"json": {"refresh_token": None}}])
def test_logout_with_access_token_alone_ends_its_session_at_once(client, request_body):
    user = create_user()
    grant, other = open_session(user), open_session(user)
    assert client.get(ME, headers=bearer(grant.access)).status_code == 200
    assert client.post(LOGOUT, headers=bearer(grant.access), **request_body).status_code == 200
    assert code_of(client.get(ME, headers=bearer(grant.access))) == (401, "TOKEN_REVOKED")
    assert client.get(ME, headers=bearer(other.access)).status_code == 200


def test_logout_with_access_token_and_unknown_refresh_token_ends_the_access_tokens_session(client):
    grant = open_session(create_user())
    client.post(LOGOUT, json={"refresh_token": "unknown"}, headers=bearer(grant.access))
    assert code_of(client.get(ME, headers=bearer(grant.access))) == (401, "TOKEN_REVOKED")


def test_logout_with_unknown_refresh_token_is_signed_out_already(client):
    assert client.post(LOGOUT, json={"refresh_token": "unknown"}).status_code == 200


def test_logout_with_nothing_asks_for_authentication(client):
    assert code_of(client.post(LOGOUT)) == (401, "AUTHENTICATION_REQUIRED")
    assert code_of(client.post(LOGOUT, headers=bearer("rubbish"))) == (401, "AUTHENTICATION_REQUIRED")


def test_logout_speaks_the_users_language(client):
    headers = sign_in(client, create_user(language="no"))
    assert client.post(LOGOUT, headers=headers).json["message"] == "Du er logget ut."
