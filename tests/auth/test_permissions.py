"""Permissions: what roles have, what is granted besides, and how soon that counts."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import delete, select

from nxfs.auth.errors import UnknownPermissionError, UserNotFoundError
from nxfs.auth.models import Group, GroupMember, GroupPermission, UserPermission
from nxfs.auth.permissions import OF_ROLES, PERMISSIONS, permissions_of
from nxfs.auth.queries import actor_of
from nxfs.auth.service import accounts, authentication
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db
from tests.factories.users import bearer, create_user, open_session, sign_in

ME = "/api/auth/me/"


def rows():
    db.session.rollback()
    found = {tuple(row) for row in db.session.execute(select(UserPermission.user_id, UserPermission.permission))}
    db.session.rollback()
    return found


def test_every_permission_has_a_sentence_in_both_languages():
    assert all(text.en.endswith(".") and text.nb.endswith(".") for text in PERMISSIONS.values())
    assert set().union(*OF_ROLES.values()) <= set(PERMISSIONS)


def test_permissions_of_takes_only_known_ones():
    assert permissions_of("user", ["blog.publish", "sudo", ""]) == {"blog.publish"}
    assert permissions_of("admin") == set(PERMISSIONS)


def test_staff_manage_no_accounts_and_read_no_audit_log_unless_it_is_granted():
    assert permissions_of("staff") == set(PERMISSIONS) - {"users.manage", "audit.view", "analytics.view"}


@pytest.mark.parametrize(
    ("role", "expected"), [("user", []), ("staff", sorted(OF_ROLES["staff"])), ("admin", sorted(PERMISSIONS))]
)
def test_me_shows_the_permissions_of_the_role(client, role, expected):
    assert client.get(ME, headers=sign_in(client, create_user(role=role))).json["permissions"] == expected


def test_grant_counts_at_once_in_this_process_and_so_does_revoking(client):
    user = create_user()
    access = open_session(user).access
    assert authentication.authenticate(access).permissions == frozenset()
    for name, permission in ((user.email.upper(), "media.manage"), (user.username, "blog.publish")):
        accounts.grant_permission(name=name, permission=permission)
    assert authentication.authenticate(access).permissions == {"blog.publish", "media.manage"}
    response = client.get(ME, headers=bearer(access))
    assert response.json["permissions"] == ["blog.publish", "media.manage"]
    assert response.headers["X-DB-Queries"] == "1"
    assert actor_of(user).permissions == {"blog.publish", "media.manage"}
    accounts.revoke_permission(name=user.email, permission="media.manage")
    assert authentication.authenticate(access).permissions == {"blog.publish"}
    assert rows() == {(user.id, "blog.publish")}


def test_permissions_of_ones_groups_are_ones_own(client):
    user = create_user()
    group = Group(name="Editors", name_key="editors")
    db.session.add(group)
    db.session.flush()
    db.session.add(GroupMember(group_id=group.id, user_id=user.id))
    db.session.add(GroupPermission(group_id=group.id, permission="blog.edit"))
    db.session.commit()
    accounts.grant_permission(name=user.email, permission="blog.publish")
    assert client.get(ME, headers=sign_in(client, user)).json["permissions"] == ["blog.edit", "blog.publish"]
    assert actor_of(user).permissions == {"blog.edit", "blog.publish"}


@pytest.mark.parametrize("is_granted", [True, False])
def test_grant_of_another_process_counts_within_a_second(app, is_granted):
    user = create_user()
    if not is_granted:
        accounts.grant_permission(name=user.email, permission="blog.edit")
    access = open_session(user).access
    assert authentication.authenticate(access).permissions == (frozenset() if is_granted else {"blog.edit"})
    if is_granted:
        db.session.add(UserPermission(user_id=user.id, permission="blog.edit"))
    else:
        db.session.execute(delete(UserPermission))
    db.session.commit()
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if authentication.authenticate(access).permissions == ({"blog.edit"} if is_granted else frozenset()):
            return
        db.session.rollback()
        time.sleep(0.01)
    pytest.fail("not noticed within a second")


def test_grant_and_revoke_are_logged_once(app):
    user = create_user()
    for _ in range(2):
        accounts.grant_permission(name=user.email, permission="blog.edit")
    for _ in range(2):
        accounts.revoke_permission(name=user.email, permission="blog.edit")
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.action, entry.target_id, entry.actor_id, entry.changes) for entry in entries] == [
        ("auth.permission_granted", user.id, None, {"permission": [None, "blog.edit"]}),
        ("auth.permission_revoked", user.id, None, {"permission": ["blog.edit", None]}),
    ]
    events = db.session.scalars(select(EventRecord).order_by(EventRecord.id)).all()
    assert [event.type for event in events] == ["permission_granted", "permission_revoked"]
    assert events[0].payload == {"user_id": user.id, "permission": "blog.edit"}
    assert {tuple(event.audience) for event in events} == {(f"user:{user.id}",)}


@pytest.mark.parametrize("change", [accounts.grant_permission, accounts.revoke_permission])
def test_unknown_user_or_permission_is_refused(app, change):
    user = create_user()
    with pytest.raises(UserNotFoundError):
        change(name="nobody@example.com", permission="blog.edit")
    with pytest.raises(UnknownPermissionError):
        change(name=user.email, permission="blog.Edit")
    assert (rows(), db.session.scalar(select(AuditEntry.id))) == (set(), None)


def test_revoke_leaves_what_comes_with_the_role_and_what_others_have(client):
    staff, other = create_user(role="staff"), create_user()
    for user in (staff, other):
        accounts.grant_permission(name=user.email, permission="blog.edit")
    accounts.revoke_permission(name=staff.email, permission="blog.edit")
    assert client.get(ME, headers=sign_in(client, staff)).json["permissions"] == sorted(OF_ROLES["staff"])
    assert rows() == {(other.id, "blog.edit")}


def test_permissions_cannot_be_written_by_their_owner(client):
    response = client.patch(ME, json={"permissions": ["blog.edit"]}, headers=sign_in(client, create_user()))
    assert (response.status_code, list(response.json["error"]["field_errors"])) == (400, ["permissions"])
