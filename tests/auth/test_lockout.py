"""The back-off after wrong passwords: how long, for whom, from where, and when it is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import func, select

from nxfs.auth.models import SignInFailure
from nxfs.auth.service import lockout
from nxfs.core import audit, clock
from nxfs.core.audit import AuditEntry, Origin
from nxfs.extensions import db
from tests.factories.users import PASSWORD, create_user

TOKEN = "/api/auth/token/"
HOME = "203.0.113.7"
ELSEWHERE = "198.51.100.9"


def attempt(client, name, password="wrong password", address=HOME):
    body = {"email": name, "password": password}
    return client.post(TOKEN, json=body, environ_base={"REMOTE_ADDR": address})


def fail(client, name, times=5, address=HOME):
    for _ in range(times):
        assert attempt(client, name, address=address).status_code == 401


@pytest.mark.parametrize("is_known", [True, False])
def test_sign_in_after_five_failures_is_blocked_alike_for_known_and_unknown_names(client, is_known):
    name = create_user().email if is_known else "nobody@example.com"
    with time_machine.travel(clock.now(), tick=False):
        fail(client, name)
        response = attempt(client, name.upper())
        assert response.status_code == 429
        assert response.headers["Retry-After"] == "30"
        assert response.json["error"] == {
            "code": "RATE_LIMIT_EXCEEDED",
            "message": "Too many wrong passwords. Please wait a moment.",
            "details": {"retry_after": 30},
        }
        # The account is looked for first, whether there is one or not.
        assert response.headers["X-DB-Queries"] == "2"


def test_sign_in_while_blocked_refuses_the_right_password_without_hashing(client, monkeypatch):
    user = create_user()
    fail(client, user.email)
    monkeypatch.setattr("nxfs.auth.service.passwords.verify_password", lambda *_: pytest.fail("hashed"))
    assert attempt(client, user.email, PASSWORD).status_code == 429


def test_sign_in_from_another_address_is_not_blocked(client):
    user = create_user()
    fail(client, user.email)
    assert attempt(client, user.email, PASSWORD, address=ELSEWHERE).status_code == 200
    # Nor does it open the door for the guesser.
    assert attempt(client, user.email).status_code == 429


def test_sign_in_to_another_account_from_the_same_address_is_not_blocked(client):
    user, other = create_user(), create_user()
    fail(client, user.email)
    assert attempt(client, other.email, PASSWORD).status_code == 200


def test_blocks_double_up_to_fifteen_minutes(client):
    user = create_user()
    moment = clock.now()
    for seconds in (30, 60, 120, 240, 480, 900, 900):
        with time_machine.travel(moment, tick=False):
            fail(client, user.email, times=5 if seconds == 30 else 1)
            assert attempt(client, user.email).headers["Retry-After"] == str(seconds)
        moment += timedelta(seconds=seconds)


def test_attempts_while_blocked_do_not_lengthen_the_block(client):
    user = create_user()
    start = clock.now()
    with time_machine.travel(start, tick=False):
        fail(client, user.email)
    with time_machine.travel(start + timedelta(seconds=29), tick=False):
        assert attempt(client, user.email).headers["Retry-After"] == "1"
    with time_machine.travel(start + timedelta(seconds=30), tick=False):
        assert attempt(client, user.email, PASSWORD).status_code == 200


def test_success_forgets_the_failures(client):
    user = create_user()
    fail(client, user.email, times=4)
    assert attempt(client, user.email, PASSWORD).status_code == 200
    fail(client, user.email, times=4)
    assert attempt(client, user.email, PASSWORD).status_code == 200
    assert db.session.scalar(select(SignInFailure.id)) is None


def test_twelve_quiet_hours_forget_the_failures(client):
    user = create_user()
    fail(client, user.email, times=4)
    with time_machine.travel(clock.now() + timedelta(hours=12, minutes=1)):
        fail(client, user.email, times=4)
        assert attempt(client, user.email, PASSWORD).status_code == 200


def test_lockout_is_audited_once_with_its_user(client):
    user = create_user()
    fail(client, user.email)
    attempt(client, user.email)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "auth.sign_in_locked")).one()
    assert (entry.outcome, entry.target_id, entry.address) == ("failure", user.id, HOME)
    failed = select(func.count()).where(AuditEntry.action == "auth.sign_in_failed")
    assert db.session.scalar(failed) == 5


def test_forged_forwarding_header_does_not_make_a_new_address(client):
    user = create_user()
    for number in range(5):
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        client.post(TOKEN, json={"email": user.email, "password": "wrong password"}, headers=headers)
    assert client.post(TOKEN, json={"email": user.email, "password": PASSWORD}).status_code == 429


def test_failures_are_stored_without_the_name(client):
    fail(client, "nobody@example.com", times=1)
    row = db.session.scalars(select(SignInFailure)).one()
    assert (len(row.name_hash), row.network, row.failures) == (64, HOME, 1)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        (None, ""),
    ],
)
def test_network_of_address_is_what_one_subscriber_has(address, network):
    token = audit.origin.set(Origin(address=address))
    try:
        assert lockout.Attempt.of("kari", None).network == network
    finally:
        audit.origin.reset(token)


def test_guess_by_email_and_by_username_counts_for_one_account(client):
    user = create_user()
    names = [{"email": user.email}, {"username": user.username}] * 3
    answers = [client.post("/api/auth/token/", json={**name, "password": "wrong-password"}) for name in names]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
