"""Batches that are refused, before anything changes."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user
from tests.tasks.logbook import row_counts
from tests.tasks.person import Person

UPDATE, DELETE = "/api/tasks/bulk-update/", "/api/tasks/bulk-delete/"
STATUS, CATEGORIES = "/api/tasks/bulk-update-status/", "/api/tasks/categories/bulk-delete/"
LARGEST = 2**63 - 1
LOW = {"priority": "low"}


def refused(person: Person, path: str, body: Any, *, method: str = "POST") -> dict[str, list[str]]:
    """Send a batch that must be refused as invalid, and return the errors of its fields; nothing may change."""
    before = row_counts()
    answer = person.send(method, path, json=body)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert row_counts() == before
    return answer.get_json()["error"]["field_errors"]


@pytest.mark.parametrize(
    "bad",
    [
        1.5,
        1.0,
        -1,
        0,
        True,
        None,
        "1.5",
        "abc",
        "",
        "0",
        "-1",
        " 1",
        "1 ",
        "01",
        "1e3",
        LARGEST + 1,
        str(2**64),
        [1],
        {},
    ],
)
def test_what_is_no_id_is_named_by_its_place(client: FlaskClient, bad: object) -> None:
    kari = Person(client)
    ids = [1, "2", LARGEST, bad, str(LARGEST)]

    assert list(refused(kari, UPDATE, {"task_ids": ids, "updates": LOW})) == ["task_ids.3"]
    assert list(refused(kari, DELETE, {"task_ids": ids}, method="DELETE")) == ["task_ids.3"]


@pytest.mark.parametrize("task_ids", [[], None, "1", 1, {"0": 1}, list(range(1, 100_002))])
def test_what_is_no_list_of_ids_is_refused(client: FlaskClient, task_ids: object) -> None:
    kari = Person(client)

    for path, rest in ((UPDATE, {"updates": LOW}), (DELETE, {}), (STATUS, {"status": "todo"})):
        assert list(refused(kari, path, {"task_ids": task_ids, **rest})) == ["task_ids"]
        assert list(refused(kari, path, rest)) == ["task_ids"]


def test_only_a_hundred_bad_ids_are_named(client: FlaskClient) -> None:
    errors = refused(Person(client), UPDATE, {"task_ids": ["x"] * 5_000, "updates": LOW})

    assert list(errors) == [f"task_ids.{index}" for index in range(100)]


@pytest.mark.parametrize(
    ("updates", "field"),
    [
        ({}, "updates"),
        (None, "updates"),
        ([], "updates"),
        ({"title": "x"}, "updates.title"),
        ({"completed": True}, "updates.completed"),
        ({"status": "done"}, "updates.status"),
        ({"status": None}, "updates.status"),
        ({"priority": 1}, "updates.priority"),
        ({"priority": None}, "updates.priority"),
        ({"category": None}, "updates.category"),
        ({"category_add": None}, "updates.category_add"),
        ({"category_remove": "x"}, "updates.category_remove"),
        ({"category_add": []}, "updates.category_add"),
        ({"category": list(range(1, 52))}, "updates.category"),
        ({"category": [True]}, "updates.category.0"),
        ({"category": [1.5]}, "updates.category.0"),
        ({"category": [" "]}, "updates.category.0"),
        ({"category": [0]}, "updates.category.0"),
        ({"category": [], "category_add": [1]}, "updates.category_add"),
        ({"category": [], "category_remove": [1]}, "updates.category_remove"),
        ({"project": 0}, "updates.project"),
        ({"project": ""}, "updates.project"),
        ({"project": "x" * 221}, "updates.project"),
        ({"due_date": "2030-1-1"}, "updates.due_date"),
        ({"due_date": "2030-02-30"}, "updates.due_date"),
        ({"assignee_id": "me"}, "updates.assignee_id"),
        ({"assignee_id": 0}, "updates.assignee_id"),
        # Well-formed, and not there.
        ({"category": [LARGEST]}, "updates.category"),
        ({"category_add": ["Nowhere"]}, "updates.category_add"),
        ({"category_remove": ["nowhere"]}, "updates.category_remove"),
        ({"project": "Nowhere"}, "updates.project"),
        ({"project": LARGEST}, "updates.project"),
        ({"assignee_id": LARGEST}, "updates.assignee_id"),
    ],
)
def test_bad_updates_are_refused_before_anything_changes(client: FlaskClient, updates: Any, field: str) -> None:
    kari = Person(client)
    body = {"task_ids": [create_task(kari.user)], "updates": {**LOW, **updates} if updates else updates}

    for query in ("", "?dry_run=true", "?async=true"):
        assert list(refused(kari, f"{UPDATE}{query}", body)) == [field]


def test_references_that_are_not_ones_own_or_say_two_things_are_refused(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    task, category = create_task(kari.user), create_category(kari.user, name="Web")
    foreign = create_project(ola.user, name="Secret")
    for _ in range(2):
        create_project(kari.user, name="Twice")
    gone = create_user(is_active=False)

    def errors(**updates: Any) -> dict[str, list[str]]:
        return refused(kari, UPDATE, {"task_ids": [task], "updates": updates})

    assert errors(project=foreign).keys() == errors(project="Secret").keys() == {"updates.project"}
    assert errors(project="twice") == {"updates.project": ["There are several with the name “twice”; give its id."]}
    assert errors(assignee_id=gone.id).keys() == {"updates.assignee_id"}
    assert errors(category_add=[category], category_remove=["web"]).keys() == {"updates.category_remove"}


def test_more_than_a_thousand_need_a_job_and_a_job_is_not_atomic(client: FlaskClient) -> None:
    kari = Person(client)
    many = list(range(1, 1002))

    for path, rest in ((UPDATE, {"updates": LOW}), (DELETE, {}), (STATUS, {"status": "todo"})):
        assert list(refused(kari, f"{path}?async=false", {"task_ids": many, **rest})) == ["task_ids"]
        for query, ids in (("atomic=true", many), ("atomic=true&async=true", [1])):
            assert list(refused(kari, f"{path}?{query}", {"task_ids": ids, **rest})) == ["atomic"]
    assert list(refused(kari, CATEGORIES, {"category_ids": many})) == ["category_ids"]
    assert list(refused(kari, f"{CATEGORIES}?async=true", {"category_ids": [1]})) == ["async"]


@pytest.mark.parametrize("query", ["atomic=1", "dry_run=yes", "async=maybe", "wait=true"])
def test_bad_parameters_are_refused(client: FlaskClient, query: str) -> None:
    errors = refused(Person(client), f"{UPDATE}?{query}", {"task_ids": [1], "updates": LOW})

    assert list(errors) == [query.partition("=")[0]]


def test_unknown_status_and_unknown_fields_of_the_body_are_refused(client: FlaskClient) -> None:
    kari = Person(client)

    assert list(refused(kari, STATUS, {"task_ids": [1], "status": "done"})) == ["status"]
    assert list(refused(kari, STATUS, {"task_ids": [1]})) == ["status"]
    assert list(refused(kari, UPDATE, {"task_ids": [1], "updates": LOW, "status": "todo"})) == ["status"]
    assert list(refused(kari, DELETE, {"task_ids": [1], "all": True})) == ["all"]


def test_only_batches_take_large_bodies(client: FlaskClient) -> None:
    kari = Person(client)
    written = [str(10**9 + number) for number in range(100_000)]

    assert kari.post(f"{UPDATE}?async=false", json={"task_ids": written, "updates": LOW}).status_code == 400
    assert kari.delete(f"{DELETE}?async=false", json={"task_ids": written}).status_code == 400
    assert kari.post("/api/tasks/", json={"task_ids": written}).status_code == 413
    assert kari.post(CATEGORIES, json={"category_ids": written}).status_code == 413
    assert kari.post(DELETE, json={"task_ids": ["1" * 18] * 200_000}).status_code == 413
