"""The own sessions: listed and ended."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from nxfs.auth.models import UserSession
from nxfs.core import clock
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db
from tests.factories.users import PASSWORD, bearer, create_user, open_session, sign_in

SESSIONS = "/api/auth/sessions/"
ME = "/api/auth/me/"


def code_of(response):
    return response.status_code, response.json["error"]["code"]


def test_list_sessions_answers_the_live_ones_last_used_first(client):
    user = create_user()
    open_session(create_user())
    with time_machine.travel(clock.now() - timedelta(days=100)):
        open_session(user)
    with time_machine.travel(clock.now() - timedelta(hours=1)):
        body = {"email": user.email, "password": PASSWORD}
        client.post("/api/auth/token/", json=body, headers={"User-Agent": "Phone"})
    client.post("/api/auth/logout/", json={"refresh_token": open_session(user).refresh})
    response = client.get(SESSIONS, headers=sign_in(client, user))
    assert response.json["count"] == 2
    current, phone = response.json["results"]
    assert (current["is_current"], phone["is_current"]) == (True, False)
    assert (phone["user_agent"], phone["address"]) == ("Phone", "127.0.0.1")
    told = {"id", "user_agent", "device", "address", "created_at", "last_used_at", "expires_at", "is_current"}
    assert set(phone) == told
    assert response.headers["Cache-Control"] == "no-store"


def test_list_sessions_takes_two_statements_whatever_their_number(client):
    user = create_user()
    headers = sign_in(client, user)
    for _ in range(30):
        open_session(user)
    response = client.get(f"{SESSIONS}?page_size=25", headers=headers)
    assert (response.json["count"], len(response.json["results"])) == (31, 25)
    assert response.headers["X-DB-Queries"] == "2"
    assert response.json["next"].endswith("/api/auth/sessions/?page_size=25&page=2")


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=abc", "page=1&page=2", "user_id=1", "page_size=0"])
def test_list_sessions_with_bad_parameter_is_refused(client, query):
    response = client.get(f"{SESSIONS}?{query}", headers=sign_in(client, create_user()))
    assert code_of(response) == (400, "VALIDATION_ERROR")


def test_list_sessions_past_the_end_is_not_found(client):
    response = client.get(f"{SESSIONS}?page=1000000000", headers=sign_in(client, create_user()))
    assert code_of(response) == (404, "RESOURCE_NOT_FOUND")


def test_end_session_ends_it_at_once(client):
    user = create_user()
    other, headers = open_session(user), sign_in(client, user)
    assert client.get(ME, headers=bearer(other.access)).status_code == 200
    rows = client.get(SESSIONS, headers=headers).json["results"]
    other_id = next(row["id"] for row in rows if not row["is_current"])
    assert client.delete(f"{SESSIONS}{other_id}/", headers=headers).status_code == 204
    assert code_of(client.get(ME, headers=bearer(other.access))) == (401, "TOKEN_REVOKED")
    assert client.get(ME, headers=headers).status_code == 200
    assert code_of(client.delete(f"{SESSIONS}{other_id}/", headers=headers)) == (404, "RESOURCE_NOT_FOUND")


def test_end_session_of_somebody_else_is_not_found_and_goes_on(client):
    other = create_user()
    grant = open_session(other)
    session_id = db.session.scalars(select(UserSession.id)).one()
    headers = sign_in(client, create_user(role="admin"))
    assert code_of(client.delete(f"{SESSIONS}{session_id}/", headers=headers)) == (404, "RESOURCE_NOT_FOUND")
    assert client.get(ME, headers=bearer(grant.access)).status_code == 200


@pytest.mark.parametrize("session_id", ["0", "-1", "abc", "9223372036854775808", "999999999"])
def test_end_session_that_does_not_exist_is_not_found(client, session_id):
    response = client.delete(f"{SESSIONS}{session_id}/", headers=sign_in(client, create_user()))
    assert code_of(response) == (404, "RESOURCE_NOT_FOUND")


def test_end_other_sessions_keeps_the_present_one(client):
    user, somebody = create_user(), create_user()
    others = [open_session(user) for _ in range(3)]
    untouched = open_session(somebody)
    headers = sign_in(client, user)
    assert client.delete(SESSIONS, headers=headers).json == {"ended_count": 3}
    assert client.delete(SESSIONS, headers=headers).json == {"ended_count": 0}
    for grant in others:
        assert code_of(client.get(ME, headers=bearer(grant.access))) == (401, "TOKEN_REVOKED")
    assert client.get(ME, headers=headers).status_code == 200
    assert client.get(ME, headers=bearer(untouched.access)).status_code == 200
    event = db.session.scalars(select(EventRecord)).one()
    assert (event.type, event.payload["user_id"], len(event.payload["session_ids"])) == ("sessions_ended", user.id, 3)


def test_sessions_without_token_ask_for_authentication(client):
    for response in (client.get(SESSIONS), client.delete(SESSIONS), client.delete(f"{SESSIONS}1/")):
        assert code_of(response) == (401, "AUTHENTICATION_REQUIRED")
