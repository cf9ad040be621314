"""Members of projects: who they are, who chooses them, and what they gain and lose."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.factories.tasks import create_project, create_task
from tests.factories.users import create_user
from tests.tasks.person import Person

UNKNOWN_ID = 10**12


def members_url(project_id: int) -> str:
    """Return the address of the project's members."""
    return f"/api/tasks/projects/{project_id}/members/"


def test_add_member_lets_them_see_the_project_and_its_tasks(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client, username="ola", display_name="Ola Nordmann")
    project = create_project(kari.user)
    task = create_task(kari.user, project=project)
    assert ola.ids() == []

    answer = kari.post(members_url(project), json={"user_id": ola.id})

    assert answer.status_code == 201
    added = answer.get_json()
    assert added == {
        "user_id": ola.id,
        "username": "ola",
        "display_name": "Ola Nordmann",
        "role": "member",
        "added_at": added["added_at"],
    }
    assert ola.ids() == [task]
    assert ola.patch(f"/api/tasks/{task}/", json={"status": "in_progress"}).status_code == 200


def test_list_members_starts_with_the_owner(client: FlaskClient) -> None:
    kari, ola, per = Person(client), Person(client), Person(client)
    project = create_project(kari.user)
    create_project(per.user, members=(ola.user,))
    for member in (per, ola):
        kari.post(members_url(project), data={"user_id": str(member.id)}, content_type="multipart/form-data")

    page = ola.get(members_url(project)).get_json()

    assert page["count"] == 3
    people = [(person["user_id"], person["role"], person["added_at"] is None) for person in page["results"]]
    assert people == [(kari.id, "owner", True), (per.id, "member", False), (ola.id, "member", False)]
    second = ola.get(members_url(project), page=2, page_size=1).get_json()
    assert [person["user_id"] for person in second["results"]] == [per.id]


def test_add_member_twice_or_the_owner_conflicts(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user, members=(ola.user,))

    for user_id in (ola.id, kari.id):
        answer = kari.post(members_url(project), json={"user_id": user_id})
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "CONFLICT")
    assert kari.get(members_url(project)).get_json()["count"] == 2


def test_add_member_who_is_unknown_or_disabled_is_refused(client: FlaskClient) -> None:
    kari = Person(client)
    project, left = create_project(kari.user), create_user(is_active=False)

    for user_id in (UNKNOWN_ID, left.id):
        answer = kari.post(members_url(project), json={"user_id": user_id})
        assert answer.status_code == 400
        assert list(answer.get_json()["error"]["field_errors"]) == ["user_id"]


def test_choose_members_is_for_the_owner_and_admins(client: FlaskClient) -> None:
    owner, member, outsider, admin = Person(client), Person(client), Person(client), Person(client, role="admin")
    first, second = create_user(), create_user()
    project = create_project(owner.user, members=(member.user, first))

    assert member.post(members_url(project), json={"user_id": second.id}).status_code == 403
    assert member.delete(f"{members_url(project)}{first.id}/").status_code == 403
    assert outsider.post(members_url(project), json={"user_id": outsider.id}).status_code == 404
    assert outsider.delete(f"{members_url(project)}{outsider.id}/").status_code == 404
    assert admin.post(members_url(project), json={"user_id": second.id}).status_code == 201
    assert admin.delete(f"{members_url(project)}{first.id}/").status_code == 204


def test_remove_member_takes_the_view_away_at_once(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user, members=(ola.user,))
    shared = create_task(kari.user, project=project)
    assigned = create_task(kari.user, project=project, assignee_id=ola.id)
    own = create_task(ola.user, project=project)

    assert kari.delete(f"{members_url(project)}{ola.id}/").status_code == 204

    assert ola.get(f"/api/tasks/projects/{project}/").status_code == 404
    assert ola.get(f"/api/tasks/{shared}/").status_code == 404
    assert ola.ids(ordering="created_at") == [assigned, own]
    assert kari.delete(f"{members_url(project)}{ola.id}/").status_code == 404


def test_leave_project_by_a_member_works_and_by_the_owner_does_not(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user, members=(ola.user,))

    assert ola.delete(f"{members_url(project)}{ola.id}/").status_code == 204
    assert kari.delete(f"{members_url(project)}{kari.id}/").status_code == 404
    assert ola.ids("/api/tasks/projects/") == []


def test_edit_task_of_a_project_no_longer_seen_keeps_the_project(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user)
    task = create_task(kari.user, project=project, assignee_id=ola.id)

    kept = ola.put(f"/api/tasks/{task}/", json={"title": "Same", "project": project, "assignee_id": ola.id})

    assert (kept.status_code, kept.get_json()["project"]) == (200, project)
    assert ola.post("/api/tasks/", json={"title": "New", "project": project}).status_code == 400
