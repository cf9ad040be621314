"""Changes of groups at the same time."""

from __future__ import annotations

from sqlalchemy import select

from nxfs.admin.service import groups
from nxfs.auth.models import GroupMember, GroupPermission
from nxfs.auth.service import accounts
from nxfs.extensions import db
from tests.factories.groups import create_group
from tests.factories.users import create_user
from tests.tasks.person import Person
from tests.tasks.racing import Pause, run_together


def test_users_and_groups_that_are_changed_together_do_not_wait_for_each_other_in_a_circle(app, engine_name):
    admins = [Person(app.test_client(), role="admin") for _ in range(4)]
    people = [create_user().id for _ in range(4)]
    names = ["First", "Second"]
    group_ids = [create_group(name, permissions=["blog.edit"], members=people[:2]) for name in names]
    orders = [people, people[::-1]]

    def of_groups(number):
        order = orders[number % 2]
        path = f"/api/admin/groups/{group_ids[number % 2]}/"
        statuses = []
        for turn in range(3):
            method = ("POST", "DELETE")[turn % 2]
            statuses.append(admins[number].send(method, f"{path}members/", json={"user_ids": order}).status_code)
            permissions = [["blog.edit"], ["media.manage"]][turn % 2]
            statuses.append(admins[number].patch(path, json={"permissions": permissions}).status_code)
        return statuses

    def of_users(number):
        order = orders[number % 2]
        return [
            admins[number].patch(f"/api/admin/users/{user_id}/", json={"groups": chosen}).status_code
            for user_id in order
            for chosen in (names, [], names[::-1])
        ]

    actions = [lambda: of_groups(0), lambda: of_groups(1), lambda: of_users(2), lambda: of_users(3)]
    answered = [status for statuses in run_together(engine_name, actions) for status in statuses]
    # 409: somebody else has made the same row.
    assert set(answered) <= {200, 409}, answered


def test_who_loses_the_right_while_asking_changes_nothing(app, client, engine_name, monkeypatch):
    manager = Person(client)
    accounts.grant_permission(name=manager.user.email, permission="users.manage")
    group_id = create_group("Managers", permissions=["users.manage"])
    pause = Pause(monkeypatch, engine_name, groups, "_require_known")
    taken = lambda: accounts.revoke_permission(name=manager.user.email, permission="users.manage")  # noqa: E731
    answer = pause.run_into(
        engine_name,
        lambda: manager.patch(f"/api/admin/groups/{group_id}/", json={"permissions": []}).status_code,
        lambda: with_context(app, taken),
    )[0]
    assert answer == 403
    db.session.rollback()
    assert db.session.scalars(select(GroupPermission.permission)).all() == ["users.manage"]
    assert db.session.scalars(select(GroupMember.user_id)).all() == []


def with_context(app, action):
    """Run ``action`` with an application context of its own."""
    with app.app_context():
        action()
    return True
