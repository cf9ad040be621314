"""Who manages users without being an administrator gains nothing by groups, and touches nobody above."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from nxfs.auth.models import Group, GroupMember, GroupPermission
from nxfs.auth.service import accounts
from nxfs.core.audit import AuditEntry
from nxfs.extensions import db
from tests.factories.groups import create_group
from tests.factories.users import create_user
from tests.tasks.person import Person

GROUPS = "/api/admin/groups/"
NOT_YOURS = "You can only give and take rights that you have yourself."
ABOVE = "This account has more rights than yours."


@pytest.fixture
def manager(client):
    """A user who manages users and edits the blog, and may nothing else."""
    person = Person(client)
    for permission in ("users.manage", "blog.edit"):
        accounts.grant_permission(name=person.user.email, permission=permission)
    return person


def stored():
    db.session.rollback()
    tables = (
        select(Group.id, Group.name, Group.version),
        select(GroupMember.group_id, GroupMember.user_id),
        select(GroupPermission.group_id, GroupPermission.permission),
        select(AuditEntry.id),
    )
    return [{tuple(row) for row in db.session.execute(table)} for table in tables]


def assert_refused(response, sentence):
    assert (response.status_code, response.json["error"]["message"]) == (403, sentence)


def test_nobody_makes_a_group_with_permissions_that_they_do_not_have(manager):
    before = stored()
    response = manager.post(GROUPS, json={"name": "Mine", "permissions": ["blog.edit", "audit.view"]})
    assert_refused(response, NOT_YOURS)
    assert stored() == before
    assert manager.post(GROUPS, json={"name": "Mine", "permissions": ["blog.edit"]}).status_code == 201


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_nobody_adds_permissions_to_their_own_group_that_they_do_not_have(manager, method):
    group_id = create_group("Editors", permissions=["blog.edit"], members=[manager.id])
    before = stored()
    values = {"name": "Editors", "permissions": ["blog.edit", "media.manage"]}
    response = manager.send(method, f"{GROUPS}{group_id}/", json=values)
    assert_refused(response, NOT_YOURS)
    assert stored() == before


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("PUT", "", {"name": "Weak"}),
        ("PATCH", "", {"name": "Weak"}),
        ("PATCH", "", {"permissions": []}),
        ("DELETE", "", None),
        ("POST", "members/", {"user_ids": ["self"]}),
        ("DELETE", "members/", {"user_ids": ["other"]}),
    ],
)
def test_a_group_with_more_than_ones_own_permissions_is_only_read(manager, method, path, sent):
    other = create_user()
    group_id = create_group("Mighty", permissions=["blog.edit", "audit.view"], members=[other.id])
    before = stored()
    if sent and "user_ids" in sent:
        sent = {"user_ids": [manager.id if sent["user_ids"] == ["self"] else other.id]}
    response = manager.send(method, f"{GROUPS}{group_id}/{path}", json=sent)
    assert_refused(response, NOT_YOURS)
    assert stored() == before
    assert manager.get(f"{GROUPS}{group_id}/").json["member_count"] == 1


@pytest.mark.parametrize("role", ["user", "staff", "admin"])
def test_membership_of_somebody_above_is_left_alone(manager, role):
    above, peer = create_user(role=role), create_user()
    if role == "user":
        accounts.grant_permission(name=above.email, permission="audit.view")
    group_id = create_group("Editors", permissions=["blog.edit"], members=[above.id])
    sentence = ABOVE
    failed = {"updated_count": 1, "failed_updates": [{"id": above.id, "error": sentence}]}
    for method in ("POST", "DELETE"):
        both = {"user_ids": [above.id, peer.id]}
        assert manager.send(method, f"{GROUPS}{group_id}/members/", json=both).json == failed
    before = stored()
    assert_refused(manager.delete(f"{GROUPS}{group_id}/"), sentence)
    assert_refused(manager.patch(f"{GROUPS}{group_id}/", json={"permissions": []}), sentence)
    assert stored() == before
    assert manager.patch(f"{GROUPS}{group_id}/", json={"name": "Correctors"}).status_code == 200


def test_staff_without_the_permission_are_refused_whether_or_not_the_group_exists(client):
    staff = Person(client, role="staff")
    for group_id in (create_group("Editors"), 10**9):
        for method in ("GET", "PATCH", "DELETE"):
            response = staff.send(method, f"{GROUPS}{group_id}/", json={"name": "A"} if method == "PATCH" else None)
            assert response.status_code == 403
        assert staff.get(f"{GROUPS}{group_id}/members/").status_code == 403


def test_manager_by_group_loses_it_with_the_group(manager, client):
    by_group = Person(client)
    group_id = create_group("Managers", permissions=["users.manage"], members=[by_group.id])
    assert by_group.get(GROUPS).status_code == 200
    assert manager.delete(f"{GROUPS}{group_id}/").status_code == 204
    assert by_group.get(GROUPS).status_code == 403
