"""Conditional requests: ``ETag``, ``304`` and ``If-Match``."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.factories.tasks import create_category, create_project, create_task
from tests.tasks.logbook import row_counts
from tests.tasks.person import Person

KINDS = {"task": "/api/tasks/", "project": "/api/tasks/projects/", "category": "/api/tasks/categories/"}
CREATE = {"task": create_task, "project": create_project, "category": create_category}
NAME = {"task": "title", "project": "name", "category": "name"}


@pytest.mark.parametrize("kind", KINDS)
def test_get_item_again_with_its_tag_answers_not_modified(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    url = f"{KINDS[kind]}{CREATE[kind](kari.user)}/"
    tag = kari.get(url).headers["ETag"]

    again = kari.get(url, headers={"If-None-Match": tag})
    among = kari.get(url, headers={"If-None-Match": f'"other", {tag}'})
    kari.patch(url, json={NAME[kind]: "Changed"})

    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert among.status_code == 304
    assert kari.get(url, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_list_again_with_its_tag_answers_not_modified(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    item = CREATE[kind](kari.user)
    tag = kari.get(KINDS[kind]).headers["ETag"]

    assert kari.get(KINDS[kind], headers={"If-None-Match": tag}).status_code == 304
    assert kari.get(KINDS[kind], headers={"If-None-Match": tag}, page_size=1).status_code == 200
    kari.patch(f"{KINDS[kind]}{item}/", json={NAME[kind]: "Changed"})
    assert kari.get(KINDS[kind], headers={"If-None-Match": tag}).status_code == 200


def test_get_task_by_somebody_else_has_the_same_tag(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    url = f"/api/tasks/{create_task(kari.user, assignee_id=ola.id)}/"

    assert kari.get(url).headers["ETag"] == ola.get(url).headers["ETag"]
    assert "Authorization" in kari.get(url).headers["Vary"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_write_with_the_current_tag_works(client: FlaskClient, kind: str, method: str) -> None:
    kari = Person(client)
    url = f"{KINDS[kind]}{CREATE[kind](kari.user)}/"
    tag = kari.get(url).headers["ETag"]

    answer = kari.send(method, url, json={NAME[kind]: "New"}, headers={"If-Match": tag})

    assert answer.status_code in (200, 204)
    if method != "DELETE":
        assert answer.headers["ETag"] == kari.get(url).headers["ETag"] != tag


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_write_with_a_stale_tag_changes_nothing(client: FlaskClient, kind: str, method: str) -> None:
    kari = Person(client)
    url = f"{KINDS[kind]}{CREATE[kind](kari.user)}/"
    stale = kari.get(url).headers["ETag"]
    kari.patch(url, json={NAME[kind]: "Newer"})
    before, rows = kari.get(url).get_json(), row_counts()

    answer = kari.send(method, url, json={NAME[kind]: "Newest"}, headers={"If-Match": stale})

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert answer.get_json()["error"]["details"] == {"version": 2}
    assert (kari.get(url).get_json(), row_counts()) == (before, rows)


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("*", 200),
        (" * ", 200),
        ('W/"1-0123"', 200),
        ('"1-0123"', 200),
        ('"7-abc", W/"1-def"', 200),
        ('"7-abc","8-def"', 412),
        ('"2-0123"', 412),
        ('"abc"', 412),
        ("1", 412),
        ("", 412),
        ('"-1-x"', 412),
        ('"1', 412),
        ('"99999999999999999999-x"', 412),
        ("\xe6\xf8\xe5", 412),
        ("garbage, *", 412),
        ('"' * 5000, 412),
    ],
)
def test_patch_task_with_if_match_compares_versions(client: FlaskClient, header: str, status: int) -> None:
    kari = Person(client)
    url = f"/api/tasks/{create_task(kari.user, title='Old')}/"

    answer = kari.patch(url, json={"title": "New"}, headers={"If-Match": header})

    assert answer.status_code == status
    assert kari.get(url).get_json()["title"] == ("New" if status == 200 else "Old")


def test_write_missing_task_with_if_match_answers_not_found(client: FlaskClient) -> None:
    assert Person(client).patch("/api/tasks/1/", json={"title": "x"}, headers={"If-Match": "*"}).status_code == 404


def test_change_categories_of_a_task_changes_its_tag(client: FlaskClient) -> None:
    kari = Person(client)
    first, second = create_category(kari.user), create_category(kari.user)
    url = f"/api/tasks/{create_task(kari.user, category=[first])}/"
    tag = kari.get(url).headers["ETag"]

    changed = kari.patch(url, json={"category": [second, first]})
    same = kari.patch(url, json={"category": [first, second]})

    assert changed.headers["ETag"] != tag
    assert changed.get_json()["version"] == 2
    assert same.headers["ETag"] == changed.headers["ETag"]
    assert kari.patch(url, json={"title": "x"}, headers={"If-Match": tag}).status_code == 412


def test_change_task_by_its_project_makes_the_seen_tag_stale(client: FlaskClient) -> None:
    kari = Person(client)
    task, project = create_task(kari.user), create_project(kari.user)
    tag = kari.get(f"/api/tasks/{task}/").headers["ETag"]

    kari.post(f"/api/tasks/projects/{project}/add-task/", json={"task_id": task})

    assert kari.delete(f"/api/tasks/{task}/", headers={"If-Match": tag}).status_code == 412
