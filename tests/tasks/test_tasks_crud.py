"""Creating, reading, changing, duplicating and deleting one task, and who may."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from flask.testing import FlaskClient

from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user
from tests.tasks.person import Person

UNKNOWN_ID = 10**12


def test_create_task_in_json_returns_every_field(client: FlaskClient) -> None:
    kari = Person(client)
    project, category = create_project(kari.user), create_category(kari.user)
    body = {
        "title": "Order cable",
        "title_nb": "Bestill kabel",
        "description": "50 m\nPFXP",
        "description_nb": "50 m",
        "notes": "Ask Ola",
        "status": "in_progress",
        "priority": "high",
        "due_date": "2026-02-14",
        "estimated_time": 1.5,
        "category": [category],
        "project": project,
        "assignee_id": kari.id,
    }

    answer = kari.post("/api/tasks/", json=body)

    assert answer.status_code == 201
    created = answer.get_json()
    assert created == body | {
        "id": created["id"],
        "version": 1,
        "user_id": kari.id,
        "status_nb": "pågående",
        "completed": False,
        "completed_at": None,
        "images": [],
        "created_at": created["created_at"],
        "updated_at": created["updated_at"],
    }
    assert created["created_at"].endswith("Z")
    assert kari.get(f"/api/tasks/{created['id']}/").get_json() == created


def test_create_task_with_only_a_title_takes_defaults(client: FlaskClient) -> None:
    created = Person(client).post("/api/tasks/", json={"title": "  Buy   milk "}).get_json()

    assert created["title"] == "Buy milk"
    assert (created["status"], created["priority"]) == ("todo", "medium")
    assert (created["description"], created["notes"], created["title_nb"]) == ("", "", "")
    assert (created["due_date"], created["estimated_time"], created["project"], created["assignee_id"]) == (None,) * 4
    assert created["category"] == []


def test_create_task_as_form_reads_texts_like_json(client: FlaskClient) -> None:
    kari = Person(client)
    project, first, second = create_project(kari.user), create_category(kari.user), create_category(kari.user)
    form = {
        "title": "Order cable",
        "status": "todo",
        "priority": "low",
        "due_date": "2026-02-14",
        "estimated_time": "1.5",
        "category": [str(second), str(first)],
        "project": str(project),
    }

    created = kari.post("/api/tasks/", data=form, content_type="multipart/form-data").get_json()

    assert created["category"] == [first, second]
    assert (created["project"], created["estimated_time"], created["due_date"]) == (project, 1.5, "2026-02-14")


def test_create_task_as_form_without_optional_fields_takes_defaults(client: FlaskClient) -> None:
    form = {"title": "Order cable", "due_date": "", "estimated_time": "", "project": "", "description": ""}

    answer = Person(client).post("/api/tasks/", data=form, content_type="multipart/form-data")

    assert answer.status_code == 201
    assert (answer.get_json()["due_date"], answer.get_json()["project"]) == (None, None)


@pytest.mark.parametrize(
    "field", ["id", "user_id", "created_at", "updated_at", "completed_at", "version", "status_nb", "images", "nonsense"]
)
def test_write_task_with_a_field_of_the_server_is_refused(client: FlaskClient, field: str) -> None:
    kari = Person(client)
    task = create_task(kari.user, title="Before")

    answers = [
        kari.post("/api/tasks/", json={"title": "After", field: 1}),
        kari.put(f"/api/tasks/{task}/", json={"title": "After", field: 1}),
        kari.patch(f"/api/tasks/{task}/", json={"title": "After", field: 1}),
        kari.post("/api/tasks/", data={"title": "After", field: "1"}, content_type="multipart/form-data"),
    ]

    assert [answer.status_code for answer in answers] == [400] * 4
    assert all(answer.get_json()["error"]["field_errors"] == {field: ["Unknown field."]} for answer in answers)
    assert kari.get(f"/api/tasks/{task}/").get_json()["title"] == "Before"
    assert kari.ids() == [task]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "   "),
        ("title", "x" * 201),
        ("title", None),
        ("title_nb", "x" * 201),
        ("description", "x" * 10_001),
        ("notes", "x" * 10_001),
        ("status", "done"),
        ("status", None),
        ("priority", "urgent"),
        ("priority", 1),
        ("due_date", "14.02.2026"),
        ("due_date", "2026-02-30"),
        ("due_date", "2026-02-14T00:00:00Z"),
        ("due_date", ""),
        ("estimated_time", -1),
        ("estimated_time", 10_000),
        ("estimated_time", "1.5"),
        ("category", 7),
        ("category", None),
        ("category", [UNKNOWN_ID]),
        ("category", list(range(1, 52))),
        ("project", UNKNOWN_ID),
        ("project", 0),
        ("project", "web"),
        ("assignee_id", UNKNOWN_ID),
        ("completed", "yes"),
    ],
)
def test_create_task_with_a_wrong_value_names_the_field(client: FlaskClient, field: str, value: object) -> None:
    kari = Person(client)

    answer = kari.post("/api/tasks/", json={"title": "Order cable", field: value})

    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "VALIDATION_ERROR"
    assert {path.partition(".")[0] for path in answer.get_json()["error"]["field_errors"]} == {field}
    assert kari.ids() == []


def test_create_task_without_title_names_it_in_the_users_language(client: FlaskClient) -> None:
    error = Person(client, language="no").post("/api/tasks/", json={}).get_json()["error"]

    assert error["message"] == "Kontroller feltene som er markert."
    assert error["field_errors"] == {"title": ["Feltet må fylles ut."]}


def test_create_task_in_a_project_of_others_is_refused(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    hidden = create_project(ola.user)

    answer = kari.post("/api/tasks/", json={"title": "Spy", "project": hidden})

    assert answer.status_code == 400
    assert list(answer.get_json()["error"]["field_errors"]) == ["project"]


def test_create_task_for_a_disabled_user_is_refused(client: FlaskClient) -> None:
    left = create_user(is_active=False)

    answer = Person(client).post("/api/tasks/", json={"title": "Hand over", "assignee_id": left.id})

    assert list(answer.get_json()["error"]["field_errors"]) == ["assignee_id"]


def test_put_task_replaces_every_field(client: FlaskClient) -> None:
    kari = Person(client)
    project, category = create_project(kari.user), create_category(kari.user)
    old = {"title": "Old", "notes": "n", "priority": "high", "assignee_id": kari.id}
    task = create_task(kari.user, done=True, project=project, category=[category], **old)

    replaced = kari.put(f"/api/tasks/{task}/", json={"title": "New"}).get_json()

    assert (replaced["title"], replaced["notes"], replaced["priority"]) == ("New", "", "medium")
    assert (replaced["project"], replaced["category"], replaced["assignee_id"]) == (None, [], None)
    assert (replaced["status"], replaced["completed"], replaced["completed_at"]) == ("todo", False, None)
    assert replaced["version"] == 2


def test_put_task_as_form_clears_what_is_absent(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user, overdue=True, category=[create_category(kari.user)])

    form = {"title": "New", "status": "todo", "priority": "low"}
    replaced = kari.put(f"/api/tasks/{task}/", data=form, content_type="multipart/form-data").get_json()

    assert (replaced["due_date"], replaced["category"]) == (None, [])


def test_put_task_without_title_is_refused(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user)

    assert kari.put(f"/api/tasks/{task}/", json={"notes": "n"}).status_code == 400


def test_patch_task_changes_only_what_is_given(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user, title="Old", notes="n", priority="high", category=[create_category(kari.user)])
    before = kari.get(f"/api/tasks/{task}/").get_json()

    after = kari.patch(f"/api/tasks/{task}/", json={"title": "New"}).get_json()

    assert after == before | {"title": "New", "version": 2, "updated_at": after["updated_at"]}
    assert after["updated_at"] > before["updated_at"]


def test_patch_task_with_null_clears_optional_fields(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(
        kari.user, overdue=True, estimated_time=2.0, project=create_project(kari.user), assignee_id=kari.id
    )
    nothing = {"due_date": None, "estimated_time": None, "project": None, "assignee_id": None}

    after = kari.patch(f"/api/tasks/{task}/", json=nothing).get_json()

    assert {field: after[field] for field in nothing} == nothing


@pytest.mark.parametrize("body", [{}, {"title": "Same"}, {"status": "todo", "completed": False}])
def test_patch_task_with_what_holds_already_writes_nothing(client: FlaskClient, body: dict[str, object]) -> None:
    kari = Person(client)
    task = create_task(kari.user, title="Same")
    before = kari.get(f"/api/tasks/{task}/").get_json()

    answer = kari.patch(f"/api/tasks/{task}/", json=body)

    assert answer.status_code == 200
    assert answer.get_json() == before


def test_patch_task_as_form_works(client: FlaskClient) -> None:
    kari = Person(client)
    task, category = create_task(kari.user), create_category(kari.user)

    form = {"completed": "true", "category": str(category)}
    after = kari.patch(f"/api/tasks/{task}/", data=form, content_type="multipart/form-data").get_json()

    assert (after["status"], after["category"]) == ("completed", [category])


@pytest.mark.parametrize(
    ("before", "body", "after"),
    [
        ("todo", {"status": "completed"}, "completed"),
        ("todo", {"completed": True}, "completed"),
        ("in_progress", {"completed": True}, "completed"),
        ("completed", {"completed": False}, "todo"),
        ("completed", {"status": "in_progress"}, "in_progress"),
        ("completed", {"status": "in_progress", "completed": False}, "in_progress"),
        ("in_progress", {"completed": False}, "in_progress"),
        ("completed", {"completed": True, "status": "completed"}, "completed"),
    ],
)
@pytest.mark.parametrize("kind", ["tasks", "projects"])
def test_patch_status_keeps_completed_in_step(
    client: FlaskClient, kind: str, before: str, body: dict[str, object], after: str
) -> None:
    kari = Person(client)
    create, prefix = (create_task, "/api/tasks") if kind == "tasks" else (create_project, "/api/tasks/projects")
    url = f"{prefix}/{create(kari.user, status=before)}/"

    changed = kari.patch(url, json=body).get_json()

    assert changed["status"] == after
    assert changed["completed"] is (after == "completed")
    assert (changed["completed_at"] is not None) is (after == "completed")
    assert changed["status_nb"] == {"todo": "å gjøre", "in_progress": "pågående", "completed": "fullført"}[after]


@pytest.mark.parametrize("body", [{"status": "todo", "completed": True}, {"status": "completed", "completed": False}])
def test_write_status_against_completed_is_refused(client: FlaskClient, body: dict[str, object]) -> None:
    kari = Person(client)
    task = create_task(kari.user)

    patched = kari.patch(f"/api/tasks/{task}/", json=body)
    created = kari.post("/api/tasks/", json={"title": "Order cable", **body})

    assert [patched.status_code, created.status_code] == [400, 400]
    assert list(patched.get_json()["error"]["field_errors"]) == ["completed"]


def test_complete_task_again_keeps_the_time_of_completion(client: FlaskClient) -> None:
    with time_machine.travel(datetime(2026, 1, 31, 12, tzinfo=UTC), tick=False) as clock:
        kari = Person(client)
        task = create_task(kari.user, done=True)
        clock.shift(60)
        again = kari.patch(f"/api/tasks/{task}/", json={"status": "completed", "notes": "n"}).get_json()
        clock.shift(60)
        kari.patch(f"/api/tasks/{task}/", json={"status": "todo"})
        later = kari.patch(f"/api/tasks/{task}/", json={"status": "completed"}).get_json()

    assert again["completed_at"] == "2026-01-31T12:00:00Z"
    assert again["updated_at"] == "2026-01-31T12:01:00Z"
    assert later["completed_at"] == "2026-01-31T12:02:00Z"


def test_delete_task_removes_it(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user, category=[create_category(kari.user)])

    answer = kari.delete(f"/api/tasks/{task}/")

    assert (answer.status_code, answer.data) == (204, b"")
    assert kari.get(f"/api/tasks/{task}/").status_code == 404
    assert kari.delete(f"/api/tasks/{task}/").status_code == 404


def test_duplicate_task_is_an_open_copy_of_the_actor(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client, language="no")
    category = create_category(kari.user)
    task = create_task(kari.user, title="Order cable", done=True, assignee_id=ola.id, category=[category], notes="n")

    answer = ola.post(f"/api/tasks/{task}/duplicate/")

    assert answer.status_code == 201
    copy = answer.get_json()
    assert (copy["title"], copy["user_id"], copy["assignee_id"]) == ("Order cable (kopi)", ola.id, ola.id)
    assert (copy["status"], copy["completed_at"], copy["category"], copy["notes"]) == ("todo", None, [category], "n")
    assert kari.get(f"/api/tasks/{copy['id']}/").status_code == 404


def test_duplicate_task_with_the_longest_title_fits(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user, title="x" * 200)

    assert kari.post(f"/api/tasks/{task}/duplicate/").get_json()["title"] == "x" * 193 + " (copy)"


def test_duplicate_task_of_a_hidden_project_leaves_the_project_out(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    task = create_task(kari.user, project=create_project(kari.user), assignee_id=ola.id)

    assert ola.post(f"/api/tasks/{task}/duplicate/").get_json()["project"] is None


def test_duplicate_task_of_a_disabled_assignee_leaves_them_out(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    task = create_task(kari.user, assignee_id=ola.id)
    assert ola.delete("/api/auth/me/").status_code == 204

    answer = kari.post(f"/api/tasks/{task}/duplicate/")

    assert (answer.status_code, answer.get_json()["assignee_id"]) == (201, None)


def test_see_task_is_for_owner_assignee_project_and_admin(client: FlaskClient) -> None:
    owner, assignee, member, boss = Person(client), Person(client), Person(client), Person(client)
    admin, staff, outsider = Person(client, role="admin"), Person(client, role="staff"), Person(client)
    project = create_project(boss.user, members=(member.user, owner.user))
    task = create_task(owner.user, project=project, assignee_id=assignee.id)

    for person in (owner, assignee, member, boss, admin):
        assert person.get(f"/api/tasks/{task}/").status_code == 200
        assert person.ids() == [task]
        assert person.patch(f"/api/tasks/{task}/", json={"notes": person.user.username}).status_code == 200
    for person in (outsider, staff):
        assert person.ids() == []
        for answer in (
            person.get(f"/api/tasks/{task}/"),
            person.patch(f"/api/tasks/{task}/", json={"notes": "mine"}),
            person.put(f"/api/tasks/{task}/", json={"title": "mine"}),
            person.post(f"/api/tasks/{task}/duplicate/"),
            person.delete(f"/api/tasks/{task}/"),
        ):
            assert answer.status_code == 404
            assert answer.get_json()["error"]["message"] == "This task does not exist."
    assert admin.get(f"/api/tasks/{task}/").get_json()["notes"] == admin.user.username


def test_delete_task_by_its_assignee_is_forbidden(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    task = create_task(kari.user, assignee_id=ola.id)

    answer = ola.delete(f"/api/tasks/{task}/")

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "PERMISSION_DENIED")
    assert kari.get(f"/api/tasks/{task}/").status_code == 200


@pytest.mark.parametrize("role", ["member", "boss", "admin"])
def test_delete_task_by_its_project_or_an_admin_works(client: FlaskClient, role: str) -> None:
    people = {"owner": Person(client), "member": Person(client), "boss": Person(client)}
    people["admin"] = Person(client, role="admin")
    project = create_project(people["boss"].user, members=(people["member"].user, people["owner"].user))
    task = create_task(people["owner"].user, project=project)

    assert people[role].delete(f"/api/tasks/{task}/").status_code == 204


def test_give_task_away_answers_with_it_although_it_is_gone_from_view(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    assigned = create_task(kari.user, assignee_id=ola.id)
    shared = create_task(kari.user, project=create_project(kari.user, members=(ola.user,)))

    unassigned = ola.patch(f"/api/tasks/{assigned}/", json={"assignee_id": None})
    removed = ola.patch(f"/api/tasks/{shared}/", json={"project": None})

    assert (unassigned.status_code, unassigned.get_json()["assignee_id"]) == (200, None)
    assert (removed.status_code, removed.get_json()["project"]) == (200, None)
    assert ola.ids() == []
    assert kari.get(f"/api/tasks/{shared}/").get_json()["project"] is None


def test_use_tasks_without_signing_in_is_refused(client: FlaskClient) -> None:
    task = create_task(create_user())

    for method, path in [
        ("GET", "/api/tasks/"),
        ("POST", "/api/tasks/"),
        ("GET", f"/api/tasks/{task}/"),
        ("PATCH", f"/api/tasks/{task}/"),
        ("DELETE", f"/api/tasks/{task}/"),
        ("GET", "/api/tasks/projects/"),
        ("GET", "/api/tasks/categories/"),
    ]:
        assert client.open(path, method=method).status_code == 401


@pytest.mark.parametrize("identifier", ["0", "-1", "01", "abc", "1.5", str(2**63), "9" * 30, str(2**63 - 1)])
def test_get_task_with_an_id_that_is_none_answers_not_found(client: FlaskClient, identifier: str) -> None:
    answer = Person(client).get(f"/api/tasks/{identifier}/")

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


def test_reach_task_without_trailing_slash_gives_the_same_answer(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user)

    assert kari.get(f"/api/tasks/{task}").get_json() == kari.get(f"/api/tasks/{task}/").get_json()
    assert kari.post("/api/tasks", json={"title": "Order cable"}).status_code == 201
