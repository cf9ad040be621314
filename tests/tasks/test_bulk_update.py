"""Changing many tasks at once: what becomes of them, of what fails, and what is left behind."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from nxfs.extensions import db
from nxfs.tasks.models import Task, task_categories
from tests.factories.tasks import create_category, create_many_tasks, create_project, create_task
from tests.factories.users import create_user
from tests.tasks.logbook import Logbook, row_counts
from tests.tasks.person import Person

UPDATE = "/api/tasks/bulk-update/"
STATUS = "/api/tasks/bulk-update-status/"
UNKNOWN_ID = 10**12
NOT_THERE = "This task does not exist."


def update(person: Person, task_ids: list[Any], updates: dict[str, Any], query: str = "") -> dict[str, Any]:
    """Send a batch that must be answered, and return the answer."""
    answer = person.post(f"{UPDATE}{query}", json={"task_ids": task_ids, "updates": updates})
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def task_of(person: Person, task_id: int) -> dict[str, Any]:
    """Return a task as its representation has it."""
    return person.get(f"/api/tasks/{task_id}/").get_json()


def test_update_sets_every_field_of_every_task(client: FlaskClient) -> None:
    kari = Person(client)
    project, old, new = create_project(kari.user), create_category(kari.user), create_category(kari.user)
    tasks = [create_task(kari.user, category=[old]), create_task(kari.user), create_task(kari.user, status="completed")]
    updates = {"status": "in_progress", "priority": "high", "category": [new], "project": project}
    updates |= {"assignee_id": str(kari.id), "due_date": "2030-05-17"}

    assert update(kari, tasks, updates) == {"updated_count": 3, "failed_updates": []}

    for task_id in tasks:
        task = task_of(kari, task_id)
        assert {name: task[name] for name in updates} == {**updates, "assignee_id": kari.id}
        assert (task["version"], task["completed_at"]) == (2, None)
    # The index of lists was kept.
    found = {"status": "in_progress", "priority": "high", "category": new, "project": project, "assignee": "me"}
    assert sorted(kari.ids(**found, due_date_start="2030-05-17", due_date_end="2030-05-17")) == tasks
    assert kari.ids(category=old) == []


def test_category_can_be_replaced_cleared_added_and_removed(client: FlaskClient) -> None:
    kari = Person(client)
    web = create_category(kari.user, name="Web & Mail", slug="web")
    mail, books = create_category(kari.user, name="12"), create_category(kari.user, name="Books")
    first, second = create_task(kari.user, category=[web]), create_task(kari.user, category=[mail, books])

    def after(**updates: Any) -> list[list[int]]:
        assert update(kari, [first, second], updates)["updated_count"] == 2
        kept = [task_of(kari, task_id)["category"] for task_id in (first, second)]
        for category in (web, mail, books):
            holders = [task_id for task_id, ids in zip((first, second), kept, strict=True) if category in ids]
            assert sorted(kari.ids(category=category)) == holders
        return kept

    assert after(category_add=["web", "12"]) == [sorted([web, mail]), sorted([web, mail, books])]
    assert after(category_remove=["  web & MAIL ", books]) == [[mail], [mail]]
    assert after(category_add=["books"], category_remove=[mail]) == [[books], [books]]
    assert after(category=[str(web), web, "Books"]) == [sorted([web, books])] * 2
    assert after(category=[]) == [[], []]


def test_status_sets_and_takes_the_time_of_completion(client: FlaskClient) -> None:
    kari = Person(client)
    open_task, done = create_task(kari.user), create_task(kari.user, status="completed")
    completed_at = task_of(kari, done)["completed_at"]

    answer = kari.post(STATUS, json={"task_ids": [open_task, done], "status": "completed"})

    assert (answer.status_code, answer.get_json()) == (200, {"updated_count": 2, "failed_updates": []})
    assert task_of(kari, open_task)["completed_at"] is not None
    assert (task_of(kari, done)["completed_at"], task_of(kari, done)["version"]) == (completed_at, 1)
    # Another field leaves it alone.
    update(kari, [open_task, done], {"status": "completed", "priority": "low"})
    assert (task_of(kari, done)["completed_at"], task_of(kari, done)["version"]) == (completed_at, 2)
    update(kari, [open_task, done], {"status": "todo"})
    assert [task_of(kari, task_id)["completed_at"] for task_id in (open_task, done)] == [None, None]


def test_null_takes_project_assignee_and_due_date_away(client: FlaskClient) -> None:
    kari = Person(client)
    values = {"project": create_project(kari.user), "assignee_id": kari.id, "due_date": date(2030, 1, 1)}
    task = create_task(kari.user, **values)

    update(kari, [task], dict.fromkeys(values))

    assert [task_of(kari, task)[name] for name in values] == [None, None, None]


@pytest.mark.parametrize("written", ["cabin", "CABIN ", "id", "text"])
def test_project_is_named_by_id_slug_or_name(client: FlaskClient, written: str) -> None:
    kari = Person(client)
    project = create_project(kari.user, name="Cabin")
    task = create_task(kari.user)

    update(kari, [task], {"project": {"id": project, "text": str(project)}.get(written, written)})

    assert task_of(kari, task)["project"] == project


def test_ids_are_numbers_or_texts_and_count_once(client: FlaskClient) -> None:
    kari = Person(client)
    first, second = create_task(kari.user), create_task(kari.user)

    answer = update(kari, [str(second), first, second, str(first), UNKNOWN_ID, str(UNKNOWN_ID)], {"priority": "low"})

    assert answer == {"updated_count": 2, "failed_updates": [{"id": UNKNOWN_ID, "error": NOT_THERE}]}
    assert [task_of(kari, task_id)["version"] for task_id in (first, second)] == [2, 2]


def test_what_does_not_exist_and_what_one_may_not_see_fail_alike_in_ones_language(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client, language="no")
    shared = create_task(kari.user, project=create_project(kari.user, members=(ola.user,)))
    assigned, foreign = create_task(kari.user, assignee_id=ola.id), create_task(kari.user)

    answer = update(ola, [foreign, UNKNOWN_ID, shared, assigned], {"priority": "low"})

    sentence = "Denne oppgaven finnes ikke."
    failed = [{"id": task_id, "error": sentence} for task_id in (foreign, UNKNOWN_ID)]
    assert answer == {"updated_count": 2, "failed_updates": failed}
    assert [task_of(kari, each)["priority"] for each in (shared, assigned, foreign)] == ["low", "low", "medium"]


def test_tasks_that_hold_the_values_count_and_stay_as_they_are(client: FlaskClient) -> None:
    kari = Person(client)
    category = create_category(kari.user)
    same = create_task(kari.user, priority="high", category=[category])
    other = create_task(kari.user, category=[category])
    before = task_of(kari, same)
    logbook = Logbook()

    assert update(kari, [same, other], {"priority": "high", "category": [category]})["updated_count"] == 2

    assert task_of(kari, same) == before
    (entry,) = logbook.entries()
    assert entry.action == "tasks.tasks_bulk_updated"
    assert entry.changes == {
        "updates": {"priority": "high", "category": [category]},
        "task_ids": [other],
        "before": {"priority": {"medium": [other]}},
    }
    quiet = Logbook()
    update(kari, [same, other, UNKNOWN_ID], {"priority": "high"})
    assert quiet.types() == ([], [])


def test_audit_entry_has_what_was_there_before(client: FlaskClient) -> None:
    kari = Person(client)
    web, mail = create_category(kari.user), create_category(kari.user)
    first, second = (create_task(kari.user, category=[web, mail], due_date=date(2030, 1, 1)) for _ in range(2))
    third = create_task(kari.user)
    logbook = Logbook()

    update(kari, [third, second, first], {"due_date": None, "category": [web], "project": None})

    (entry,) = logbook.entries()
    assert entry.changes["task_ids"] == [first, second, third]
    assert entry.changes["updates"] == {"due_date": None, "project": None, "category": [web]}
    assert entry.changes["before"] == {
        "due_date": {"2030-01-01": [first, second]},
        "category": {f"{web},{mail}": [first, second], "": [third]},
    }


def test_events_tell_of_the_batch_and_of_each_task(client: FlaskClient) -> None:
    kari = Person(client)
    tasks = [create_task(kari.user) for _ in range(2)]
    logbook = Logbook()

    update(kari, tasks, {"status": "completed"})

    assert logbook.types() == (["task_updated"] * 2 + ["tasks_bulk_updated"], ["tasks.tasks_bulk_updated"])
    assert logbook.events()[-1].payload["updates"] == {"status": "completed"}


def test_task_that_would_have_too_many_categories_fails_alone(client: FlaskClient) -> None:
    kari = Person(client)
    categories = [create_category(kari.user) for _ in range(51)]
    full, empty = create_task(kari.user, category=categories[:50]), create_task(kari.user)

    answer = update(kari, [full, empty], {"category_add": [categories[50]]})

    sentence = "A task can have at most 50 categories."
    assert answer == {"updated_count": 1, "failed_updates": [{"id": full, "error": sentence}]}
    assert task_of(kari, empty)["category"] == [categories[50]]
    assert update(kari, [full], {"category_add": [categories[50]], "category_remove": [categories[0]]})["updated_count"]


def test_atomic_batch_that_fails_changes_nothing_and_names_what_fails(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user)
    body = {"task_ids": [task, UNKNOWN_ID], "updates": {"priority": "low"}}
    before = row_counts()

    for query in ("?atomic=true", "?atomic=true&dry_run=true"):
        answer = kari.post(f"{UPDATE}{query}", json=body)
        error = answer.get_json()["error"]
        assert (answer.status_code, error["code"]) == (409, "CONFLICT")
        assert error["details"] == {"failed": [{"id": UNKNOWN_ID, "error": NOT_THERE}]}
    assert row_counts() == before
    assert task_of(kari, task)["version"] == 1
    assert update(kari, [task], {"priority": "low"}, "?atomic=true")["updated_count"] == 1


def test_dry_run_answers_the_same_and_changes_nothing(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    category = create_category(kari.user)
    tasks = [create_task(kari.user), create_task(ola.user), UNKNOWN_ID]
    updates = {"status": "completed", "category": [category], "assignee_id": ola.id}
    before, logbook = row_counts(), Logbook()

    planned = update(kari, tasks, updates, "?dry_run=true")

    assert (row_counts(), logbook.types()) == (before, ([], []))
    assert task_of(kari, tasks[0])["version"] == 1
    assert update(kari, tasks, updates) == planned


def test_new_assignee_and_owner_are_notified_once_of_all(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    tasks = [create_task(kari.user) for _ in range(3)]

    update(kari, tasks, {"assignee_id": ola.id})
    update(ola, tasks, {"status": "completed"})

    told = [person.get("/api/notifications/").get_json()["results"] for person in (ola, kari)]
    assert [[each["type"] for each in inbox] for inbox in told] == [["tasks_assigned"], ["tasks_changed"]]


@pytest.mark.parametrize("count", [1, 1000])
def test_batch_costs_the_same_statements_however_many_tasks(client: FlaskClient, engine_name: str, count: int) -> None:
    kari = Person(client)
    old, new = create_category(kari.user), create_category(kari.user)
    project, ola = create_project(kari.user), create_user()
    tasks = create_many_tasks(kari.user, count, category=(old,))
    updates = {"status": "completed", "priority": "high", "category": [new], "project": project}
    # The session of who asks is known.
    kari.get("/api/tasks/")

    def statements(path: str, body: dict[str, Any]) -> int:
        answer = kari.post(path, json=body)
        assert answer.get_json() in ({"updated_count": count, "failed_updates": []}, DELETED | {"deleted_count": count})
        return int(answer.headers["X-DB-Queries"])

    # Among them, on PostgreSQL, the lock of the event log; SQLite has no way to make two writes one statement.
    assert statements(UPDATE, {"task_ids": tasks, "updates": updates}) <= 10
    linked = select(task_categories).where(task_categories.c.task_id.in_(tasks))
    assert {link.category_id for link in db.session.execute(linked)} == {new}
    # The new assignee has to be there, and is told.
    updates = {"status": "todo", "priority": "low", "category": [old], "project": None, "assignee_id": ola.id}
    assert statements(UPDATE, {"task_ids": tasks, "updates": updates}) <= 12
    versions = select(Task.version).where(Task.id.in_(tasks))
    db.session.rollback()
    assert set(db.session.scalars(versions)) == {3}
    assert statements("/api/tasks/bulk-delete/", {"task_ids": tasks}) <= 7


DELETED = {"failed_deletes": []}
