"""The closed set of permissions, as administrators read it."""

from __future__ import annotations

from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.service import accounts
from tests.tasks.person import Person

URL = "/api/admin/permissions/"


def test_all_permissions_are_listed_in_the_language_of_the_user_with_their_roles(client):
    admin = Person(client, role="admin", language="no")
    response = admin.get(URL)
    assert response.headers["X-DB-Queries"] == "1"
    assert (response.json["count"], [each["name"] for each in response.json["results"]]) == (
        len(PERMISSIONS),
        sorted(PERMISSIONS),
    )
    by_name = {each["name"]: each for each in response.json["results"]}
    assert by_name["media.manage"] == {
        "name": "media.manage",
        "description": "Se og forvalte filene til alle brukere.",
        "roles": ["staff", "admin"],
        "may_grant": True,
    }
    assert by_name["users.manage"]["roles"] == ["admin"]
    english = Person(client, role="admin").get(URL).json["results"]
    assert english[0]["description"] == PERMISSIONS[english[0]["name"]].en


def test_pages_hold_together_all_permissions_and_there_is_none_behind_the_last(client):
    admin = Person(client, role="admin")
    pages = [admin.get(URL, page=page, page_size=4).json["results"] for page in (1, 2)]
    assert [each["name"] for page in pages for each in page] == sorted(PERMISSIONS)[:8]
    assert admin.get(URL, page=50, page_size=4).status_code == 404


def test_only_ones_own_permissions_may_be_granted_and_nobody_else_reads_the_list(client):
    manager = Person(client)
    assert manager.get(URL).status_code == 403
    accounts.grant_permission(name=manager.user.email, permission="users.manage")
    listed = manager.get(URL).json["results"]
    assert [each["name"] for each in listed if each["may_grant"]] == ["users.manage"]
