"""Accounts as administrators create, list and change them."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from nxfs.admin.service import users
from nxfs.auth.models import Group, GroupMember, GroupPermission, PasswordReset, User, UserPermission
from nxfs.core import clock, mail
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.core.limits.limiter import EXTENSION, Limiter
from nxfs.core.names import name_key
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests.core.limits.quotas import quotas
from tests.factories.users import PASSWORD, bearer, create_user, open_session, reload, sign_in
from tests.mail_sink import MailSink

USERS = "/api/admin/users/"
NEW = "gule-gummistøvler-39"
OTHER = "brune-seljefløyter-17"
SERVER_OWNED = (
    "id",
    "version",
    "password",
    "password_hash",
    "date_joined",
    "last_login",
    "last_seen",
    "last_activity",
    "permissions",
    "must_change_password",
    "is_locked",
    "erased_at",
    "email_key",
    "profile_picture",
    "created_at",
    "date_of_birth",
    "address",
)

FILTERS = {
    "role=staff&role=admin": {"boss", "reserve", "siri"},
    "role=staff,user": {"siri", "kari", "ola"},
    "is_staff=true": {"boss", "reserve", "siri"},
    "is_staff=false": {"kari", "ola"},
    "is_superuser=true": {"boss", "reserve"},
    "is_active=false": {"ola"},
    "group=Redaktører": {"kari"},
    "group=redaktører&group=nobody": {"kari"},
    "group=nobody": set(),
    "registration_date=2020-01-01,2020-01-31": {"ola"},
    "registration_date=,2020-01-30": set(),
    "registration_date_end=2020-01-31": {"ola"},
    "registration_date_start=2020-02-01": {"boss", "reserve", "siri", "kari"},
    "registration_date=0001-01-01,9999-12-31": {"boss", "reserve", "siri", "kari", "ola"},
    "last_seen_before=2021-01-01T00:00:00Z": {"ola"},
    "last_seen_after=2022-01-01T00:00:00Z&role=user": {"kari"},
    "search=ÅSE": {"kari"},
    "search=ødegård": {"kari"},
    "search=åse+øde": {"kari"},
    "search=åse+nobody": set(),
    "search=KARI@": {"kari"},
    "search=ola": {"ola"},
    "search=%25": set(),
    "search=_": set(),
    "search=": {"boss", "reserve", "siri", "kari", "ola"},
}
MEANINGLESS = (
    "role=king",
    "is_active=maybe",
    "registration_date=yesterday",
    "registration_date=2026-02-01,2026-01-01",
    "registration_date=2026-02-01,&registration_date_start=2026-01-01",
    "last_seen_after=2026-01-01",
    "ordering=password_hash",
    "nonsense=1",
    "search=a\x00b",
)


def url(user, *parts):
    return "/".join([f"{USERS}{user.id}", *parts, ""])


def code_of(response):
    return response.status_code, response.json["error"]["code"]


def make_group(name, *permissions, members=()):
    """Return the id of a new group."""
    with transaction() as tx:
        group = Group(name=name, name_key=name_key(name))
        tx.session.add(group)
        tx.session.flush()
        tx.session.add_all(GroupPermission(group_id=group.id, permission=each) for each in permissions)
        tx.session.add_all(GroupMember(group_id=group.id, user_id=user.id) for user in members)
        return group.id


def grant(user, *permissions):
    """Grant ``permissions`` to a user, and return the user."""
    with transaction() as tx:
        tx.session.add_all(UserPermission(user_id=user.id, permission=each) for each in permissions)
    return user


def audited(prefix="users."):
    """Return the actions of the audit log, in their order."""
    db.session.rollback()
    entries = db.session.execute(select(AuditEntry.action, AuditEntry.changes).order_by(AuditEntry.id))
    return [(action, changes) for action, changes in entries if action.startswith(prefix)]


def told():
    """Return the types of the event log."""
    db.session.rollback()
    return list(db.session.scalars(select(EventRecord.type).order_by(EventRecord.id)))


@pytest.fixture
def admin(client):
    """Headers of an administrator; there is another one."""
    create_user(role="admin", username="reserve")
    return sign_in(client, create_user(role="admin", username="boss"))


@pytest.fixture
def sink(app, monkeypatch):
    """A mail server that the application uses."""
    with MailSink() as server:
        monkeypatch.setitem(app.config, "SMTP_URL", server.url)
        yield server
        mail.wait_until_sent()


def token_in(letter):
    """Return the token of the link in a letter."""
    link = next(line for line in letter.get_content().splitlines() if line.startswith("http"))
    return parse_qs(urlsplit(link).query)["token"][0]


# Reading


def test_list_has_every_account_in_two_statements_whatever_its_size(client, admin):
    members = [create_user() for _ in range(3)]
    make_group("Redaktører", "blog.edit", members=members)
    grant(members[0], "blog.publish")
    first = client.get(USERS, headers=admin)
    for _ in range(5):
        create_user()
    second = client.get(USERS, headers=admin)
    assert (first.json["count"], second.json["count"]) == (5, 10)
    # The page, who is locked out, and the audit entry; the actor is remembered.
    assert first.headers["X-DB-Queries"] in ("3", "4")
    assert second.headers["X-DB-Queries"] == "3"
    found = {user["id"]: user for user in second.json["results"]}
    assert found[members[0].id]["groups"] == ["Redaktører"]
    assert found[members[0].id]["user_permissions"] == ["blog.publish"]
    assert found[members[0].id]["permissions"] == ["blog.edit", "blog.publish"]
    assert [user["id"] for user in second.json["results"]] == sorted(found, reverse=True)
    assert audited()[-1][0] == "users.listed"


def test_list_filters(client, admin):
    now = clock.now()
    create_user(role="staff", username="siri")
    names = {"first_name": "Åse", "last_name": "Ødegård", "display_name": "Kari"}
    kari = create_user(username="kari", last_seen=now, **names)
    past = now.replace(year=2020, month=1, day=31)
    create_user(username="ola", is_active=False, date_joined=past, last_seen=past)
    make_group("Redaktører", members=[kari])
    found = {}
    for query in FILTERS:
        answer = client.get(f"{USERS}?{query}", headers=admin)
        assert answer.status_code == 200, query
        found[query] = {user["username"] for user in answer.json["results"]}
    assert found == FILTERS


def test_list_refuses_what_means_nothing(client, admin):
    for query in MEANINGLESS:
        assert client.get(f"{USERS}?{query}", headers=admin).status_code == 400, query


def test_list_is_ordered_from_a_closed_list_with_a_total_order(client, admin):
    create_user(username="aa", last_seen=clock.now())
    create_user(username="zz")
    for ordering in ("date_joined", "email", "username", "last_login", "last_seen", "role"):
        up = client.get(f"{USERS}?ordering={ordering}", headers=admin).json["results"]
        down = client.get(f"{USERS}?ordering=-{ordering}", headers=admin).json["results"]
        assert len(up) == len(down) == 4
    by_name = client.get(f"{USERS}?ordering=-username", headers=admin).json["results"]
    assert [user["username"] for user in by_name] == ["zz", "reserve", "boss", "aa"]


def test_item_shows_the_profile_and_is_audited(client, admin):
    user = create_user(last_seen=clock.now())
    shown = client.get(url(user), headers=admin).json
    assert (shown["id"], shown["email"], shown["groups"], shown["is_superuser"]) == (user.id, user.email, [], False)
    assert shown["last_activity"] == shown["last_seen"] is not None
    assert (shown["must_change_password"], shown["is_locked"], shown["erased_at"]) == (False, False, None)
    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.target_id) == ("users.viewed", user.id)
    assert code_of(client.get(f"{USERS}987654/", headers=admin)) == (404, "RESOURCE_NOT_FOUND")


# Creating


def test_invitation_is_a_letter_with_a_link_that_sets_the_first_password(client, admin, sink):
    make_group("Redaktører", "blog.edit")
    values = {"email": "Åse.Ny@example.com".replace("Å", "A"), "language": "no", "groups": ["redaktører"]}
    answer = client.post(USERS, headers=admin, json={**values, "permissions": ["media.manage"], "role": "staff"})
    assert answer.status_code == 201
    created = answer.json
    assert (created["username"], created["role"], created["groups"]) == ("Ase-Ny", "staff", ["Redaktører"])
    assert (created["user_permissions"], created["must_change_password"]) == (["media.manage"], False)
    mail.wait_until_sent()
    letter = sink.take()
    assert (letter["To"], letter["Subject"]) == ("Ase.Ny@example.com", "NXFS-kontoen din")
    reset = db.session.scalars(select(PasswordReset)).one()
    assert timedelta(days=6, hours=23) < reset.expires_at - clock.now() <= timedelta(days=7)
    body = {"token": token_in(letter), "password": NEW, "confirm_password": NEW}
    assert client.post("/api/auth/password/reset/confirm/", json=body).status_code == 200
    signed_in = client.post("/api/auth/token/", json={"email": "ase-ny", "password": NEW})
    assert signed_in.json["user"]["must_change_password"] is False
    [(action, changes)] = audited()
    assert action == "users.invited"
    assert changes["groups"] == [[], ["Redaktører"]]
    assert "user_registered" in told()


def test_second_invitation_with_the_same_name_gets_another_username(client, admin):
    names = [
        client.post(USERS, headers=admin, json={"email": f"kari@{domain}.example"}).json["username"]
        for domain in ("a", "b", "c")
    ]
    assert names == ["kari", "kari-2", "kari-3"]
    assert client.post(USERS, headers=admin, json={"email": "x@a.example"}).json["username"] == "user-x"


def test_account_with_a_password_has_to_choose_another_one_first(client, admin, sink):
    body = {"email": "ny@example.com", "password": NEW, "display_name": "Ny Person"}
    created = client.post(USERS, headers=admin, json=body)
    assert (created.status_code, created.json["must_change_password"]) == (201, True)
    assert created.json["display_name"] == "Ny Person"
    assert sink.is_empty
    signed_in = client.post("/api/auth/token/", json={"email": "ny@example.com", "password": NEW}).json
    assert signed_in["user"]["must_change_password"] is True
    assert [action for action, _ in audited()] == ["users.created"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "email"),
        ({"email": "x"}, "email"),
        ({"email": "ny@example.com", "password": "password1"}, "password"),
        ({"email": "ny@example.com", "role": "king"}, "role"),
        ({"email": "ny@example.com", "permissions": ["everything"]}, "permissions.0"),
        ({"email": "ny@example.com", "groups": ["nobody"]}, "groups"),
        ({"email": "ny@example.com", "groups": ["9999"]}, "groups"),
        ({"email": "ny@example.com", "is_superuser": True}, "is_superuser"),
        ({"email": "ny@example.com", "must_change_password": False}, "must_change_password"),
    ],
)
def test_bad_field_of_a_new_account_is_refused_by_its_name(client, admin, values, field):
    answer = client.post(USERS, headers=admin, json=values)
    assert code_of(answer) == (400, "VALIDATION_ERROR")
    assert list(answer.json["error"]["field_errors"]) == [field]
    assert audited() == []


def test_address_or_name_of_somebody_else_is_a_conflict(client, admin):
    user, other = create_user(), create_user()
    taken = client.post(USERS, headers=admin, json={"email": user.email.upper()})
    assert (taken.status_code, list(taken.json["error"]["field_errors"])) == (409, ["email"])
    taken = client.patch(url(other), headers=admin, json={"username": user.username.upper()})
    assert (taken.status_code, list(taken.json["error"]["field_errors"])) == (409, ["username"])


# Changing


def test_change_replaces_rights_and_leaves_an_entry_for_each_kind(client, admin):
    user = create_user()
    number = make_group("Redaktører", "blog.edit")
    body = {"role": "staff", "user_permissions": ["audit.view"], "groups": [str(number)], "first_name": "Åse"}
    changed = client.patch(url(user), headers=admin, json=body)
    assert changed.status_code == 200
    assert (changed.json["role"], changed.json["groups"]) == ("staff", ["Redaktører"])
    assert changed.json["version"] > user.version
    assert {"audit.view", "blog.edit"} <= set(changed.json["permissions"])
    assert audited() == [
        ("users.role_changed", {"role": ["user", "staff"]}),
        ("users.permissions_changed", {"groups": [[], ["Redaktører"]], "user_permissions": [[], ["audit.view"]]}),
        ("users.updated", {"first_name": ["", "Åse"]}),
    ]
    again = client.patch(url(user), headers=admin, json=body)
    # Nothing has changed, and the account was shown.
    assert (again.json["version"], len(audited())) == (changed.json["version"], 4)
    assert audited()[3] == ("users.viewed", None)
    emptied = client.put(url(user), headers=admin, json={"user_permissions": [], "groups": []})
    assert (emptied.json["groups"], emptied.json["user_permissions"], emptied.json["role"]) == ([], [], "staff")
    assert told() == ["user_updated", "user_updated"]


@pytest.mark.parametrize(
    ("role", "values", "expected"),
    [
        ("user", {"is_staff": True}, "staff"),
        ("user", {"is_superuser": True}, "admin"),
        ("user", {"is_superuser": True, "is_staff": True}, "admin"),
        ("staff", {"is_staff": False}, "user"),
        ("admin", {"is_superuser": False}, "staff"),
        ("admin", {"is_superuser": False, "is_staff": False}, "user"),
        ("admin", {"is_staff": True}, "admin"),
        ("staff", {"role": "user", "is_staff": False, "is_superuser": False}, "user"),
        ("user", {"role": "user", "is_staff": True}, "is_staff"),
        ("user", {"role": "staff", "is_superuser": True}, "is_superuser"),
        ("user", {"is_superuser": True, "is_staff": False}, "is_staff"),
        ("admin", {"is_staff": False}, "is_staff"),
    ],
)
def test_role_may_be_spelt_with_flags_that_do_not_contradict(client, admin, role, values, expected):
    user = create_user(role=role)
    answer = client.patch(url(user), headers=admin, json=values)
    if answer.status_code == 200:
        assert answer.json["role"] == reload(user).role == expected
    else:
        assert code_of(answer) == (400, "VALIDATION_ERROR")
        assert list(answer.json["error"]["field_errors"]) == [expected]
        assert reload(user).role == role


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_server_owned_field_is_refused_by_its_name(client, admin, method):
    user = create_user()
    for field in SERVER_OWNED:
        answer = client.open(url(user), method=method, headers=admin, json={field: 1})
        assert code_of(answer) == (400, "VALIDATION_ERROR"), field
        assert list(answer.json["error"]["field_errors"]) == [field]
    assert reload(user).version == user.version


def test_stale_version_is_refused(client, admin):
    user = create_user()
    seen = client.get(url(user), headers=admin).headers["ETag"]
    assert client.patch(url(user), headers={**admin, "If-Match": seen}, json={"first_name": "A"}).status_code == 200
    stale = client.patch(url(user), headers={**admin, "If-Match": seen}, json={"groups": []})
    assert code_of(stale) == (412, "PRECONDITION_FAILED")


def test_disabled_account_is_out_at_once_and_can_come_back(client, admin):
    user = create_user()
    headers = sign_in(client, user)
    assert client.get("/api/auth/me/", headers=headers).status_code == 200
    disabled = client.patch(url(user, "toggle-active"), headers=admin, json={"is_active": False})
    assert (disabled.status_code, disabled.json["is_active"]) == (200, False)
    assert code_of(client.get("/api/auth/me/", headers=headers)) == (401, "TOKEN_REVOKED")
    assert client.post("/api/auth/token/", json={"email": user.email, "password": PASSWORD}).status_code == 401
    assert client.patch(url(user), headers=admin, json={"is_active": True}).json["is_active"] is True
    assert client.post("/api/auth/token/", json={"email": user.email, "password": PASSWORD}).status_code == 200
    assert code_of(client.get("/api/auth/me/", headers=headers)) == (401, "TOKEN_REVOKED")
    assert audited() == [
        ("users.deactivated", {"is_active": [True, False]}),
        ("users.activated", {"is_active": [False, True]}),
    ]
    assert told() == ["user_deactivated", "sessions_ended", "user_activated"]


@pytest.mark.parametrize("value", ["false", 0, None])
def test_activity_is_a_boolean(client, admin, value):
    user = create_user()
    answer = client.patch(url(user, "toggle-active"), headers=admin, json={"is_active": value})
    assert code_of(answer) == (400, "VALIDATION_ERROR")


def test_delete_disables_and_keeps_the_name(client, admin):
    user = create_user()
    assert client.delete(url(user), headers=admin).status_code == 204
    assert (reload(user).is_active, reload(user).username) == (False, user.username)


# Sessions and lockout


def test_sessions_are_listed_and_ended(client, admin):
    user = create_user()
    grants = [open_session(user), open_session(user)]
    shown = client.get(url(user, "sessions"), headers=admin)
    assert (shown.json["count"], {each["is_current"] for each in shown.json["results"]}) == (2, {False})
    assert {"address", "user_agent", "last_used_at"} <= set(shown.json["results"][0])
    assert client.delete(url(user, "sessions"), headers=admin).json == {"ended_count": 2}
    assert client.get("/api/auth/me/", headers=bearer(grants[0].access)).status_code == 401
    assert client.get(url(user, "sessions"), headers=admin).json["count"] == 0
    assert [action for action, _ in audited()] == [
        "users.sessions_viewed",
        "users.sessions_ended",
        "users.sessions_viewed",
    ]


def test_unlock_lets_in_who_was_locked_out(client, admin):
    user = create_user()
    wrong = {"email": user.email, "password": "wrong password"}
    for _ in range(5):
        client.post("/api/auth/token/", json=wrong)
    right = {"email": user.email, "password": PASSWORD}
    assert client.post("/api/auth/token/", json=right).status_code == 429
    assert client.get(url(user), headers=admin).json["is_locked"] is True
    assert client.get(f"{USERS}?search={user.username}", headers=admin).json["results"][0]["is_locked"] is True
    assert client.post(url(user, "unlock"), headers=admin).json["is_locked"] is False
    assert client.post("/api/auth/token/", json=right).status_code == 200
    assert ("users.unlocked", {"networks": [1, 0]}) in audited()


def test_user_names_of_the_server_are_free_of_sql(client, admin):
    assert client.get(USERS, query_string={"search": "' OR 1=1 --"}, headers=admin).json["count"] == 0
    assert db.session.scalar(select(User.id).limit(1)) is not None


def test_what_was_answered_to_an_administrator_is_not_told_again_to_who_is_none_any_more(client):
    demoted = create_user(role="admin")
    headers = {**sign_in(client, demoted), "Idempotency-Key": "once"}
    body = {"email": "ny@example.com", "password": "gule-gummistøvler-39"}
    assert client.post("/api/admin/users/", json=body, headers=headers).status_code == 201
    users.update_user(actor=None, user_id=create_user(role="admin").id, values={})
    users.update_user(actor=None, user_id=demoted.id, values={"role": "user"})
    answer = client.post("/api/admin/users/", json=body, headers=headers)
    assert (answer.status_code, "ny@example.com" in answer.text) == (422, False)


@pytest.mark.parametrize("way", ["invite", "reset"])
def test_letter_that_cannot_be_sent_is_refused_before_anything_happens(app, client, admin, monkeypatch, way):
    monkeypatch.setitem(app.config, "NXFS_ENV", "production")
    user = create_user()
    path, body = (
        ("/api/admin/users/", {"email": "ny@example.com"}) if way == "invite" else (url(user, "reset-password"), {})
    )
    answer = client.post(path, json=body, headers=admin)
    assert (answer.status_code, audited()) == (422, [])
    assert reload(user).password_hash == user.password_hash


def test_unlocking_forgets_also_how_often_it_was_tried_in_the_last_minute(app, client, admin, monkeypatch):
    monkeypatch.setitem(app.extensions, EXTENSION, Limiter(quotas(login="2 per minute"), share=25))
    user = create_user()
    guess = {"email": user.email, "password": "wrong-password"}
    statuses = [client.post("/api/auth/token/", json=guess).status_code for _ in range(3)]
    assert statuses == [401, 401, 429]
    assert client.post(url(user, "unlock"), headers=admin).status_code == 200
    assert client.post("/api/auth/token/", json={**guess, "password": PASSWORD}).status_code == 200
