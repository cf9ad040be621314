"""Batches at the same time as other changes, and batches of all kinds against a model of what they do."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from nxfs.extensions import db
from nxfs.tasks.models import Task, task_categories
from nxfs.tasks.service import bulk_plan
from nxfs.tasks.service import tasks as task_service
from tests.factories.tasks import create_category, create_many_tasks, create_project, create_task
from tests.tasks.person import Person
from tests.tasks.racing import Pause, run_together

TASKS = "/api/tasks/"
UPDATE, DELETE = f"{TASKS}bulk-update/", f"{TASKS}bulk-delete/"


def test_overlapping_batches_in_opposite_order_both_do_all(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    web, mail = create_category(kari.user), create_category(kari.user)
    tasks = create_many_tasks(kari.user, 200)
    Pause(monkeypatch, engine_name, bulk_plan, "_find_tasks")
    bodies = [
        {"task_ids": tasks, "updates": {"priority": "high", "category_add": [web, mail]}},
        {"task_ids": tasks[::-1], "updates": {"status": "completed", "category_add": [mail, web]}},
    ]

    answers = run_together(engine_name, [partial(kari.post, UPDATE, json=body) for body in bodies])

    assert [answer.get_json() for answer in answers] == [{"updated_count": 200, "failed_updates": []}] * 2
    both = set(db.session.execute(select(Task.status, Task.priority, Task.version).where(Task.id.in_(tasks))).all())
    assert both == {("completed", "high", 3)}
    links = set(db.session.execute(select(task_categories)).all())
    assert links == {(task_id, category_id) for task_id in tasks for category_id in (web, mail)}


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_task_that_changes_while_a_batch_waits_for_it_is_read_anew(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    kari = Person(client)
    tasks = [create_task(kari.user) for _ in range(3)]
    single = partial(kari.send, method, f"{TASKS}{tasks[1]}/", json={"priority": "low"} if method == "PATCH" else None)
    batch = partial(kari.post, UPDATE, json={"task_ids": tasks, "updates": {"status": "completed"}})

    alone, together = Pause(monkeypatch, engine_name, task_service, "lock_task").run_into(engine_name, single, batch)

    assert alone.status_code in (200, 204)
    failed = [failure["id"] for failure in together.get_json()["failed_updates"]]
    assert failed == ([] if method == "PATCH" else [tasks[1]])
    left = kari.get(TASKS).get_json()["results"]
    if method == "PATCH":
        assert {task["id"]: (task["version"], task["status"]) for task in left} == {
            task_id: (3 if task_id == tasks[1] else 2, "completed") for task_id in tasks
        }
    else:
        assert sorted(task["id"] for task in left) == [tasks[0], tasks[2]]


def test_everything_at_once_adds_up_and_never_waits_in_a_circle(client: FlaskClient, engine_name: str) -> None:
    kari = Person(client)
    project, categories = create_project(kari.user), [create_category(kari.user) for _ in range(6)]
    tasks = [create_task(kari.user, category=categories[:2], project=project) for _ in range(12)]

    def work(seed: int) -> list[tuple[str, Any]]:
        source = random.Random(seed)
        return [act(source) for _ in range(10)]

    def act(source: random.Random) -> tuple[str, Any]:
        some, named = source.sample(categories, 2), source.sample(tasks, 6)
        name, method, path, body = source.choice(
            [
                ("updated", "POST", UPDATE, {"task_ids": named, "updates": {"category": some, "project": project}}),
                ("updated", "POST", UPDATE, {"task_ids": named, "updates": {"category_add": some, "status": "todo"}}),
                ("updated", "POST", UPDATE, {"task_ids": named, "updates": {"category_remove": some}}),
                ("deleted", "POST", DELETE, {"task_ids": named[:1]}),
                ("patch", "PATCH", f"{TASKS}{named[0]}/", {"category": some, "project": project}),
                ("delete", "DELETE", f"{TASKS}{named[0]}/", None),
                ("merge", "POST", f"{TASKS}categories/{some[0]}/merge/", {"source_category_ids": some[1:]}),
                ("categories", "DELETE", f"{TASKS}categories/bulk-delete/", {"category_ids": some[:1]}),
                ("project", "DELETE", f"{TASKS}projects/{project}/", None),
            ]
        )
        answer = kari.send(method, path, json=body)
        if answer.status_code == 200 and name in ("updated", "deleted"):
            failed = answer.get_json()["failed_updates" if name == "updated" else "failed_deletes"]
            assert answer.get_json()[f"{name}_count"] + len(failed) == len(body["task_ids"])
        return name, answer.status_code

    done = run_together(engine_name, [partial(work, seed) for seed in range(6)])

    outcomes = {outcome for outcomes in done for outcome in outcomes}
    assert {outcome for outcome in outcomes if outcome[1] not in (200, 204, 400, 404)} == set()
    assert {("updated", 200), ("deleted", 200)} <= outcomes
    left = kari.get(TASKS, page_size=100).get_json()["results"]
    # The index of lists says of each category what its tasks say.
    for category in kari.ids(f"{TASKS}categories/"):
        holders = sorted(task["id"] for task in left if category in task["category"])
        assert sorted(kari.ids(category=category)) == holders


PLACES = st.integers(0, 5)
BATCHES = st.one_of(
    st.tuples(st.just("delete"), st.lists(PLACES, min_size=1, max_size=6), st.none()),
    st.tuples(
        st.just("update"),
        st.lists(PLACES, min_size=1, max_size=6),
        st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(["todo", "in_progress", "completed"]),
                "priority": st.sampled_from(["low", "medium", "high"]),
                "category_add": st.lists(st.integers(0, 1), min_size=1, max_size=2),
            },
        ).filter(bool),
    ),
)


@given(st.lists(BATCHES, min_size=1, max_size=4))
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_answers_and_tasks_are_those_of_a_model(client: FlaskClient, batches: list[tuple[str, list[int], Any]]) -> None:
    kari, ola = Person(client), Person(client)
    categories = [create_category(kari.user) for _ in range(2)]
    # The last place is of somebody else.
    ids = [create_task(kari.user) for _ in range(5)] + [create_task(ola.user)]
    fresh = {"status": "todo", "priority": "medium", "category": frozenset(), "version": 1}
    model: dict[int, dict[str, Any]] = {task_id: dict(fresh) for task_id in ids[:5]}
    for kind, places, updates in batches:
        named = [ids[place] for place in places]
        there = [task_id for task_id in dict.fromkeys(named) if task_id in model]
        missing = [task_id for task_id in dict.fromkeys(named) if task_id not in model]
        if kind == "delete":
            answer = kari.post(DELETE, json={"task_ids": named}).get_json()
            assert answer == {"deleted_count": len(there), "failed_deletes": missing}
            for task_id in there:
                del model[task_id]
            continue
        sent = dict(updates)
        if "category_add" in sent:
            sent["category_add"] = [categories[place] for place in sent["category_add"]]
        answer = kari.post(UPDATE, json={"task_ids": named, "updates": sent}).get_json()
        assert answer["updated_count"] == len(there)
        assert [failure["id"] for failure in answer["failed_updates"]] == missing
        for task_id in there:
            task = model[task_id]
            after = {**task, **{name: sent[name] for name in ("status", "priority") if name in sent}}
            after["category"] = task["category"] | frozenset(sent.get("category_add", ()))
            model[task_id] = {**after, "version": task["version"] + (after != task)}
    shown = kari.get(TASKS, page_size=100).get_json()["results"]
    assert model == {
        task["id"]: {**{name: task[name] for name in fresh}, "category": frozenset(task["category"])} for task in shown
    }
