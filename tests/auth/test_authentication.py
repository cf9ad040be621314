"""Finding the actor of a request: what it costs, and how soon it notices that something ended."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import update

from nxfs.auth.models import User, UserSession
from nxfs.auth.service import accounts, authentication, sessions
from nxfs.core import clock, database
from nxfs.core.errors import TokenRevokedError
from nxfs.extensions import db
from tests.factories.users import bearer, create_user, open_session

ME = "/api/auth/me/"


def count_statements(access):
    counter = database.start_counting()
    actor = authentication.authenticate(access)
    return actor, counter[0]


def test_authenticate_asks_the_database_once_and_then_remembers(app):
    user = create_user(role="staff", language="no")
    access = open_session(user).access
    actor, cold = count_statements(access)
    again, warm = count_statements(access)
    assert (cold, warm) == (1, 0)
    assert again is actor
    assert (actor.id, actor.role, actor.username, actor.language) == (user.id, "staff", user.username, "no")


def test_authenticate_is_quick_with_warm_memory(app):
    access = open_session(create_user()).access
    authentication.authenticate(access)
    started = time.perf_counter()
    for _ in range(1000):
        authentication.authenticate(access)
    assert time.perf_counter() - started < 0.1


@pytest.mark.parametrize(
    "statement",
    [lambda: update(User).values(is_active=False), lambda: update(UserSession).values(ended_at=clock.now())],
    ids=["disabled user", "ended session"],
)
def test_authenticate_notices_within_a_second_what_another_process_ended(app, statement):
    access = open_session(create_user()).access
    authentication.authenticate(access)
    db.session.execute(statement())
    db.session.commit()
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            authentication.authenticate(access)
        except TokenRevokedError:
            return
        db.session.rollback()
        time.sleep(0.01)
    pytest.fail("still let in after a second")


def test_request_after_deactivation_is_refused_at_once(client):
    user = create_user()
    access = open_session(user).access
    assert client.get(ME, headers=bearer(access)).status_code == 200
    accounts.deactivate(actor=authentication.authenticate(access))
    response = client.get(ME, headers=bearer(access))
    assert (response.status_code, response.json["error"]["code"]) == (401, "TOKEN_REVOKED")


def test_request_after_language_change_speaks_the_new_language_at_once(client):
    headers = bearer(open_session(create_user()).access)
    assert client.get("/api/auth/sessions/?page=9", headers=headers).json["error"]["message"] == "There is no page 9."
    client.patch(ME, json={"language": "no"}, headers=headers)
    assert client.get("/api/auth/sessions/?page=9", headers=headers).json["error"]["message"] == "Side 9 finnes ikke."


def test_authenticate_does_not_keep_what_it_read_before_the_session_ended(app, monkeypatch):
    user = create_user()
    access = open_session(user).access
    load = authentication._load_actor

    def load_and_be_overtaken(claims):
        actor = load(claims)
        sessions.sign_out(actor=actor, refresh_token=None)
        return actor

    with monkeypatch.context() as patch:
        patch.setattr(authentication, "_load_actor", load_and_be_overtaken)
        authentication.authenticate(access)
    with pytest.raises(TokenRevokedError):
        authentication.authenticate(access)


def test_memory_is_bounded():
    memory = authentication.Memory()
    assert memory._known.maxsize == authentication.MOST_REMEMBERED
    assert memory._known.ttl < 1
