"""Merging categories: tasks move, sources go, and all or nothing."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.factories.tasks import create_category, create_task
from tests.factories.users import create_user
from tests.tasks.person import Person

UNKNOWN_ID = 10**12


def merge_url(category_id: int) -> str:
    """Return the address that merges others into the category."""
    return f"/api/tasks/categories/{category_id}/merge/"


def test_merge_categories_moves_tasks_and_deletes_the_sources(client: FlaskClient) -> None:
    kari = Person(client)
    target, first, second, other = (create_category(kari.user) for _ in range(4))
    categories = ([target], [first], [first, second], [target, second], [second, other], [other])
    tasks = [create_task(kari.user, category=list(ids)) for ids in categories]
    hidden = create_task(create_user(), category=[first])

    answer = kari.post(merge_url(target), json={"source_category_ids": [second, first]})

    assert (answer.status_code, answer.get_json()["id"]) == (200, target)
    after = [kari.get(f"/api/tasks/{task}/").get_json() for task in tasks]
    assert [set(task["category"]) for task in after] == [{target}] * 4 + [{target, other}, {other}]
    assert [task["version"] for task in after] == [1, 2, 2, 2, 2, 1]
    assert kari.ids("/api/tasks/categories/") == [target, other]
    admin = Person(client, role="admin")
    assert admin.get(f"/api/tasks/{hidden}/").get_json()["category"] == [target]


def test_merge_categories_as_form_works(client: FlaskClient) -> None:
    kari = Person(client)
    target, source = create_category(kari.user), create_category(kari.user)

    form = {"source_category_ids": [str(source)]}
    answer = kari.post(merge_url(target), data=form, content_type="multipart/form-data")

    assert answer.status_code == 200
    assert kari.ids("/api/tasks/categories/") == [target]


def test_merge_category_into_itself_is_refused(client: FlaskClient) -> None:
    kari = Person(client)
    target, source = create_category(kari.user), create_category(kari.user)

    assert kari.post(merge_url(target), json={"source_category_ids": [source, target]}).status_code == 422
    assert kari.ids("/api/tasks/categories/") == [target, source]


def test_merge_unknown_categories_is_refused_as_a_whole(client: FlaskClient) -> None:
    kari = Person(client)
    target, source = create_category(kari.user), create_category(kari.user)
    task = create_task(kari.user, category=[source])

    answer = kari.post(merge_url(target), json={"source_category_ids": [source, UNKNOWN_ID]})

    assert answer.status_code == 400
    assert list(answer.get_json()["error"]["field_errors"]) == ["source_category_ids"]
    assert kari.get(f"/api/tasks/{task}/").get_json()["category"] == [source]
    assert kari.post(merge_url(UNKNOWN_ID), json={"source_category_ids": [source]}).status_code == 404


def test_merge_nothing_or_too_much_is_refused(client: FlaskClient) -> None:
    kari = Person(client)
    target = create_category(kari.user)

    for sources in ([], list(range(1000, 1051)), "1", None, [0]):
        assert kari.post(merge_url(target), json={"source_category_ids": sources}).status_code == 400


def test_merge_categories_of_others_is_forbidden_as_a_whole(client: FlaskClient) -> None:
    kari, ola, staff = Person(client), Person(client), Person(client, role="staff")
    target, own = create_category(kari.user), create_category(kari.user)
    foreign = create_category(ola.user)
    task = create_task(kari.user, category=[own])

    assert kari.post(merge_url(target), json={"source_category_ids": [own, foreign]}).status_code == 403

    assert kari.get(f"/api/tasks/{task}/").get_json()["category"] == [own]
    assert kari.post(merge_url(foreign), json={"source_category_ids": [own]}).status_code == 200
    assert staff.post(merge_url(target), json={"source_category_ids": [foreign]}).status_code == 200
