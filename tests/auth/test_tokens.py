"""Access tokens: what is let in, what is not, and under which code."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta

import jwt
import pytest
import time_machine

from nxfs.auth.service import tokens
from nxfs.core import clock
from tests.factories.users import bearer, create_user, open_session

ME = "/api/auth/me/"
NEW_KEY = "another-key-0123456789-0123456789-abcdef"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value):
    return encoded(json.dumps(value).encode())


def code_of(response):
    return response.status_code, response.json["error"]["code"]


def forged(access, *, key=None, algorithm="HS256", headers=None, **claims):
    """Return ``access`` with other headers and claims, signed with the right key unless ``key`` says otherwise."""
    header = {**jwt.get_unverified_header(access), "alg": algorithm, **(headers or {})}
    payload = jwt.decode(access, options={"verify_signature": False}) | claims
    kept = {name: value for name, value in payload.items() if value is not None}
    signed = f"{part(header)}.{part(kept)}"
    digest = hmac.digest(key or tokens._signing_key(), signed.encode(), algorithm.replace("HS", "sha"))
    return f"{signed}.{encoded(digest)}"


def test_access_token_says_what_it_is(app):
    user = create_user()
    access = open_session(user).access
    header = jwt.get_unverified_header(access)
    assert (header["alg"], header["typ"], len(header["kid"])) == ("HS256", "at+jwt", 8)
    claims = jwt.decode(access, options={"verify_signature": False})
    assert (claims["aud"], claims["iss"], claims["type"], claims["sub"]) == ("nxfs-api", "nxfs", "access", str(user.id))
    assert claims["exp"] - claims["iat"] == 15 * 60
    assert isinstance(claims["sid"], int)


def test_access_token_is_not_signed_with_the_secret_key_itself(app):
    access = open_session(create_user()).access
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(access, app.config["SECRET_KEY"], algorithms=["HS256"], audience="nxfs-api")


def test_request_with_forged_token_of_the_same_content_is_let_in(client):
    assert client.get(ME, headers=bearer(forged(open_session(create_user()).access))).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"key": b"a wrong key of 32 bytes, for sure"},
        {"algorithm": "HS512"},
        {"headers": {"typ": "JWT"}},
        {"headers": {"typ": "rt+jwt"}},
        {"headers": {"kid": "00000000"}},
        {"headers": {"kid": None}},
        {"headers": {"kid": ["a"]}},
        {"headers": {"alg": "HS512"}},
        {"headers": {"alg": "none"}},
        {"headers": {"alg": "RS256"}},
        {"headers": {"typ": None}},
        {"headers": {"crit": ["exp"]}},
        {"type": "refresh"},
        {"type": ["access"]},
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": "somebody-else"},
        {"iss": None},
        {"sub": None},
        {"sub": "0"},
        {"sub": "999999999999999999999"},
        {"sub": "x"},
        {"sid": None},
        {"sid": "1"},
        {"sid": True},
        {"sid": 999_999_999},
        {"sid": 2**70},
        {"sid": {"a": 1}},
        {"exp": None},
        {"exp": 10**30},
        {"nbf": 4_000_000_000},
        {"iat": 4_000_000_000},
    ],
)
def test_request_with_changed_token_asks_for_authentication(client, changes):
    access = forged(open_session(create_user()).access, **changes)
    assert code_of(client.get(ME, headers=bearer(access))) == (401, "AUTHENTICATION_REQUIRED")


def test_request_with_token_without_signature_asks_for_authentication(client):
    header, payload, signature = open_session(create_user()).access.split(".")
    kid = jwt.get_unverified_header(f"{header}.{payload}.{signature}")["kid"]
    none = part({"alg": "none", "typ": "at+jwt", "kid": kid})
    for token in (f"{none}.{payload}.", f"{none}.{payload}.{signature}", f"{header}.{payload}.", f"{header}.{payload}"):
        assert code_of(client.get(ME, headers=bearer(token))) == (401, "AUTHENTICATION_REQUIRED")


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Bearer ...",
        "Bearer é.é.é",
        "Bearer " + "x" * 5000,
        f"Bearer {part([])}.{part([])}.x",
        f"Bearer {part({'alg': 'HS256'})}.{part('text')}.x",
        "Basic dXNlcjpwYXNz",
        "Token abc",
        "null",
    ],
)
def test_request_with_unreadable_authorization_asks_for_authentication(client, header):
    response = client.get(ME, headers={"Authorization": header})
    assert code_of(response) == (401, "AUTHENTICATION_REQUIRED")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_request_with_refresh_token_as_access_token_asks_for_authentication(client):
    refresh = open_session(create_user()).refresh
    assert code_of(client.get(ME, headers=bearer(refresh))) == (401, "AUTHENTICATION_REQUIRED")


def test_request_with_expired_token_says_so_whether_it_was_seen_before_or_not(client):
    access, unseen = (open_session(create_user()).access for _ in range(2))
    assert client.get(ME, headers=bearer(access)).status_code == 200
    with time_machine.travel(clock.now() + timedelta(minutes=15, seconds=1)):
        for token in (access, unseen):
            assert code_of(client.get(ME, headers=bearer(token))) == (401, "TOKEN_EXPIRED")


def test_request_with_expired_token_of_a_wrong_key_asks_for_authentication(client):
    access = forged(open_session(create_user()).access, key=b"a wrong key of 32 bytes, for sure", exp=1)
    assert code_of(client.get(ME, headers=bearer(access))) == (401, "AUTHENTICATION_REQUIRED")


def test_request_with_session_of_another_user_asks_for_authentication(client):
    user, other = create_user(), create_user()
    access = forged(open_session(user).access, sub=str(other.id))
    assert code_of(client.get(ME, headers=bearer(access))) == (401, "AUTHENTICATION_REQUIRED")


def test_key_exchange_keeps_old_tokens_valid_until_the_old_key_is_dropped(app, client, monkeypatch):
    old = open_session(create_user()).access
    monkeypatch.setitem(app.config, "SECRET_KEY_PREVIOUS", app.config["SECRET_KEY"])
    monkeypatch.setitem(app.config, "SECRET_KEY", NEW_KEY)
    new = open_session(create_user()).access
    assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
    for token in (old, new):
        assert client.get(ME, headers=bearer(token)).status_code == 200
    monkeypatch.setitem(app.config, "SECRET_KEY_PREVIOUS", None)
    with time_machine.travel(clock.now() + timedelta(seconds=1)):
        unseen = forged(old, jti="unseen")
        assert client.get(ME, headers=bearer(new)).status_code == 200
        assert code_of(client.get(ME, headers=bearer(unseen))) == (401, "AUTHENTICATION_REQUIRED")


def test_opaque_tokens_are_long_and_unlike():
    made = {tokens.new_opaque_token() for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) == 43
