"""New passwords: changed with the old one, or reset with a link."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from sqlalchemy import func, select

from nxfs.auth.models import PasswordReset, UserSession
from nxfs.core import clock, mail
from nxfs.core.audit import AuditEntry
from nxfs.extensions import db
from tests.factories.users import PASSWORD, bearer, create_user, open_session, sign_in
from tests.mail_sink import MailSink

ME = "/api/auth/me/"
CHANGE = "/api/auth/me/password/"
RESET = "/api/auth/password/reset/"
CONFIRM = "/api/auth/password/reset/confirm/"
NEW = "gule-gummistøvler-39"


def code_of(response):
    return response.status_code, response.json["error"]["code"]


def change(client, headers, **overrides):
    body = {"old_password": PASSWORD, "new_password": NEW, "confirm_password": NEW, **overrides}
    return client.post(CHANGE, json=body, headers=headers)


def confirm(client, token, password=NEW, confirm_password=None):
    body = {"token": token, "password": password, "confirm_password": confirm_password or password}
    return client.post(CONFIRM, json=body)


def can_sign_in(client, user, password):
    return client.post("/api/auth/token/", json={"email": user.email, "password": password}).status_code == 200


@pytest.fixture
def sink(app, monkeypatch):
    """A mail server that the application uses."""
    with MailSink() as server:
        monkeypatch.setitem(app.config, "SMTP_URL", server.url)
        yield server
        mail.wait_until_sent()


def ask_for_link(client, sink, user):
    """Return the token of a link that was sent to ``user``."""
    assert client.post(RESET, json={"email": user.email}).status_code == 200
    mail.wait_until_sent()
    text = sink.take().get_content()
    link = next(line for line in text.splitlines() if line.startswith("http"))
    return parse_qs(urlsplit(link).query)["token"][0]


def test_change_password_replaces_it_and_goes_on_with_a_new_pair(client):
    user = create_user()
    response = change(client, sign_in(client, user))
    assert response.status_code == 200
    assert response.json["message"] == "Your password has been changed."
    assert client.get(ME, headers=bearer(response.json["access"])).status_code == 200
    pair = client.post("/api/auth/token/refresh/", json={"refresh": response.json["refresh"]})
    assert pair.status_code == 200
    assert can_sign_in(client, user, NEW)
    assert not can_sign_in(client, user, PASSWORD)


def test_change_password_ends_every_former_session_at_once(client):
    user = create_user()
    other, headers = open_session(user), sign_in(client, user)
    assert client.get(ME, headers=bearer(other.access)).status_code == 200
    change(client, headers)
    for tokens in (headers, bearer(other.access)):
        assert code_of(client.get(ME, headers=tokens)) == (401, "TOKEN_REVOKED")
    reasons = db.session.scalars(select(UserSession.end_reason).order_by(UserSession.id)).all()
    assert reasons == ["password_changed", "password_changed", None]
    assert "auth.password_changed" in set(db.session.scalars(select(AuditEntry.action)))


def test_change_password_with_wrong_old_one_names_the_field_and_is_audited(client):
    user = create_user(language="no")
    response = change(client, sign_in(client, user), old_password="wrong password")
    assert code_of(response) == (400, "VALIDATION_ERROR")
    assert response.json["error"]["field_errors"] == {"old_password": ["Dette er ikke passordet ditt."]}
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.outcome, entry.target_id) == ("auth.password_change_failed", "failure", user.id)


def test_change_password_after_five_wrong_ones_is_blocked(client):
    headers = sign_in(client, create_user())
    for _ in range(5):
        assert change(client, headers, old_password="wrong password").status_code == 400
    assert code_of(change(client, headers)) == (429, "RATE_LIMIT_EXCEEDED")


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"confirm_password": "something else"}, "confirm_password"),
        ({"new_password": "short", "confirm_password": "short"}, "new_password"),
        ({"new_password": "Sunshine1", "confirm_password": "Sunshine1"}, "new_password"),
        ({"new_password": "kari.nordmann", "confirm_password": "kari.nordmann"}, "new_password"),
        ({"new_password": PASSWORD, "confirm_password": PASSWORD}, "new_password"),
        ({"old_password": ""}, "old_password"),
        ({"new_password": None}, "new_password"),
        ({"user_id": 1}, "user_id"),
    ],
)
def test_change_password_with_bad_field_is_refused_by_its_name(client, overrides, field):
    user = create_user(username="kari-nordmann")
    headers = sign_in(client, user)
    response = change(client, headers, **overrides)
    assert code_of(response) == (400, "VALIDATION_ERROR")
    assert list(response.json["error"]["field_errors"]) == [field]
    assert client.get(ME, headers=headers).status_code == 200


def test_change_password_without_token_asks_for_authentication(client):
    assert code_of(change(client, {})) == (401, "AUTHENTICATION_REQUIRED")


def test_reset_sends_a_link_in_the_users_language(client, app, sink):
    user = create_user(language="no")
    client.post(RESET, json={"email": user.email.upper()})
    mail.wait_until_sent()
    letter = sink.take()
    assert letter["To"] == user.email
    assert letter["Subject"] == "Velg et nytt passord"
    assert f"{app.config['FRONTEND_URL']}/auth/reset?token=" in letter.get_content()


def test_reset_link_sets_the_password_once_and_ends_every_session(client, sink):
    user = create_user()
    grant = open_session(user)
    token = ask_for_link(client, sink, user)
    response = confirm(client, token)
    assert (response.status_code, response.json["message"]) == (200, "Your new password is set. Please sign in.")
    assert can_sign_in(client, user, NEW)
    assert not can_sign_in(client, user, PASSWORD)
    assert code_of(client.get(ME, headers=bearer(grant.access))) == (401, "TOKEN_REVOKED")
    again = confirm(client, token, "another password 7")
    assert code_of(again) == (400, "VALIDATION_ERROR")
    assert list(again.json["error"]["field_errors"]) == ["token"]
    assert can_sign_in(client, user, NEW)


def test_reset_link_after_an_hour_is_invalid(client, sink):
    token = ask_for_link(client, sink, create_user())
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        assert list(confirm(client, token).json["error"]["field_errors"]) == ["token"]
    with time_machine.travel(clock.now() + timedelta(minutes=59)):
        assert confirm(client, token).status_code == 200


def test_reset_link_voids_the_others_when_used(client, sink):
    user = create_user()
    first, second = ask_for_link(client, sink, user), ask_for_link(client, sink, user)
    assert confirm(client, second).status_code == 200
    assert code_of(confirm(client, first)) == (400, "VALIDATION_ERROR")


def test_reset_link_with_weak_password_stays_usable(client, sink):
    token = ask_for_link(client, sink, create_user())
    response = confirm(client, token, "password1")
    assert response.json["error"]["field_errors"] == {"password": ["This password is too common."]}
    assert list(confirm(client, token, NEW, "differs").json["error"]["field_errors"]) == ["confirm_password"]
    assert confirm(client, token).status_code == 200


def test_reset_lifts_the_block_that_wrong_passwords_caused(client, sink):
    user = create_user()
    for _ in range(5):
        assert not can_sign_in(client, user, "wrong password")
    assert not can_sign_in(client, user, PASSWORD)
    confirm(client, ask_for_link(client, sink, user))
    assert can_sign_in(client, user, NEW)


def test_reset_link_stores_only_the_hash_of_its_token(client, sink):
    token = ask_for_link(client, sink, create_user())
    stored = db.session.scalars(select(PasswordReset.token_hash)).one()
    assert token not in stored


@pytest.mark.parametrize("overrides", [None, {"is_active": False}, {}])
def test_reset_answers_alike_whether_there_is_such_an_account(client, sink, overrides):
    user = create_user(**overrides) if overrides is not None else None
    response = client.post(RESET, json={"email": user.email if user else "nobody@example.com"})
    assert response.status_code == 200
    assert response.json == {"message": "If there is an account with this address, a link is on its way."}
    assert response.headers["X-DB-Queries"] == "3"
    mail.wait_until_sent()
    assert sink.is_empty == (overrides != {})
    entry = db.session.scalars(select(AuditEntry)).one()
    assert entry.action == "auth.password_reset_requested"


def test_reset_sends_at_most_five_links_an_hour(client, sink):
    user = create_user()
    for _ in range(7):
        assert client.post(RESET, json={"email": user.email}).status_code == 200
    assert db.session.scalar(select(func.count()).select_from(PasswordReset)) == 5
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        client.post(RESET, json={"email": user.email})
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(PasswordReset)) == 6


def test_reset_of_user_disabled_meanwhile_is_refused(client, sink):
    user = create_user()
    token = ask_for_link(client, sink, user)
    client.delete(ME, headers=sign_in(client, user))
    assert code_of(confirm(client, token)) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("email", ["", "x", None, 1, "a@b.no\x00", "' OR 1=1 --"])
def test_reset_with_bad_email_is_refused_by_its_name(client, email):
    response = client.post(RESET, json={"email": email})
    assert code_of(response) == (400, "VALIDATION_ERROR")
    assert list(response.json["error"]["field_errors"]) == ["email"]
