"""Batches that are jobs: queued, done in parts, stopped and taken up again."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from nxfs.auth.models import User
from nxfs.core.jobs import leases
from nxfs.core.jobs.execution import execute
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.tasks.models import Task
from nxfs.tasks.service import bulk_jobs
from tests import services
from tests.factories.tasks import create_category, create_many_tasks, create_task
from tests.jobs import run_due_jobs
from tests.tasks.logbook import Logbook, row_counts
from tests.tasks.person import Person

UPDATE, DELETE = "/api/tasks/bulk-update/", "/api/tasks/bulk-delete/"
UNKNOWN_ID = 10**12


def queue(person: Person, path: str, body: dict[str, Any], **headers: str) -> str:
    """Queue a batch and return where its job is."""
    answer = person.post(path, json=body, headers=headers)
    assert answer.status_code == 202, answer.get_json()
    assert answer.headers["Location"] == answer.get_json()["url"]
    return answer.headers["Location"]


def job_at(person: Person, url: str) -> dict[str, Any]:
    """Return what is told of a job."""
    answer = person.get(url)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def count_tasks(**columns: Any) -> int:
    """Return how many tasks have these values."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Task).filter_by(**columns)) or 0


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do two tasks at once."""
    monkeypatch.setattr(bulk_jobs, "TASKS_AT_ONCE", {"sqlite": 2, "postgresql": 2})


def test_more_than_a_thousand_become_a_job_by_themselves(client: FlaskClient) -> None:
    kari = Person(client)
    tasks = create_many_tasks(kari.user, 1001)
    logbook = Logbook()
    body = {"task_ids": [*tasks, UNKNOWN_ID], "updates": {"status": "completed"}}

    url = queue(kari, UPDATE, body)

    assert logbook.types()[1] == ["tasks.bulk_update_queued"]
    assert job_at(kari, url)["state"] == "queued"
    assert count_tasks(status="completed") == 0
    assert run_due_jobs() == 1
    job = job_at(kari, url)
    failed = [{"id": UNKNOWN_ID, "error": "This task does not exist."}]
    assert job["result"] == {"updated_count": 1001, "failed_updates": failed}
    assert (job["state"], job["progress"], job["done"], job["total"]) == ("succeeded", 100, 1002, 1002)
    assert count_tasks(status="completed", version=2) == 1001
    assert logbook.types()[1][1:] == ["tasks.tasks_bulk_updated"] * -(
        -1002 // bulk_jobs.TASKS_AT_ONCE[services.chosen_engine()]
    )
    assert [each["type"] for each in kari.get("/api/notifications/").get_json()["results"]] == ["job_finished"]


@pytest.mark.parametrize(("query", "headers"), [("?async=true", {}), ("", {"Prefer": "wait=5, Respond-Async; x=1"})])
def test_job_is_what_the_client_asks_for(client: FlaskClient, query: str, headers: dict[str, str]) -> None:
    kari = Person(client)
    task = create_task(kari.user)

    answer = kari.post(f"{DELETE}{query}", json={"task_ids": [task]}, headers=headers)

    assert (answer.status_code, answer.get_json()["kind"]) == (202, "tasks.bulk_delete")
    assert answer.headers.get("Preference-Applied") == ("respond-async" if headers else None)
    assert run_due_jobs() == 1
    assert job_at(kari, answer.headers["Location"])["result"] == {"deleted_count": 1, "failed_deletes": []}
    assert kari.ids() == []


def test_async_false_wins_over_the_header(client: FlaskClient) -> None:
    kari = Person(client)
    body = {"task_ids": [create_task(kari.user)]}

    answer = kari.delete(f"{DELETE}?async=false", json=body, headers={"Prefer": "respond-async"})

    assert (answer.status_code, answer.headers.get("Preference-Applied")) == (200, None)


@pytest.mark.usefixtures("small_parts")
def test_deletion_by_a_job_names_what_failed(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    own = [create_task(kari.user) for _ in range(5)]
    assigned = create_task(ola.user, assignee_id=kari.id)

    url = queue(kari, f"{DELETE}?async=true", {"task_ids": [UNKNOWN_ID, *own, assigned]})
    run_due_jobs()

    assert job_at(kari, url)["result"] == {"deleted_count": 5, "failed_deletes": [assigned, UNKNOWN_ID]}
    assert kari.ids() == [assigned]


def test_dry_run_by_a_job_changes_nothing(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user)
    urls = [
        queue(kari, f"{UPDATE}?async=true&dry_run=true", {"task_ids": [task], "updates": {"due_date": "2030-01-01"}}),
        queue(kari, f"{DELETE}?async=true&dry_run=true", {"task_ids": [task, UNKNOWN_ID]}),
    ]
    before = row_counts()

    assert run_due_jobs() == 2

    results = [job_at(kari, url)["result"] for url in urls]
    assert results == [{"updated_count": 1, "failed_updates": []}, {"deleted_count": 1, "failed_deletes": [UNKNOWN_ID]}]
    after = row_counts()
    # Of the jobs, not of the tasks.
    assert {name for name in before if before[name] != after[name]} == {"events", "notifications"}
    assert count_tasks(version=1, due_date=None) == 1


@pytest.mark.usefixtures("small_parts")
def test_job_that_is_interrupted_goes_on_where_it_was(client: FlaskClient) -> None:
    kari = Person(client)
    tasks = create_many_tasks(kari.user, 7)
    body = {"task_ids": [*tasks[::-1], UNKNOWN_ID, UNKNOWN_ID + 1], "updates": {"priority": "high"}}
    url = queue(kari, f"{UPDATE}?async=true", body)
    looks: list[bool] = []

    def is_interrupted() -> bool:
        looks.append(True)
        return len(looks) > 2

    job = leases.claim(is_interrupted)
    assert job is not None
    execute(job)

    told = job_at(kari, url)
    assert (told["state"], told["done"], count_tasks(priority="high")) == ("queued", 4, 4)
    run_due_jobs()
    assert job_at(kari, url)["result"]["updated_count"] == 7
    assert [each["id"] for each in job_at(kari, url)["result"]["failed_updates"]] == [UNKNOWN_ID, UNKNOWN_ID + 1]
    # Each was done once.
    assert count_tasks(priority="high", version=2) == 7


@pytest.mark.usefixtures("small_parts")
def test_category_that_is_deleted_meanwhile_fails_the_job_and_leaves_what_is_done(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client, language="no")
    category, tasks = create_category(kari.user), create_many_tasks(kari.user, 4)
    body = {"task_ids": tasks, "updates": {"category_add": [category]}}
    url = queue(kari, f"{UPDATE}?async=true", body)
    parts: list[int] = []

    def delete_category() -> None:
        parts.append(len(parts))
        if len(parts) == 1:
            assert kari.delete(f"/api/tasks/categories/{category}/").status_code == 204

    monkeypatch.setattr(bulk_jobs, "let_others_run", delete_category)
    run_due_jobs()

    job = job_at(kari, url)
    sentence = f"Det finnes ingen «{category}» som du kan bruke her."
    assert (job["state"], job["error"], job["done"], job["attempts"]) == ("failed", sentence, 2, 1)
    assert job["result"] == {"updated_count": 2, "failed_updates": []}
    assert count_tasks(version=1) == 2


@pytest.mark.usefixtures("small_parts")
def test_cancelled_job_says_what_became_of_the_tasks_that_it_has_come_to(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari, ola = Person(client), Person(client)
    foreign = create_task(ola.user)
    tasks = create_many_tasks(kari.user, 4)
    url = queue(kari, f"{DELETE}?async=true", {"task_ids": [foreign, *tasks]})
    monkeypatch.setattr(bulk_jobs, "let_others_run", lambda: kari.post(f"{url}cancel/"))
    run_due_jobs()

    job = job_at(kari, url)
    assert (job["state"], job["done"]) == ("cancelled", 2)
    assert job["result"] == {"deleted_count": 1, "failed_deletes": [foreign]}
    assert sorted(kari.ids()) == tasks[1:]


@pytest.mark.usefixtures("small_parts")
def test_owner_who_is_disabled_meanwhile_stops_the_job(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = Person(client)
    tasks = create_many_tasks(kari.user, 6)
    queue(kari, f"{DELETE}?async=true", {"task_ids": tasks})

    def disable() -> None:
        with transaction() as tx:
            tx.session.get_one(User, kari.id).is_active = False

    monkeypatch.setattr(bulk_jobs, "let_others_run", disable)
    run_due_jobs()

    assert count_tasks() == 4


def test_too_many_jobs_of_one_person_are_refused(client: FlaskClient) -> None:
    kari = Person(client)
    body = {"task_ids": [create_task(kari.user)]}

    answers = [kari.delete(f"{DELETE}?async=true", json=body) for _ in range(21)]

    assert [answer.status_code for answer in answers] == [202] * 20 + [429]
