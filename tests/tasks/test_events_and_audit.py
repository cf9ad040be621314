"""Every write leaves one event and one audit entry, for the right people; what does not happen leaves none."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from nxfs.core import transaction as transactions
from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user
from tests.tasks.logbook import Logbook, row_counts
from tests.tasks.person import Person

TASKS, PROJECTS, CATEGORIES = "/api/tasks/", "/api/tasks/projects/", "/api/tasks/categories/"


def test_create_task_is_logged_with_its_fields(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project, category = create_project(kari.user), create_category(kari.user)
    logbook = Logbook()

    body = {"title": "Cable", "project": project, "assignee_id": ola.id, "category": [category]}
    answer = kari.post(TASKS, json=body, headers={"X-Request-ID": "request-0001", "User-Agent": "test"})

    (event,), (entry,) = logbook.events(), logbook.entries()
    task = answer.get_json()["id"]
    assert (event.type, event.actor_id, event.payload) == ("task_created", kari.id, {"task_id": task})
    assert event.audience == [f"project:{project}", f"user:{kari.id}", f"user:{ola.id}"]
    assert (entry.action, entry.actor_id, entry.outcome) == ("tasks.task_created", kari.id, "success")
    assert (entry.target_type, entry.target_id) == ("task", task)
    assert (entry.request_id, entry.user_agent, entry.address) == ("request-0001", "test", "127.0.0.1")
    assert entry.changes["title"] == [None, "Cable"]
    assert entry.changes["category"] == [None, [category]]


def test_update_task_is_logged_with_what_changed(client: FlaskClient) -> None:
    kari = Person(client)
    first, second = create_category(kari.user), create_category(kari.user)
    task = create_task(kari.user, title="Old", category=[first])
    logbook = Logbook()

    body = {"title": "New", "notes": "", "category": [second, first], "due_date": "2026-01-31"}
    kari.patch(f"{TASKS}{task}/", json=body)

    (event,), (entry,) = logbook.events(), logbook.entries()
    assert (event.type, event.payload["task_id"]) == ("task_updated", task)
    assert event.payload["fields"] == ["category", "due_date", "title"]
    assert entry.changes == {
        "title": ["Old", "New"],
        "category": [[first], [first, second]],
        "due_date": [None, "2026-01-31"],
    }


def test_complete_task_is_logged_with_the_time(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user)
    logbook = Logbook()

    kari.patch(f"{TASKS}{task}/", json={"completed": True})

    assert logbook.events()[0].payload["fields"] == ["completed_at", "status"]
    assert logbook.entries()[0].changes["status"] == ["todo", "completed"]


def test_move_task_is_heard_in_both_projects_and_by_both_assignees(client: FlaskClient) -> None:
    kari, ola, per = Person(client), Person(client), Person(client)
    old, new = create_project(kari.user), create_project(kari.user)
    task = create_task(kari.user, project=old, assignee_id=ola.id)
    logbook = Logbook()

    kari.patch(f"{TASKS}{task}/", json={"project": new, "assignee_id": per.id})
    kari.post(f"{PROJECTS}{old}/add-task/", json={"task_id": task})
    kari.post(f"{PROJECTS}{old}/remove-task/", json={"task_id": task})

    people = [f"user:{person.id}" for person in (kari, ola, per)]
    moved, added, removed = (set(event.audience) for event in logbook.events())
    assert moved == {f"project:{old}", f"project:{new}", *people}
    assert added == {f"project:{old}", f"project:{new}", people[0], people[2]}
    assert removed == {f"project:{old}", people[0], people[2]}


def test_delete_task_is_logged_with_what_it_was(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    project = create_project(kari.user)
    task = create_task(kari.user, title="Cable", project=project, assignee_id=ola.id)
    logbook = Logbook()

    kari.delete(f"{TASKS}{task}/")

    (event,), (entry,) = logbook.events(), logbook.entries()
    assert (event.type, event.payload) == ("task_deleted", {"task_id": task})
    assert event.audience == [f"project:{project}", f"user:{kari.id}", f"user:{ola.id}"]
    assert (entry.action, entry.target_id, entry.changes["title"]) == ("tasks.task_deleted", task, ["Cable", None])


def test_write_project_is_logged_for_its_people(client: FlaskClient) -> None:
    kari, ola, per = Person(client), create_user(), create_user()
    logbook = Logbook()

    project = kari.post(PROJECTS, json={"name": "Cabin"}).get_json()["id"]
    kari.post(f"{PROJECTS}{project}/members/", json={"user_id": ola.id})
    kari.post(f"{PROJECTS}{project}/members/", json={"user_id": per.id})
    kari.patch(f"{PROJECTS}{project}/", json={"name": "Boat"})
    kari.delete(f"{PROJECTS}{project}/members/{per.id}/")
    kari.delete(f"{PROJECTS}{project}/")

    types, actions = logbook.types()
    assert types == [
        "project_created",
        "project_member_added",
        "project_member_added",
        "project_updated",
        "project_member_removed",
        "project_deleted",
    ]
    assert actions == [f"tasks.{name}" for name in types]
    created, added, _, updated, removed, deleted = logbook.events()
    assert created.audience == updated.audience == [f"project:{project}", f"user:{kari.id}"]
    assert added.audience == [f"project:{project}", f"user:{kari.id}", f"user:{ola.id}"]
    assert removed.audience == [f"project:{project}", f"user:{kari.id}", f"user:{per.id}"]
    assert deleted.audience == [f"user:{kari.id}", f"user:{ola.id}"]
    assert updated.payload == {"project_id": project, "fields": ["name"]}
    assert removed.payload == {"project_id": project, "user_id": per.id}


def test_write_category_is_logged_for_everybody(client: FlaskClient) -> None:
    kari = Person(client)
    logbook = Logbook()

    target = kari.post(CATEGORIES, json={"name": "Web"}).get_json()["id"]
    source = kari.post(CATEGORIES, json={"name": "Net"}).get_json()["id"]
    kari.patch(f"{CATEGORIES}{source}/", json={"color": "#000000"})
    kari.post(f"{CATEGORIES}{target}/merge/", json={"source_category_ids": [source]})
    kari.delete(f"{CATEGORIES}{target}/")

    types, actions = logbook.types()
    assert types == [
        "category_created",
        "category_created",
        "category_updated",
        "category_deleted",
        "category_deleted",
    ]
    assert actions == [
        "tasks.category_created",
        "tasks.category_created",
        "tasks.category_updated",
        "tasks.category_merged",
        "tasks.category_deleted",
    ]
    events = logbook.events()
    assert {tuple(event.audience) for event in events} == {("everybody",)}
    assert events[3].payload == {"category_id": source, "merged_into": target}
    assert events[4].payload == {"category_id": target, "merged_into": None}


def test_duplicate_is_logged_as_creation(client: FlaskClient) -> None:
    kari = Person(client)
    project = create_project(kari.user)
    task = create_task(kari.user, project=project)
    logbook = Logbook()

    kari.post(f"{TASKS}{task}/duplicate/")
    kari.post(f"{PROJECTS}{project}/duplicate/")

    types, actions = logbook.types()
    assert types == ["task_created", "project_created", "task_created", "task_created"]
    assert actions == [f"tasks.{name}" for name in types]


def test_create_project_with_tasks_is_logged_for_each_of_them(client: FlaskClient) -> None:
    kari = Person(client)
    moved, other = create_task(kari.user), create_task(kari.user)
    logbook = Logbook()

    kari.post(PROJECTS, json={"name": "Cabin", "tasks": [other, moved]})

    assert logbook.types()[0] == ["project_created", "task_updated", "task_updated"]
    assert [event.payload.get("task_id") for event in logbook.events()] == [None, moved, other]


def test_write_nothing_new_is_not_logged(client: FlaskClient) -> None:
    kari = Person(client)
    project, category = create_project(kari.user, name="Cabin"), create_category(kari.user, name="Web")
    task = create_task(kari.user, title="Same", project=project, category=[category])
    before = row_counts()

    kari.patch(f"{TASKS}{task}/", json={"title": "Same", "category": [category]})
    kari.patch(f"{PROJECTS}{project}/", json={"name": "Cabin"})
    kari.patch(f"{CATEGORIES}{category}/", json={"name": "Web"})
    kari.post(f"{PROJECTS}{project}/add-task/", json={"task_id": task})

    assert row_counts() == before


def test_write_what_is_refused_is_not_logged(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    task, category = create_task(kari.user, assignee_id=ola.id), create_category(kari.user, name="Web")
    project = create_project(kari.user, members=(ola.user,))
    before = row_counts()

    refused = [
        ola.delete(f"{TASKS}{task}/"),
        ola.patch(f"{TASKS}{task}/", json={"title": "x", "category": [10**12]}),
        ola.patch(f"{TASKS}{task}/", json={"title": "x"}, headers={"If-Match": '"9-x"'}),
        ola.delete(f"{PROJECTS}{project}/"),
        kari.post(f"{PROJECTS}{project}/members/", json={"user_id": ola.id}),
        kari.post(CATEGORIES, json={"name": "WEB"}),
        ola.delete(f"{CATEGORIES}{category}/"),
        kari.get(f"{TASKS}{task}/?page=1"),
    ]

    assert [answer.status_code for answer in refused[:-1]] == [403, 400, 412, 403, 409, 409, 403]
    assert row_counts() == before


@pytest.mark.parametrize("moment", ["before the log is written", "after it"])
def test_fail_around_the_commit_leaves_nothing_behind(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    kari = Person(client)
    task, before = create_task(kari.user, title="Old"), row_counts()
    commit = transactions.Transaction._commit

    def fail(self: transactions.Transaction) -> None:
        if moment == "after it":
            self.session.commit = lambda: (_ for _ in ()).throw(RuntimeError("The disk is full."))
            commit(self)
        raise RuntimeError("The disk is full.")

    monkeypatch.setattr(transactions.Transaction, "_commit", fail)
    answers = [
        kari.post(TASKS, json={"title": "New"}),
        kari.patch(f"{TASKS}{task}/", json={"title": "New"}),
        kari.delete(f"{TASKS}{task}/"),
    ]
    monkeypatch.undo()

    assert [answer.status_code for answer in answers] == [500] * 3
    assert row_counts() == before
    assert kari.get(f"{TASKS}{task}/").get_json()["title"] == "Old"


def test_write_inside_a_transaction_that_fails_leaves_nothing_behind(client: FlaskClient) -> None:
    user = create_user()
    before = row_counts()

    with pytest.raises(RuntimeError), transactions.transaction():
        create_task(user)
        create_category(user)
        raise RuntimeError("The caller changed its mind.")

    assert row_counts() == before
