"""Writes at the same time: no lost update, no half of a change, no deadlock, and no answer that is an accident."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient

from nxfs.core.transaction import Transaction
from nxfs.core.versions import Precondition
from nxfs.files.service import removal
from nxfs.tasks.service import categories as category_service
from nxfs.tasks.service import projects as project_service
from nxfs.tasks.service import tasks as task_service
from tests.factories.tasks import create_category, create_project, create_task
from tests.pictures import accept_without_children, stored_keys, used_bytes
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person, upload_image
from tests.tasks.racing import Pause, run_together

TASKS, PROJECTS, CATEGORIES = "/api/tasks/", "/api/tasks/projects/", "/api/tasks/categories/"


@pytest.mark.parametrize("path", [TASKS, PROJECTS, CATEGORIES])
def test_patch_twice_with_the_same_tag_lets_one_win(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    kari = Person(client)
    create = {TASKS: create_task, PROJECTS: create_project, CATEGORIES: create_category}[path]
    url = f"{path}{create(kari.user)}/"
    name = "title" if path == TASKS else "name"
    tag = {"If-Match": kari.get(url).headers["ETag"]}
    Pause(monkeypatch, engine_name, Precondition, "require")
    logbook = Logbook()

    patches = [partial(kari.patch, url, json={name: f"Name {number}"}, headers=tag) for number in range(6)]
    answers = run_together(engine_name, patches)

    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
    (winner,) = [answer.get_json() for answer in answers if answer.status_code == 200]
    assert kari.get(url).get_json() == winner
    assert winner["version"] == 2
    assert len(logbook.events()) == len(logbook.entries()) == 1


def test_patch_different_fields_at_once_keeps_both(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    url = f"{TASKS}{create_task(kari.user)}/"
    Pause(monkeypatch, engine_name, task_service, "_require_references")
    bodies = [{"title": "New"}, {"notes": "n"}, {"priority": "high"}, {"status": "completed"}]

    answers = run_together(engine_name, [partial(kari.patch, url, json=body) for body in bodies])

    assert [answer.status_code for answer in answers] == [200] * 4
    task = kari.get(url).get_json()
    assert (task["title"], task["notes"], task["priority"], task["status"]) == ("New", "n", "high", "completed")
    assert task["version"] == 5


def test_create_category_twenty_times_at_once_makes_one(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    Pause(monkeypatch, engine_name, category_service, "_assign")
    logbook = Logbook()

    answers = run_together(engine_name, [partial(kari.post, CATEGORIES, json={"name": "Web"})] * 20)

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert len(kari.ids(CATEGORIES)) == 1
    assert logbook.types() == (["category_created"], ["tasks.category_created"])


def test_add_member_at_once_makes_one(client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kari, ola = Person(client), Person(client)
    url = f"{PROJECTS}{create_project(kari.user)}/members/"
    Pause(monkeypatch, engine_name, project_service, "_is_member")

    answers = run_together(engine_name, [partial(kari.post, url, json={"user_id": ola.id})] * 5)

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 4


@pytest.mark.parametrize("is_deletion_first", [True, False])
def test_delete_while_updating_answers_as_if_one_after_the_other(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch, is_deletion_first: bool
) -> None:
    kari = Person(client)
    url = f"{TASKS}{create_task(kari.user)}/"
    pause = Pause(monkeypatch, engine_name, Precondition, "require")
    delete, update = partial(kari.delete, url), partial(kari.patch, url, json={"title": "New"})
    logbook = Logbook()

    order = (delete, update) if is_deletion_first else (update, delete)
    statuses = [answer.status_code for answer in pause.run_into(engine_name, *order)]

    if is_deletion_first:
        assert statuses == [204, 404]
        assert logbook.types()[0] == ["task_deleted"]
    else:
        # The update was made; whether its answer still finds the task is a matter of luck.
        assert statuses in ([200, 204], [404, 204])
        assert logbook.types()[0] == ["task_updated", "task_deleted"]
    assert kari.get(url).status_code == 404


@pytest.mark.parametrize("is_merge_first", [True, False])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_merge_category_while_a_task_takes_it_loses_nothing(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch, is_merge_first: bool, method: str
) -> None:
    kari = Person(client)
    source, target = create_category(kari.user), create_category(kari.user)
    task = create_task(kari.user, category=[source])
    url = TASKS if method == "POST" else f"{TASKS}{task}/"
    body = {"title": "New", "category": [source]}
    write = partial(kari.send, method, url, json=body)
    merge = partial(kari.post, f"{CATEGORIES}{target}/merge/", json={"source_category_ids": [source]})

    if is_merge_first:
        pause = Pause(monkeypatch, engine_name, category_service, "_find_locked")
        merged, written = pause.run_into(engine_name, merge, write)
        assert (merged.status_code, written.status_code) == (200, 400)
        assert list(written.get_json()["error"]["field_errors"]) == ["category"]
    else:
        pause = Pause(monkeypatch, engine_name, task_service, "_require_references")
        written, merged = pause.run_into(engine_name, write, merge)
        assert (merged.status_code, written.status_code) == (200, 201 if method == "POST" else 200)
    assert {tuple(task["category"]) for task in kari.get(TASKS).get_json()["results"]} == {(target,)}


@pytest.mark.parametrize("is_deletion_first", [True, False])
def test_merge_category_while_its_task_is_deleted_works(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch, is_deletion_first: bool
) -> None:
    kari = Person(client)
    source, target = create_category(kari.user), create_category(kari.user)
    task = create_task(kari.user, category=[source])
    delete = partial(kari.delete, f"{TASKS}{task}/")
    merge = partial(kari.post, f"{CATEGORIES}{target}/merge/", json={"source_category_ids": [source]})

    name = (Precondition, "require") if is_deletion_first else (category_service, "_touch_tasks")
    order = (delete, merge) if is_deletion_first else (merge, delete)
    answers = Pause(monkeypatch, engine_name, *name).run_into(engine_name, *order)

    assert {answer.status_code for answer in answers} == {200, 204}
    assert kari.ids(CATEGORIES) == [target]


@pytest.mark.parametrize("is_deletion_first", [True, False])
def test_delete_project_while_a_task_moves_into_it_keeps_the_task(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch, is_deletion_first: bool
) -> None:
    kari = Person(client)
    project, task = create_project(kari.user), create_task(kari.user)
    delete = partial(kari.delete, f"{PROJECTS}{project}/")
    move = partial(kari.patch, f"{TASKS}{task}/", json={"project": project})

    if is_deletion_first:
        pause = Pause(monkeypatch, engine_name, project_service, "_lock_project")
        deleted, moved = pause.run_into(engine_name, delete, move)
        assert (deleted.status_code, moved.status_code) == (204, 400)
    else:
        pause = Pause(monkeypatch, engine_name, task_service, "_require_references")
        moved, deleted = pause.run_into(engine_name, move, delete)
        assert (deleted.status_code, moved.status_code) == (204, 200)
    assert kari.get(f"{TASKS}{task}/").get_json()["project"] is None


def test_merge_in_opposite_order_at_once_does_not_deadlock(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    first, second = create_category(kari.user), create_category(kari.user)
    task = create_task(kari.user, category=[first, second])
    Pause(monkeypatch, engine_name, category_service, "_find_locked")

    answers = run_together(
        engine_name,
        [
            partial(kari.post, f"{CATEGORIES}{first}/merge/", json={"source_category_ids": [second]}),
            partial(kari.post, f"{CATEGORIES}{second}/merge/", json={"source_category_ids": [first]}),
        ],
    )

    assert sorted(answer.status_code for answer in answers) in ([200, 400], [200, 404])
    left = kari.ids(CATEGORIES)
    assert len(left) == 1
    assert kari.get(f"{TASKS}{task}/").get_json()["category"] == left


def test_merge_categories_of_the_same_tasks_at_once_does_not_deadlock(client: FlaskClient, engine_name: str) -> None:
    kari = Person(client)
    for _ in range(3):
        targets = [create_category(kari.user) for _ in range(2)]
        sources = [create_category(kari.user) for _ in range(4)]
        # Each merge meets the tasks of the other, in another order.
        for pair in ([0, 3], [1, 2], [0, 2], [1, 3]) * 5:
            create_task(kari.user, category=[sources[index] for index in pair])

        answers = run_together(
            engine_name,
            [
                partial(kari.post, f"{CATEGORIES}{targets[0]}/merge/", json={"source_category_ids": sources[:2]}),
                partial(kari.post, f"{CATEGORIES}{targets[1]}/merge/", json={"source_category_ids": sources[:1:-1]}),
            ],
        )

        assert [answer.status_code for answer in answers] == [200, 200]
        assert kari.ids(category=targets, category_match="all") == kari.ids(category=targets[0])


def test_create_projects_with_the_same_tasks_at_once_does_not_deadlock(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    tasks = [create_task(kari.user) for _ in range(3)]
    Pause(monkeypatch, engine_name, project_service, "_lock_task")

    bodies = [{"name": "x", "tasks": ids} for ids in (tasks, tasks[::-1])]
    answers = run_together(engine_name, [partial(kari.post, PROJECTS, json=body) for body in bodies])

    assert [answer.status_code for answer in answers] == [201, 201]
    held = [kari.get(f"{PROJECTS}{answer.get_json()['id']}/").get_json()["tasks"] for answer in answers]
    assert sorted(held) == [[], tasks]


def test_write_everything_at_once_never_answers_by_accident(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    projects = [create_project(kari.user) for _ in range(3)]
    categories = [create_category(kari.user) for _ in range(6)]
    tasks = [create_task(kari.user, category=categories[:3], project=projects[0]) for _ in range(6)]
    keys = stored_keys()
    accept_without_children(monkeypatch)
    pictured = [f"{TASKS}{task}/" for task in tasks] + [f"{PROJECTS}{project}/" for project in projects]
    images = [f"{url}images/{upload_image(kari, url).get_json()['id']}/" for url in pictured * 2]
    if engine_name == "sqlite":
        Pause(monkeypatch, engine_name, Transaction, "_commit")

    def work(seed: int) -> list[tuple[str, int]]:
        source = random.Random(seed)
        return [act(source) for _ in range(20)]

    def act(source: random.Random) -> tuple[str, int]:
        task, project = source.choice(tasks), source.choice(projects)
        some = source.sample(categories, 2)
        name, method, url, body = source.choice(
            [
                ("upload", "POST", source.choice(pictured), None),
                ("upload", "POST", source.choice(pictured), None),
                ("delete image", "DELETE", source.choice(images), None),
                ("delete image", "DELETE", source.choice(images), None),
                ("patch", "PATCH", f"{TASKS}{task}/", {"category": some, "project": project}),
                ("patch", "PATCH", f"{TASKS}{task}/", {"category": some[::-1], "notes": str(source.random())}),
                ("create", "POST", TASKS, {"title": "x", "category": some, "project": project}),
                ("duplicate", "POST", f"{TASKS}{task}/duplicate/", None),
                ("add", "POST", f"{PROJECTS}{project}/add-task/", {"task_id": task}),
                ("project", "POST", PROJECTS, {"name": "x", "tasks": source.sample(tasks, 3)}),
                ("delete task", "DELETE", f"{TASKS}{task}/", None),
                ("merge", "POST", f"{CATEGORIES}{some[0]}/merge/", {"source_category_ids": some[1:]}),
                ("delete project", "DELETE", f"{PROJECTS}{projects[2]}/", None),
            ]
        )
        if name == "upload":
            return name, upload_image(kari, url).status_code
        return name, kari.send(method, url, json=body).status_code

    done = run_together(engine_name, [partial(work, seed) for seed in range(8)])
    outcomes = {outcome for outcomes in done for outcome in outcomes}

    allowed = {200, 201, 204, 400, 404}
    assert {outcome for outcome in outcomes if outcome[1] not in allowed} == set()
    never_400 = ("duplicate", "delete task", "delete project", "upload", "delete image")
    assert not {(name, 400) for name in never_400} & outcomes
    assert {("upload", 201), ("delete image", 204), ("delete task", 204), ("delete project", 204)} <= outcomes
    left = set(kari.ids(CATEGORIES))
    found = kari.get(TASKS, page_size=100).get_json()["results"]
    assert all(set(task["category"]) <= left for task in found)
    # Every picture has its bytes, and there are no others.
    found += kari.get(PROJECTS, page_size=100).get_json()["results"]
    shown = {urlsplit(image["image"]).path.rpartition("/")[2] for each in found for image in each["images"]}
    assert removal.delete_what_is_left() == 0
    assert {key.rpartition("/")[2] for key in stored_keys() - keys} == shown
    assert used_bytes(kari.id) == sum(image["file_size"] for each in found for image in each["images"])
