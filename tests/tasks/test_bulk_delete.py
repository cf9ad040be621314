"""Deleting many tasks or categories at once."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from nxfs.tasks.queries.images import OF_TASKS
from tests.factories.images import create_image
from tests.factories.tasks import create_category, create_project, create_task
from tests.tasks.logbook import Logbook, row_counts
from tests.tasks.person import Person

TASKS, DELETE = "/api/tasks/", "/api/tasks/bulk-delete/"
CATEGORIES = "/api/tasks/categories/"
UNKNOWN_ID = 10**12


def delete(person: Person, task_ids: list[Any], query: str = "", *, method: str = "DELETE") -> dict[str, Any]:
    """Send a batch of tasks that must be answered, and return the answer."""
    answer = person.send(method, f"{DELETE}{query}", json={"task_ids": task_ids})
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_deletion_takes_tasks_with_all_that_is_theirs(client: FlaskClient, method: str) -> None:
    kari = Person(client)
    category = create_category(kari.user)
    kept, first, second = (create_task(kari.user, category=[category]) for _ in range(3))
    create_image(OF_TASKS, first, kari.user)
    before, logbook = row_counts(), Logbook()

    answer = delete(kari, [str(second), first, second], method=method)

    assert answer == {"deleted_count": 2, "failed_deletes": []}
    assert kari.ids() == kari.ids(category=category) == [kept]
    after = row_counts()
    gone = {"tasks": 2, "task_categories": 2, "task_images": 1, "files": 1}
    assert {name: before[name] - after[name] for name in gone} == gone
    events, actions = logbook.types()
    assert events == ["task_deleted"] * 2 + ["tasks_bulk_deleted"]
    assert actions[0] == "tasks.tasks_bulk_deleted"
    titles = logbook.entries()[0].changes
    assert titles == {"task_ids": [first, second], "titles": titles["titles"]}
    assert len(titles["titles"]) == 2


def test_what_one_may_not_delete_fails_in_the_order_of_its_naming(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user, members=(ola.user,))
    shared, own = create_task(kari.user, project=project), create_task(ola.user)
    assigned, foreign = create_task(kari.user, assignee_id=ola.id), create_task(kari.user)

    answer = delete(ola, [UNKNOWN_ID, shared, assigned, own, foreign])

    assert answer == {"deleted_count": 2, "failed_deletes": [UNKNOWN_ID, assigned, foreign]}
    assert sorted(kari.ids()) == [assigned, foreign]
    quiet = Logbook()
    assert delete(ola, [assigned, shared])["deleted_count"] == 0
    assert quiet.types() == ([], [])


def test_atomic_deletion_that_fails_deletes_nothing(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    assigned, own = create_task(kari.user, assignee_id=ola.id), create_task(ola.user)
    before = row_counts()

    for query in ("?atomic=true", "?atomic=true&dry_run=true"):
        answer = ola.delete(f"{DELETE}{query}", json={"task_ids": [own, assigned, UNKNOWN_ID]})
        assert answer.status_code == 409
        sentences = {each["id"]: each["error"] for each in answer.get_json()["error"]["details"]["failed"]}
        assert sentences == {
            assigned: "You do not have permission to do this.",
            UNKNOWN_ID: "This task does not exist.",
        }
    assert row_counts() == before
    assert delete(ola, [own], "?atomic=true")["deleted_count"] == 1


def test_dry_run_of_a_deletion_deletes_nothing(client: FlaskClient) -> None:
    kari = Person(client)
    tasks, before = [create_task(kari.user), UNKNOWN_ID], row_counts()

    answer = delete(kari, tasks, "?dry_run=true")

    assert answer == {"deleted_count": 1, "failed_deletes": [UNKNOWN_ID]}
    assert row_counts() == before
    assert delete(kari, tasks) == answer


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_categories_are_deleted_by_who_may_and_the_others_named(client: FlaskClient, method: str) -> None:
    kari, ola = Person(client), Person(client)
    own, second, foreign = create_category(kari.user), create_category(kari.user), create_category(ola.user)
    task = create_task(kari.user, category=[own, second, foreign])
    body = {"category_ids": [str(own), second, own, foreign, UNKNOWN_ID]}
    url, before = f"{CATEGORIES}bulk-delete/", row_counts()
    expected = {"deleted_count": 2, "failed_deletes": [foreign, UNKNOWN_ID]}

    assert kari.send(method, f"{url}?atomic=true", json=body).status_code == 409
    assert kari.send(method, f"{url}?dry_run=true", json=body).get_json() == expected
    assert row_counts() == before
    logbook = Logbook()
    answer = kari.send(method, url, json=body)

    assert (answer.status_code, answer.get_json()) == (200, expected)
    assert kari.ids(CATEGORIES) == [foreign]
    assert logbook.types() == (["category_deleted"] * 2, ["tasks.category_deleted"] * 2)
    left = kari.get(f"{TASKS}{task}/").get_json()
    assert (left["category"], left["version"]) == ([foreign], 2)
    assert kari.ids(category=[foreign]) == [task]
    assert kari.send(method, url, json={"category_ids": [own]}).get_json()["deleted_count"] == 0
