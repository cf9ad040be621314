"""Registration: what it creates, what it refuses, and in which language it speaks."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from nxfs.auth.models import User
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db

URL = "/api/auth/register/"
BODY = {"email": "Kari@Example.com", "username": "Kari_N", "password": "gule-gummistøvler-39"}


def test_register_with_valid_input_creates_account_that_can_sign_in(client):
    response = client.post(URL, json={**BODY, "first_name": "Kari", "last_name": "Nordmann"})
    assert response.status_code == 201
    user = response.json["user"]
    assert (user["email"], user["username"], user["display_name"]) == ("Kari@Example.com", "Kari_N", "Kari Nordmann")
    assert (user["role"], user["is_staff"], user["is_superuser"], user["is_active"]) == ("user", False, False, True)
    assert (user["theme"], user["language"], user["date_of_birth"], user["last_login"]) == ("system", "en", None, None)
    assert [name for name in user if "password" in name] == ["must_change_password"]
    assert response.headers["Cache-Control"] == "no-store"
    signed_in = client.post("/api/auth/token/", json={"email": "kari@example.COM", "password": BODY["password"]})
    assert signed_in.status_code == 200


def test_register_stores_argon2id_hash_with_the_stated_parameters(client):
    client.post(URL, json=BODY)
    password_hash = db.session.scalar(select(User.password_hash))
    assert password_hash.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_register_leaves_event_and_audit_entry_without_the_password(client):
    user_id = client.post(URL, json=BODY).json["user"]["id"]
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.target_id, entry.actor_id) == ("auth.user_registered", user_id, user_id)
    assert BODY["password"] not in str(entry.changes)
    event = db.session.scalars(select(EventRecord)).one()
    assert (event.type, event.payload) == ("user_registered", {"user_id": user_id})


def test_register_speaks_and_keeps_the_language_of_the_visitor(client):
    response = client.post(URL, json=BODY, headers={"Accept-Language": "nb-NO"})
    assert response.json["message"] == "Velkommen! Kontoen din er klar."
    assert response.json["user"]["language"] == "no"


@pytest.mark.parametrize(
    ("body", "field"),
    [({"email": "KARI@example.com"}, "email"), ({"username": "kari_n"}, "username")],
)
def test_register_with_taken_name_in_other_case_conflicts_and_names_the_field(client, body, field):
    client.post(URL, json=BODY)
    other = {"email": "other@example.com", "username": "other", "password": BODY["password"], **body}
    response = client.post(URL, json=other)
    assert response.status_code == 409
    assert response.json["error"]["code"] == "CONFLICT"
    assert list(response.json["error"]["field_errors"]) == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "kari"),
        ("email", "kåri@example.com"),
        ("email", ["kari@example.com"]),
        ("email", None),
        ("email", "k" * 250 + "@example.com"),
        ("username", "ab"),
        ("username", "a" * 31),
        ("username", "kari nordmann"),
        ("username", "kari@example.com"),
        ("username", "ка́ри"),
        ("password", "short-1"),
        ("password", "x" * 129),
        ("password", 12345678),
        ("password", "Password1"),
        ("password", "kari@example.com"),
        ("password", "kari_n_1"),
        ("first_name", "x" * 51),
        ("role", "admin"),
        ("is_staff", True),
        ("is_active", True),
        ("id", 1),
        ("date_joined", "2020-01-01T00:00:00Z"),
    ],
)
def test_register_with_bad_field_is_refused_by_its_name(client, field, value):
    response = client.post(URL, json={**BODY, field: value})
    assert response.status_code == 400
    assert response.json["error"]["code"] == "VALIDATION_ERROR"
    assert field in response.json["error"]["field_errors"]
    assert db.session.scalar(select(User.id)) is None


def test_register_with_missing_fields_names_each_in_norwegian(client):
    response = client.post(URL, json={}, headers={"Accept-Language": "no"})
    assert response.json["error"]["field_errors"] == {
        name: ["Feltet må fylles ut."] for name in ("email", "username", "password")
    }


def test_register_while_closed_is_forbidden(app, client, monkeypatch):
    monkeypatch.setitem(app.config, "REGISTRATION_OPEN", False)
    response = client.post(URL, json=BODY)
    assert (response.status_code, response.json["error"]["code"]) == (403, "PERMISSION_DENIED")
    assert response.json["error"]["message"] == "Registration is closed."


def test_register_with_password_similar_to_own_names_is_refused(client):
    response = client.post(URL, json={**BODY, "last_name": "Gummistøvler", "password": "gummistøvle1"})
    assert response.json["error"]["field_errors"] == {
        "password": ["This password is too similar to your name or address."]
    }


def test_register_drops_blanks_around_names(client):
    user = client.post(URL, json={**BODY, "email": " kari@example.com\n", "first_name": " Kari  Anne "}).json["user"]
    assert (user["email"], user["first_name"]) == ("kari@example.com", "Kari Anne")
