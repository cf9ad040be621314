"""Notifying: who gets what, what becomes part of what, what is told once; all with its cause, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select

from nxfs.core.transaction import transaction
from nxfs.notifications.models import Notification
from nxfs.notifications.service.notifying import be_quiet, notify
from nxfs.notifications.types import TYPES, message
from tests.factories.notifications import create_notification
from tests.factories.users import create_user
from tests.notifications.inbox import URL, count_stored, inbox, only, read, types, unread_count, want
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS = {"task_id": 7, "title": "Cable", "project_id": None}


def tell(
    *people: Person, type_: str = "task_changed", key: str | None = "k", actor: Person | None = None, **data
) -> None:
    """Notify people in a transaction of its own."""
    with transaction() as tx:
        actor_id = actor.id if actor else None
        notify(tx, type_, [person.id for person in people], actor_id=actor_id, data={**FACTS, **data}, key=key)


def test_notify_stores_one_for_each_and_pushes_each_to_its_user_alone(client: FlaskClient) -> None:
    kari, ola, per = (Person(client) for _ in range(3))
    logbook = Logbook()

    tell(kari, ola, actor=per, fields=["notes"])

    for person, event in zip((kari, ola), logbook.pushes(), strict=True):
        item = only(person)
        assert item["data"] == {**FACTS, "fields": ["notes"], "actor_name": per.user.display_name}
        assert (item["type"], item["count"], item["read"], item["read_at"]) == ("task_changed", 1, False, None)
        assert event.payload == {"notification_id": item["id"], "user_id": person.id}
        assert (event.audience, event.actor_id) == ([f"user:{person.id}"], per.id)
    assert inbox(per) == []


def test_actor_without_a_display_name_is_called_by_the_username_and_the_system_somebody(client: FlaskClient) -> None:
    kari = Person(client)
    ola = Person(client, username="ola", display_name="")

    tell(kari, actor=ola)
    assert only(kari)["message"] == "ola changed the task “Cable”."
    tell(kari)
    assert only(kari)["message"] == "The task “Cable” was changed 2 times, most recently by Somebody."


def test_notify_passes_over_the_actor_the_inactive_and_nobody(client: FlaskClient) -> None:
    kari, gone = Person(client), create_user(is_active=False)

    with transaction() as tx:
        notify(tx, "mention", [kari.id, gone.id, None, 999_999], actor_id=kari.id, data=FACTS)

    assert count_stored() == 0


def test_notify_of_a_type_that_does_not_exist_is_an_error(client: FlaskClient) -> None:
    kari = Person(client)
    with pytest.raises(KeyError), transaction() as tx:
        notify(tx, "birthday", [kari.id], actor_id=None, data={})


def test_preferences_say_who_is_told_of_a_type(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    want(kari, task_changed=False, mention=True)

    tell(kari, ola)
    tell(kari, ola, type_="mention", key="m")

    assert (types(kari), types(ola)) == (["mention"], ["mention", "task_changed"])
    want(kari, task_changed=True)
    tell(kari)
    assert types(kari) == ["mention", "task_changed"]


def test_unread_notification_with_the_same_key_is_updated_and_pushed_again(client: FlaskClient) -> None:
    logbook = Logbook()
    with time_machine.travel(START, tick=False) as time:
        kari, ola, per = (Person(client) for _ in range(3))
        tell(kari, actor=ola)
        time.shift(60)
        tell(kari, actor=per, title="Wire")

        item = only(kari)
        assert (item["count"], item["data"]["title"], unread_count(kari)) == (2, "Wire", 1)
    assert (item["created_at"], item["updated_at"]) == ("2026-03-01T12:00:00Z", "2026-03-01T12:01:00Z")
    assert item["message"].endswith(f"changed 2 times, most recently by {per.user.display_name}.")
    assert [event.payload["notification_id"] for event in logbook.pushes()] == [item["id"]] * 2


def test_key_of_another_user_or_no_key_is_another_notification(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    for key in ("a", "b", None, None):
        tell(kari, ola, key=key)

    assert [item["count"] for item in inbox(kari)] == [1] * 4
    assert len(inbox(ola)) == 4


@pytest.mark.parametrize("end", ["read", "read-all", "delete"])
def test_after_reading_or_deleting_the_next_with_the_key_is_new(client: FlaskClient, end: str) -> None:
    kari = Person(client)
    tell(kari)
    first = only(kari)
    method, path = {"read": ("POST", f"{first['id']}/read/"), "read-all": ("POST", "read-all/")}.get(
        end, ("DELETE", f"{first['id']}/")
    )
    assert kari.send(method, URL + path).status_code in (200, 204)

    tell(kari)

    newest = inbox(kari)[0]
    assert newest["id"] != first["id"]
    assert (newest["count"], newest["read"], unread_count(kari)) == (1, False, 1)
    assert len(inbox(kari)) == (1 if end == "delete" else 2)


def test_changed_becomes_completed_and_stays_so_unless_the_status_changes(client: FlaskClient) -> None:
    kari = Person(client)
    steps = [("task_changed", True), ("task_completed", False), ("task_changed", True), ("task_changed", False)]
    shown = []
    for type_, keeps_type in steps:
        with transaction() as tx:
            notify(tx, type_, [kari.id], actor_id=None, data=FACTS, key="k", keeps_type=keeps_type)
        shown.append((only(kari)["type"], only(kari)["count"]))

    assert shown == [("task_changed", 1), ("task_completed", 2), ("task_completed", 3), ("task_changed", 4)]


@pytest.mark.parametrize("end", [None, "read", "read-all", "delete"])
def test_type_that_is_told_once_is_not_told_again_even_after_reading(client: FlaskClient, end: str | None) -> None:
    kari = Person(client)
    tell(kari, type_="task_overdue", due_date="2026-02-28")
    first = only(kari)
    if end == "read":
        read(kari, first)
    elif end is not None:
        kari.send("DELETE" if end == "delete" else "POST", f"{URL}{first['id'] if end == 'delete' else end}/")
    logbook = Logbook()

    tell(kari, type_="task_overdue", due_date="2026-02-28")

    assert logbook.pushes() == []
    assert count_stored() == 1
    tell(kari, type_="task_overdue", key="another day")
    assert len(logbook.pushes()) == 1


def test_several_calls_of_one_transaction_are_stored_together(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    logbook = Logbook()

    with transaction() as tx:
        for title in ("A", "B"):
            notify(tx, "task_changed", [ola.id, kari.id], actor_id=None, data={**FACTS, "title": title}, key="k")
        notify(tx, "task_overdue", [kari.id], actor_id=None, data=FACTS, key="o")
        notify(tx, "mention", [kari.id], actor_id=ola.id, data=FACTS, key="m")
        assert tx.session.scalars(select(Notification.id)).all() == []

    assert types(kari) == ["mention", "task_changed", "task_overdue"]
    assert (only(ola)["count"], only(ola)["data"]["title"]) == (2, "B")
    assert len(logbook.pushes()) == 4


def test_many_recipients_and_many_things_are_stored_together(client: FlaskClient) -> None:
    people = [Person(client) for _ in range(4)]
    with transaction() as tx:
        for number in range(5):
            notify(tx, "mention", [person.id for person in people], actor_id=None, data=FACTS, key=f"k{number}")

    assert [len(inbox(person)) for person in people] == [5] * 4


def test_transaction_that_fails_tells_nobody_and_the_next_is_clean(client: FlaskClient) -> None:
    kari = Person(client)
    logbook = Logbook()
    with pytest.raises(ZeroDivisionError), transaction() as tx:
        notify(tx, "mention", [kari.id], actor_id=None, data=FACTS)
        _ = 1 / 0
    with transaction():
        pass

    assert count_stored() == 0
    assert logbook.pushes() == []


def test_quiet_transaction_tells_nobody(client: FlaskClient) -> None:
    kari = Person(client)
    with transaction() as tx:
        be_quiet(tx)
        notify(tx, "mention", [kari.id], actor_id=None, data=FACTS)
    assert count_stored() == 0
    tell(kari)
    assert count_stored() == 1


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("language", ["en", "no"])
def test_every_type_has_a_sentence_in_both_languages(type_: str, language: str) -> None:
    title = "X {actor}"
    data = {"title": title, "title_nb": title, "total": 12, "actor_name": "Kari {0}", "due_date": "2026-03-01"}
    sentences = {message(type_, data=data, count=count, language=language) for count in (1, 3)}

    # Of several tasks it says who; how many they were is known of a single batch only.
    named = "Kari {0}" if type_.startswith("tasks_") else title
    assert all(named in sentence for sentence in sentences)
    other = message(type_, data=data, count=1, language="no" if language == "en" else "en")
    assert other not in sentences
    # Of what an older version did not store, nothing is shown.
    assert "{" not in message(type_, data={}, count=1, language=language)


def test_message_is_in_the_language_that_the_reader_has_when_reading(client: FlaskClient) -> None:
    kari, ola = Person(client, language="no"), Person(client, display_name="Ola Nordmann")
    tell(kari, actor=ola)
    assert only(kari)["message"] == "Ola Nordmann har endret oppgaven «Cable»."
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=2)):
        kari.patch("/api/auth/me/", json={"language": "en"})
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=4)):
            assert only(kari)["message"] == "Ola Nordmann changed the task “Cable”."


def test_factory_inside_of_a_transaction_commits_with_it(client: FlaskClient) -> None:
    kari = Person(client)
    with transaction():
        assert create_notification(kari.user) == 0
    assert create_notification(kari.user) > 0
    assert len(inbox(kari)) == 2
