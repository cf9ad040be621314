"""The own account: shown, changed, deactivated."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from nxfs.auth.models import PasswordReset, User, UserSession
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db
from tests.factories.users import PASSWORD, create_user, open_session, reload, sign_in

ME = "/api/auth/me/"
FIELDS = {
    *("id", "email", "username", "display_name", "first_name", "last_name", "date_of_birth", "address", "city"),
    *("country", "website", "phone", "language", "theme", "role", "is_active", "is_staff", "is_superuser"),
    *("date_joined", "last_login", "last_seen", "must_change_password", "version", "profile_picture", "permissions"),
}


def code_of(response):
    return response.status_code, response.json["error"]["code"]


@pytest.mark.parametrize(
    ("role", "is_staff", "is_superuser"), [("user", False, False), ("staff", True, False), ("admin", True, True)]
)
def test_get_me_answers_every_field_of_the_contract(client, role, is_staff, is_superuser):
    response = client.get(ME, headers=sign_in(client, create_user(role=role)))
    assert set(response.json) == FIELDS
    assert (response.json["is_staff"], response.json["is_superuser"]) == (is_staff, is_superuser)
    assert response.json["date_joined"].endswith("Z")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-DB-Queries"] == "2"


def test_get_me_without_token_asks_for_authentication(client):
    for method in ("get", "put", "patch", "delete"):
        assert code_of(getattr(client, method)(ME)) == (401, "AUTHENTICATION_REQUIRED")


@pytest.mark.parametrize("method", ["put", "patch"])
def test_update_me_changes_only_the_fields_given(client, method):
    user = create_user(first_name="Kari", city="Oslo")
    response = getattr(client, method)(ME, json={"city": " Bergen ", "theme": "dark"}, headers=sign_in(client, user))
    assert response.status_code == 200
    assert (response.json["city"], response.json["theme"], response.json["first_name"]) == ("Bergen", "dark", "Kari")
    assert response.json["version"] == user.version + 1


def test_update_me_as_form_reads_texts_like_json(client):
    headers = sign_in(client, create_user())
    form = {"date_of_birth": "1990-05-17", "phone": "+47 22 33 44 55", "display_name": ""}
    response = client.put(ME, data=form, headers=headers, content_type="multipart/form-data")
    assert response.status_code == 200
    assert (response.json["date_of_birth"], response.json["phone"]) == ("1990-05-17", "+4722334455")
    response = client.put(ME, data={"date_of_birth": ""}, headers=headers, content_type="multipart/form-data")
    assert response.json["date_of_birth"] is None


def test_update_me_with_the_profile_form_of_the_front_end_takes_empty_texts(client):
    names = ("display_name", "first_name", "last_name", "address", "city", "country", "website", "phone")
    headers = sign_in(client, create_user(website="https://example.com", phone="+4722334455"))
    response = client.put(ME, json=dict.fromkeys(names, ""), headers=headers)
    assert response.status_code == 200
    assert {response.json[name] for name in names} == {""}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "kari@"),
        ("email", ""),
        ("email", None),
        ("username", "a b c"),
        ("username", ""),
        ("display_name", "x" * 101),
        ("display_name", None),
        ("first_name", "x" * 51),
        ("last_name", "nul\x00"),
        ("date_of_birth", ""),
        ("date_of_birth", "17.05.1990"),
        ("date_of_birth", "1990-02-30"),
        ("date_of_birth", "19900517"),
        ("address", "x" * 201),
        ("website", "javascript:alert(1)"),
        ("website", "example.com"),
        ("website", "https://"),
        ("website", "https://a b"),
        ("website", "ftp://example.com"),
        ("website", "https://example.com/" + "x" * 200),
        ("phone", "0047123"),
        ("phone", "+47-22334455"),
        ("phone", "٢٢٣٣٤٤٥٥"),
        ("phone", "+" + "1" * 16),
        ("language", "nb"),
        ("theme", "green"),
        ("theme", ""),
        ("theme", 7),
        ("password", "a whole new password"),
        *((name, 1) for name in ("id", "role", "is_staff", "is_superuser", "is_active", "version", "unknown")),
        *((name, "2020-01-01T00:00:00Z") for name in ("date_joined", "last_login", "last_seen")),
    ],
)
def test_update_me_with_bad_field_is_refused_by_its_name_and_changes_nothing(client, field, value):
    user = create_user()
    response = client.patch(ME, json={"city": "Bergen", field: value}, headers=sign_in(client, user))
    assert code_of(response) == (400, "VALIDATION_ERROR")
    assert list(response.json["error"]["field_errors"]) == [field]
    assert (reload(user).city, reload(user).version) == ("", user.version)


def test_update_me_to_taken_names_conflicts_and_names_the_field(client):
    create_user(username="taken", email="taken@example.com")
    headers = sign_in(client, create_user())
    for field, value in (("email", "TAKEN@example.com"), ("username", "Taken")):
        response = client.patch(ME, json={field: value}, headers=headers)
        assert code_of(response) == (409, "CONFLICT")
        assert list(response.json["error"]["field_errors"]) == [field]


def test_update_me_to_new_names_signs_in_with_them(client):
    headers = sign_in(client, create_user())
    client.patch(ME, json={"email": "New@example.com", "username": "New-name"}, headers=headers)
    for name in ({"email": "new@example.com"}, {"username": "new-name"}):
        assert client.post("/api/auth/token/", json={**name, "password": PASSWORD}).status_code == 200


def test_update_me_to_new_email_voids_links_sent_to_the_old_one(client):
    user = create_user()
    client.post("/api/auth/password/reset/", json={"email": user.email})
    client.patch(ME, json={"email": "new@example.com"}, headers=sign_in(client, user))
    assert db.session.scalars(select(PasswordReset.used_at)).one() is not None


def test_update_me_with_stale_if_match_is_refused(client):
    user = create_user()
    headers = sign_in(client, user)
    etag = client.get(ME, headers=headers).headers["ETag"]
    assert client.patch(ME, json={"city": "Oslo"}, headers={**headers, "If-Match": etag}).status_code == 200
    response = client.patch(ME, json={"city": "Bergen"}, headers={**headers, "If-Match": etag})
    assert code_of(response) == (412, "PRECONDITION_FAILED")
    assert reload(user).city == "Oslo"


def test_update_me_is_audited_with_before_and_after(client):
    user = create_user(city="Oslo")
    client.patch(ME, json={"city": "Bergen", "date_of_birth": "1990-05-17"}, headers=sign_in(client, user))
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor_id, entry.target_type, entry.target_id) == (
        *("auth.user_updated", user.id, "user", user.id),
    )
    assert entry.changes == {"city": ["Oslo", "Bergen"], "date_of_birth": [None, "1990-05-17"]}
    event = db.session.scalars(select(EventRecord)).one()
    assert event.payload == {"user_id": user.id, "fields": ["city", "date_of_birth"]}
    assert event.audience == [f"user:{user.id}"]


def test_update_me_to_what_it_is_already_writes_nothing(client):
    user = create_user(city="Oslo")
    response = client.patch(ME, json={"city": "Oslo"}, headers=sign_in(client, user))
    assert response.json["version"] == user.version
    assert db.session.scalar(select(AuditEntry.id)) is None


def test_delete_me_deactivates_and_ends_every_session_at_once(client):
    user = create_user()
    other = open_session(user)
    headers = sign_in(client, user)
    response = client.delete(ME, headers=headers)
    assert (response.status_code, response.data) == (204, b"")
    assert code_of(client.get(ME, headers=headers)) == (401, "TOKEN_REVOKED")
    assert code_of(client.post("/api/auth/token/refresh/", json={"refresh": other.refresh})) == (401, "TOKEN_REVOKED")
    sign_in_again = client.post("/api/auth/token/", json={"email": user.email, "password": PASSWORD})
    assert code_of(sign_in_again) == (401, "INVALID_CREDENTIALS")
    assert reload(user).is_active is False
    assert set(db.session.scalars(select(UserSession.end_reason))) == {"user_deactivated"}
    actions = set(db.session.scalars(select(AuditEntry.action)))
    assert {"auth.user_deactivated", "auth.sessions_ended"} <= actions


def test_delete_me_as_the_last_administrator_is_refused(client):
    create_user(role="admin", is_active=False)
    user = create_user(role="admin")
    headers = sign_in(client, user)
    assert code_of(client.delete(ME, headers=headers)) == (422, "BUSINESS_RULE_VIOLATION")
    assert client.get(ME, headers=headers).status_code == 200
    create_user(role="admin")
    assert client.delete(ME, headers=headers).status_code == 204
    assert db.session.scalar(select(User.is_active).where(User.id == user.id)) is False
