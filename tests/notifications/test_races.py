"""Notifications at the same time: none is lost, none is there twice, and nobody waits for each other in a circle."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.notifications.service import notifying, reading
from nxfs.notifications.service.notifying import notify
from tests.factories.notifications import create_notification
from tests.factories.tasks import create_task
from tests.notifications.inbox import URL, inbox, only, unread_count
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person
from tests.tasks.racing import Pause, run_together

FACTS = {"task_id": 7, "title": "Cable", "project_id": None}


def in_process(app: Flask, action: Callable[[], Any]) -> Callable[[], Any]:
    """Return ``action`` as another request or job would run it."""

    def run() -> Any:
        with app.app_context():
            try:
                return action()
            finally:
                db.session.remove()

    return run


def tell(people: list[Person], keys: list[str], type_: str = "task_changed") -> None:
    """Notify all people of everything in one transaction."""
    with transaction() as tx:
        for key in keys:
            notify(tx, type_, [person.id for person in people], actor_id=None, data=FACTS, key=key)


def test_two_changes_of_one_task_at_once_are_one_unread_notification(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari, ola, per = (Person(client) for _ in range(3))
    task = create_task(kari.user, assignee_id=ola.id)
    admin = Person(client, role="admin")
    Pause(monkeypatch, engine_name, notifying, "_find_people")
    logbook = Logbook()

    bodies = [(ola, {"title": "New"}), (admin, {"priority": "high"})]
    answers = run_together(engine_name, [partial(who.patch, f"/api/tasks/{task}/", json=body) for who, body in bodies])

    assert [answer.status_code for answer in answers] == [200, 200]
    assert (only(kari)["count"], unread_count(kari)) == (2, 1)
    assert [event.payload["user_id"] for event in logbook.pushes()].count(kari.id) == 2
    assert inbox(per) == []


@pytest.mark.parametrize(("type_", "count", "pushed"), [("task_changed", 6, 6), ("task_overdue", 1, 1)])
def test_first_notifications_about_the_same_at_once_are_one(
    app: Flask, client, engine_name: str, monkeypatch: pytest.MonkeyPatch, type_: str, count: int, pushed: int
) -> None:
    kari = Person(client)
    Pause(monkeypatch, engine_name, notifying, "_find_people")
    logbook = Logbook()

    run_together(engine_name, [in_process(app, lambda: tell([kari], ["k"], type_))] * 6)

    assert only(kari)["count"] == count
    assert len(logbook.pushes()) == pushed


def test_notification_that_is_read_while_another_is_on_its_way_is_not_lost(
    app: Flask, client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    first = create_notification(kari.user, key="k")
    pause = Pause(monkeypatch, engine_name, reading, "_tell")

    read, _ = pause.run_into(
        engine_name, lambda: kari.post(f"{URL}{first}/read/"), in_process(app, lambda: tell([kari], ["k"]))
    )

    assert read.status_code == 200
    newest, oldest = inbox(kari)
    assert (oldest["id"], oldest["read"], oldest["count"]) == (first, True, 1)
    assert (newest["read"], newest["count"], unread_count(kari)) == (False, 1, 1)


def test_reading_twice_at_once_is_reading_once(client: FlaskClient, engine_name: str) -> None:
    kari = Person(client)
    wanted = create_notification(kari.user)
    logbook = Logbook()

    answers = run_together(engine_name, [partial(kari.post, f"{URL}{wanted}/read/")] * 4)

    assert [answer.status_code for answer in answers] == [200] * 4
    assert logbook.types() == (["notifications_read"], ["notifications.notification_read"])


def test_everything_at_once_ends_and_the_badge_is_right(app: Flask, client: FlaskClient, engine_name: str) -> None:
    people = [Person(client) for _ in range(3)]
    keys = [f"k{number}" for number in range(8)]

    def work(seed: int) -> None:
        source = random.Random(seed)
        for _ in range(6):
            some = source.sample(people, 2)
            if source.random() < 0.6:
                in_process(app, partial(tell, some, source.sample(keys, 5)))()
            elif source.random() < 0.5:
                assert some[0].post(f"{URL}read-all/").status_code == 200
            else:
                assert some[0].put(f"{URL}preferences/", json={"preferences": {"mention": seed > 3}}).status_code == 200

    run_together(engine_name, [partial(work, seed) for seed in range(8)])

    for person in people:
        unread = inbox(person, read="false")
        assert len({item["id"] for item in unread}) == len(unread) == unread_count(person)
        tell([person], keys)
        assert unread_count(person) == len(keys)
