"""Projects: writing them, their tasks, their figures, their list, and who sees them."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user
from tests.tasks.person import Person

UNKNOWN_ID = 10**12
PROJECTS = "/api/tasks/projects/"


def test_create_project_in_json_returns_every_field(client: FlaskClient) -> None:
    kari = Person(client)
    body = {"name": "Cabin wiring", "name_nb": "Strøm på hytta", "description": "d", "description_nb": "b"}

    answer = kari.post(PROJECTS, json={**body, "status": "in_progress"})

    assert answer.status_code == 201
    created = answer.get_json()
    assert created == body | {
        "id": created["id"],
        "version": 1,
        "slug": "cabin-wiring",
        "user_id": kari.id,
        "status": "in_progress",
        "status_nb": "pågående",
        "completed": False,
        "completed_at": None,
        "tasks": [],
        "images": [],
        "created_at": created["created_at"],
        "updated_at": created["updated_at"],
    }
    assert kari.get(f"{PROJECTS}{created['id']}/").get_json() == created


def test_create_project_as_form_moves_tasks_into_it(client: FlaskClient) -> None:
    kari = Person(client)
    first, second = create_task(kari.user), create_task(kari.user, project=create_project(kari.user))

    form = {"name": "Cabin", "status": "completed", "tasks": [str(second), str(first)]}
    created = kari.post(PROJECTS, data=form, content_type="multipart/form-data").get_json()

    assert created["tasks"] == [first, second]
    assert (created["completed"], created["completed_at"] is not None) == (True, True)
    assert kari.get(f"/api/tasks/{second}/").get_json()["project"] == created["id"]


def test_create_project_with_hidden_tasks_is_refused_as_a_whole(client: FlaskClient) -> None:
    kari = Person(client)
    own, hidden = create_task(kari.user), create_task(create_user())

    answer = kari.post(PROJECTS, json={"name": "Cabin", "tasks": [own, hidden]})

    assert answer.status_code == 400
    assert list(answer.get_json()["error"]["field_errors"]) == ["tasks"]
    assert kari.ids(PROJECTS) == []
    assert kari.get(f"/api/tasks/{own}/").get_json()["project"] is None


@pytest.mark.parametrize("field", ["id", "user_id", "created_at", "completed_at", "version", "status_nb", "slug"])
def test_write_project_with_a_field_of_the_server_is_refused(client: FlaskClient, field: str) -> None:
    kari = Person(client)
    url = f"{PROJECTS}{create_project(kari.user)}/"

    answers = [
        kari.post(PROJECTS, json={"name": "After", field: 1}),
        kari.put(url, json={"name": "After", field: 1}),
        kari.patch(url, json={field: 1}),
    ]

    assert [list(answer.get_json()["error"]["field_errors"]) for answer in answers] == [[field]] * 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 201),
        ("name", None),
        ("name_nb", "x" * 201),
        ("description", "x" * 10_001),
        ("status", "done"),
        ("tasks", [UNKNOWN_ID]),
        ("tasks", list(range(1, 102))),
    ],
)
def test_create_project_with_a_wrong_value_names_the_field(client: FlaskClient, field: str, value: object) -> None:
    answer = Person(client).post(PROJECTS, json={"name": "Cabin", field: value})

    assert answer.status_code == 400
    assert list(answer.get_json()["error"]["field_errors"]) == [field]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Blåbærøya på Ås", "blabaeroya-pa-as"),
        ("日本", "project"),
        ("!!!", "project"),
        ("x" * 200, "x" * 100),
        ("Café", "cafe"),
    ],
)
def test_create_project_makes_a_slug(client: FlaskClient, name: str, slug: str) -> None:
    assert Person(client).post(PROJECTS, json={"name": name}).get_json()["slug"] == slug


def test_create_project_with_a_name_that_folds_to_more_letters_works(client: FlaskClient) -> None:
    kari = Person(client)
    name = "\ufdfa" * 200

    answer = kari.post(PROJECTS, json={"name": name})

    assert answer.status_code == 201
    assert kari.ids(project=name) == []


def test_put_project_replaces_fields_and_keeps_its_tasks(client: FlaskClient) -> None:
    kari = Person(client)
    project = create_project(kari.user, name="Old", description="d", done=True)
    task = create_task(kari.user, project=project)

    form = {"name": "New", "status_nb": ""}
    assert kari.put(f"{PROJECTS}{project}/", data=form, content_type="multipart/form-data").status_code == 400
    del form["status_nb"]
    replaced = kari.put(f"{PROJECTS}{project}/", data=form, content_type="multipart/form-data").get_json()

    assert (replaced["name"], replaced["slug"], replaced["description"]) == ("New", "new", "")
    assert (replaced["status"], replaced["completed_at"], replaced["version"]) == ("todo", None, 2)
    assert replaced["tasks"] == [task]


def test_patch_project_changes_only_what_is_given(client: FlaskClient) -> None:
    kari = Person(client)
    url = f"{PROJECTS}{create_project(kari.user, description='d')}/"
    before = kari.get(url).get_json()

    after = kari.patch(url, json={"status": "completed"}).get_json()

    changed = {"status": "completed", "status_nb": "fullført", "completed": True, "version": 2}
    moments = {name: after[name] for name in ("completed_at", "updated_at")}
    assert after == before | changed | moments
    assert kari.patch(url, json={"description": "d"}).get_json() == after


def test_delete_project_keeps_its_tasks_without_a_project(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user, members=(ola.user,))
    mine, theirs = create_task(kari.user, project=project), create_task(ola.user, project=project)
    seen = kari.get(f"/api/tasks/{mine}/").headers["ETag"]

    assert kari.delete(f"{PROJECTS}{project}/").status_code == 204

    assert kari.get(f"{PROJECTS}{project}/").status_code == 404
    left = kari.get(f"/api/tasks/{mine}/").get_json()
    assert (left["project"], left["version"]) == (None, 2)
    assert kari.patch(f"/api/tasks/{mine}/", json={"notes": "n"}, headers={"If-Match": seen}).status_code == 412
    assert kari.get(f"/api/tasks/{theirs}/").status_code == 404
    assert ola.get(f"/api/tasks/{theirs}/").get_json()["project"] is None


def test_add_task_moves_it_into_the_project(client: FlaskClient) -> None:
    kari = Person(client)
    old, new = create_project(kari.user), create_project(kari.user)
    task = create_task(kari.user, project=old)

    answer = kari.post(f"{PROJECTS}{new}/add-task/", json={"task_id": task})
    again = kari.post(f"{PROJECTS}{new}/add-task/", json={"task_id": task})

    assert (answer.status_code, answer.get_json()["tasks"]) == (200, [task])
    assert again.get_json() == answer.get_json()
    assert kari.get(f"{PROJECTS}{old}/").get_json()["tasks"] == []
    assert kari.get(f"/api/tasks/{task}/").get_json()["version"] == 2


def test_add_task_that_is_hidden_or_unknown_is_refused(client: FlaskClient) -> None:
    kari = Person(client)
    project, hidden = create_project(kari.user), create_task(create_user())

    for task_id in (hidden, UNKNOWN_ID):
        answer = kari.post(f"{PROJECTS}{project}/add-task/", json={"task_id": task_id})
        assert answer.status_code == 400
        assert list(answer.get_json()["error"]["field_errors"]) == ["task_id"]


def test_remove_task_leaves_it_without_a_project(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user, members=(ola.user,))
    task = create_task(kari.user, project=project)

    answer = ola.post(f"{PROJECTS}{project}/remove-task/", json={"task_id": task})

    assert (answer.status_code, answer.get_json()["tasks"]) == (200, [])
    assert kari.get(f"/api/tasks/{task}/").get_json()["project"] is None


def test_remove_task_of_another_project_is_refused(client: FlaskClient) -> None:
    kari = Person(client)
    project, other = create_project(kari.user), create_project(kari.user)
    elsewhere, nowhere = create_task(kari.user, project=other), create_task(kari.user)
    hidden = create_task(create_user())

    url = f"{PROJECTS}{project}/remove-task/"
    assert [kari.post(url, json={"task_id": task}).status_code for task in (elsewhere, nowhere)] == [422, 422]
    assert [kari.post(url, json={"task_id": task}).status_code for task in (hidden, UNKNOWN_ID)] == [400, 400]
    assert kari.get(f"/api/tasks/{elsewhere}/").get_json()["project"] == other


def test_duplicate_project_copies_it_with_open_tasks(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user, name="Cabin", done=True, description="d", members=(ola.user,))
    category = create_category(kari.user)
    create_task(kari.user, title="A", done=True, project=project, category=[category])
    create_task(ola.user, title="B", project=project)

    answer = ola.post(f"{PROJECTS}{project}/duplicate/")

    assert answer.status_code == 201
    copy = answer.get_json()
    assert (copy["name"], copy["user_id"], copy["status"], copy["description"]) == ("Cabin (copy)", ola.id, "todo", "d")
    copies = [ola.get(f"/api/tasks/{task}/").get_json() for task in copy["tasks"]]
    assert [(task["title"], task["status"], task["user_id"]) for task in copies] == [
        ("A", "todo", ola.id),
        ("B", "todo", ola.id),
    ]
    assert copies[0]["category"] == [category]
    assert kari.get(f"{PROJECTS}{copy['id']}/").status_code == 404
    assert len(kari.get(f"{PROJECTS}{project}/").get_json()["tasks"]) == 2


def test_duplicate_project_of_a_disabled_assignee_leaves_them_out(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user)
    create_task(kari.user, project=project, assignee_id=ola.id)
    ola.delete("/api/auth/me/")

    copy = kari.post(f"{PROJECTS}{project}/duplicate/").get_json()

    assert kari.get(f"/api/tasks/{copy['tasks'][0]}/").get_json()["assignee_id"] is None


def test_duplicate_project_that_is_too_large_is_refused(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nxfs.tasks.service.projects.MOST_DUPLICATED_TASKS", 1)
    kari = Person(client)
    project = create_project(kari.user)
    create_task(kari.user, project=project)
    assert kari.post(f"{PROJECTS}{project}/duplicate/").status_code == 201
    create_task(kari.user, project=project)

    answer = kari.post(f"{PROJECTS}{project}/duplicate/")

    assert answer.status_code == 422
    assert answer.get_json()["error"]["message"] == "A project with more than 1 tasks cannot be duplicated."


def test_show_statistics_counts_by_status(client: FlaskClient) -> None:
    kari = Person(client)
    project = create_project(kari.user)
    for status in ("todo", "in_progress", "completed"):
        create_task(kari.user, project=project, status=status)
    create_task(kari.user)

    assert kari.get(f"{PROJECTS}{project}/stats/").get_json() == {
        "total_tasks": 3,
        "completed_tasks": 1,
        "in_progress_tasks": 1,
        "todo_tasks": 1,
        "completion_percentage": 33.3,
    }
    empty = kari.get(f"{PROJECTS}{create_project(kari.user)}/stats/").get_json()
    assert (empty["total_tasks"], empty["completion_percentage"]) == (0, 0.0)


def test_list_projects_filters_by_each_parameter(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    todo = create_project(kari.user, name="Blåbær på Ås", description="two words")
    done = create_project(kari.user, name="alpha", done=True)
    shared = create_project(ola.user, name="Beta", status="in_progress", members=(kari.user,))
    create_project(ola.user, name="Hidden")
    create_task(kari.user, project=done)

    assert kari.ids(PROJECTS) == [shared, done, todo]
    assert kari.ids(PROJECTS, ordering="name") == [done, shared, todo]
    assert kari.ids(PROJECTS, ordering="-status") == [done, shared, todo]
    assert kari.ids(PROJECTS, ordering="created_at") == [todo, done, shared]
    assert kari.ids(PROJECTS, status="todo,completed", ordering="name") == [done, todo]
    assert kari.ids(PROJECTS, completed="true") == [done]
    assert kari.ids(PROJECTS, completed="false") == [shared, todo]
    assert kari.ids(PROJECTS, user_id=ola.id) == [shared]
    assert kari.ids(PROJECTS, has_tasks="true") == [done]
    assert kari.ids(PROJECTS, has_tasks="false", completed="false", user_id=kari.id) == [todo]
    assert kari.ids(PROJECTS, search="blåb ÅS") == [todo]
    assert kari.ids(PROJECTS, search="wor TWO") == [todo]
    assert kari.ids(PROJECTS, search="ords") == []
    assert kari.ids(PROJECTS, search="%") == []


def test_list_projects_with_a_wrong_parameter_names_it(client: FlaskClient) -> None:
    kari = Person(client)

    assert "todo, in_progress, completed" in kari.field_errors(PROJECTS, status="done")["status"][0]
    assert "-created_at" in kari.field_errors(PROJECTS, ordering="due_date")["ordering"][0]
    assert "has_tasks" in kari.field_errors(PROJECTS, has_task="true")["has_task"][0]
    assert list(kari.field_errors(PROJECTS, user_id="abc")) == ["user_id"]


def test_see_project_is_for_owner_member_and_admin(client: FlaskClient) -> None:
    owner, member = Person(client), Person(client)
    admin, staff, outsider = Person(client, role="admin"), Person(client, role="staff"), Person(client)
    project = create_project(owner.user, members=(member.user,))
    url = f"{PROJECTS}{project}/"

    for person in (owner, member, admin):
        assert person.get(url).status_code == 200
        assert person.ids(PROJECTS) == [project]
        assert person.patch(url, json={"description": person.user.username}).status_code == 200
        assert person.get(f"{url}stats/").status_code == 200
    for person in (outsider, staff):
        assert person.ids(PROJECTS) == []
        for answer in (
            person.get(url),
            person.get(f"{url}stats/"),
            person.get(f"{url}members/"),
            person.patch(url, json={"description": "mine"}),
            person.put(url, json={"name": "mine"}),
            person.post(f"{url}duplicate/"),
            person.post(f"{url}add-task/", json={"task_id": create_task(person.user)}),
            person.post(f"{url}remove-task/", json={"task_id": create_task(person.user)}),
            person.delete(url),
        ):
            assert answer.status_code == 404
            assert answer.get_json()["error"]["message"] == "This project does not exist."


def test_delete_project_by_a_member_is_forbidden(client: FlaskClient) -> None:
    owner, member, admin = Person(client), Person(client), Person(client, role="admin")
    project = create_project(owner.user, members=(member.user,))

    assert member.delete(f"{PROJECTS}{project}/").status_code == 403
    assert admin.delete(f"{PROJECTS}{project}/").status_code == 204
