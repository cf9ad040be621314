"""How many SQL statements an answer costs a new session, whose token nothing remembers yet."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user
from tests.tasks.person import Person

EVERY_FILTER = {
    "category": ["web", "mail"],
    "category_match": "any",
    "project": ["cabin", "none"],
    "status": ["todo", "in_progress"],
    "priority": "low,medium",
    "due_date_start": "2020-01-01",
    "due_date_end": "2030-01-01",
    "completed": "false",
    "assignee": "me",
    "overdue": "true",
    "search": "cab blå",
    "ordering": "relevance,-due_date",
    "page_size": 25,
}


def fill(kari: Person) -> int:
    """Make 30 tasks in one project, with members, and other projects and categories; return the project."""
    web, mail = create_category(kari.user, name="Web"), create_category(kari.user, name="Mail")
    project = create_project(kari.user, name="Cabin", members=tuple(create_user() for _ in range(30)))
    for number in range(30):
        values = {"project": project, "category": [web, mail], "assignee_id": kari.id, "overdue": True}
        create_task(kari.user, title=f"Cable {number} blåbær", **values)
        create_project(kari.user)
        create_category(kari.user)
    return project


def test_list_tasks_with_every_filter_costs_four_statements(client: FlaskClient) -> None:
    kari = Person(client)
    fill(kari)

    answer = kari.get("/api/tasks/", user_id=kari.id, **EVERY_FILTER)

    assert len(answer.get_json()["results"]) == 25
    assert int(answer.headers["X-DB-Queries"]) == 4


@pytest.mark.parametrize(("role", "most"), [("user", 4), ("admin", 3)])
def test_list_of_25_tasks_costs_few_statements(client: FlaskClient, role: str, most: int) -> None:
    kari = Person(client, role=role)
    fill(kari)

    answer = kari.get("/api/tasks/", page_size=25)

    assert len(answer.get_json()["results"]) == 25
    assert int(answer.headers["X-DB-Queries"]) == most


@pytest.mark.parametrize("role", ["user", "admin"])
@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/tasks/projects/", 2),
        ("/api/tasks/categories/", 2),
        ("/api/tasks/categories/with-counts/", 2),
        ("/api/tasks/categories/search/?q=categ", 2),
        ("/api/tasks/projects/{project}/members/", 3),
    ],
)
def test_list_of_25_costs_as_many_statements_as_ever(client: FlaskClient, role: str, path: str, most: int) -> None:
    kari = Person(client, role=role)
    path = path.format(project=fill(kari))
    separator = "&" if "?" in path else "?"

    answer = kari.get(f"{path}{separator}page_size=25")

    assert len(answer.get_json()["results"]) == 25
    assert int(answer.headers["X-DB-Queries"]) == most


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/tasks/{task}/", 2),
        ("/api/tasks/projects/{project}/", 2),
        ("/api/tasks/projects/{project}/stats/", 3),
        ("/api/tasks/categories/popular/?limit=25", 2),
        ("/api/tasks/categories/by-slug/web/", 2),
    ],
)
def test_show_one_thing_costs_few_statements(client: FlaskClient, path: str, most: int) -> None:
    kari = Person(client)
    project = fill(kari)
    task = create_task(kari.user)

    answer = kari.get(path.format(project=project, task=task))

    assert answer.status_code == 200
    assert int(answer.headers["X-DB-Queries"]) == most


def test_get_task_again_at_once_costs_one_statement(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user)

    counts = [kari.get(f"/api/tasks/{task}/").headers["X-DB-Queries"] for _ in range(2)]

    assert counts == ["2", "1"]


@pytest.mark.parametrize("size", [1, 30])
def test_duplicate_delete_or_merge_costs_the_same_however_many_tasks(client: FlaskClient, size: int) -> None:
    kari = Person(client)
    kari.get("/api/tasks/")
    project = create_project(kari.user)
    source, target, other = (create_category(kari.user) for _ in range(3))
    for _ in range(size):
        create_task(kari.user, project=project, category=[source, other])

    duplicated = kari.post(f"/api/tasks/projects/{project}/duplicate/")
    merged = kari.post(f"/api/tasks/categories/{target}/merge/", json={"source_category_ids": [source]})
    deleted = kari.delete(f"/api/tasks/categories/{other}/")
    removed = kari.delete(f"/api/tasks/projects/{project}/")

    # SQLite takes one statement for each new task.
    assert int(duplicated.headers["X-DB-Queries"]) <= 14 + size
    assert int(merged.headers["X-DB-Queries"]) <= 11
    assert int(deleted.headers["X-DB-Queries"]) <= 7
    # Among them the lock of PostgreSQL's event log.
    assert int(removed.headers["X-DB-Queries"]) <= 8
