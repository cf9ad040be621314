"""The routes: everybody reads, orders, marks and deletes the own notifications, and says what to be told of."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from flask.testing import FlaskClient

from nxfs.auth.queries import actor_of
from nxfs.core.database import start_counting
from nxfs.extensions import db
from nxfs.notifications import queries
from nxfs.notifications.service import reading
from nxfs.notifications.types import TYPES
from tests.factories.notifications import create_notification
from tests.notifications.inbox import URL, count_stored, inbox, only, read, types, unread_count, want
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person
from tests.turns import turns_during

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_list_has_the_newest_first_in_pages(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False) as time:
        kari = Person(client)
        ids = []
        for _ in range(5):
            time.shift(1)
            ids.append(create_notification(kari.user))
        # Nobody else's.
        create_notification(Person(client).user)

        answer = kari.get(URL, page_size=2, page=2).get_json()
    assert [item["id"] for item in answer["results"]] == [ids[2], ids[1]]
    assert (answer["count"], answer["page_info"]["total_pages"]) == (5, 3)
    assert set(answer["results"][0]) == {
        *("id", "type", "message", "data", "count", "read", "read_at", "created_at", "updated_at"),
    }


def test_list_is_filtered_and_ordered(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False) as time:
        kari = Person(client)
        first = create_notification(kari.user, "task_changed", key="k")
        time.shift(1)
        second = create_notification(kari.user, "mention")
        third = create_notification(kari.user, "task_assigned")
        time.shift(1)
        create_notification(kari.user, "task_changed", key="k")
        read(kari, {"id": third})

        assert kari.ids(URL) == [first, third, second]
        assert kari.ids(URL, ordering="-created_at") == [third, second, first]
        assert kari.ids(URL, ordering="created_at") == [first, second, third]
        assert kari.ids(URL, ordering="updated_at,-created_at") == [third, second, first]
        assert kari.ids(URL, read="true") == [third]
        assert kari.ids(URL, read="false") == [first, second]
        assert kari.ids(URL, type="mention,task_changed") == [first, second]
        assert kari.ids(URL, type=["mention", "task_assigned"], read="false") == [second]
        assert kari.ids(URL, type="post_published") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [({"type": "birthday"}, "type"), ({"read": "maybe"}, "read"), ({"ordering": "title"}, "ordering"), ({"x": 1}, "x")],
)
def test_list_refuses_what_it_does_not_know(client: FlaskClient, query: dict, field: str) -> None:
    assert set(Person(client).field_errors(URL, **query)) == {field}


def test_read_marks_one_and_other_devices_hear_of_it(client: FlaskClient) -> None:
    kari = Person(client)
    wanted, other = create_notification(kari.user), create_notification(kari.user)
    logbook = Logbook()

    shown = read(kari, {"id": wanted})
    again = read(kari, {"id": wanted})

    assert shown["read"] is True
    assert again == shown
    assert [item["id"] for item in inbox(kari, read="false")] == [other]
    assert unread_count(kari) == 1
    (event,), (entry,) = logbook.events(), logbook.entries()
    assert (event.type, event.actor_id) == ("notifications_read", kari.id)
    assert event.payload == {"user_id": kari.id, "notification_ids": [wanted]}
    assert event.audience == [f"user:{kari.id}"]
    assert (entry.action, entry.target_id) == ("notifications.notification_read", wanted)


def test_reading_does_not_count_as_news(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False) as time:
        kari = Person(client)
        older = create_notification(kari.user)
        time.shift(1)
        newer = create_notification(kari.user)
        time.shift(1)
        before = inbox(kari)[1]["updated_at"]
        read(kari, {"id": older})
        kari.post(f"{URL}read-all/")

        assert kari.ids(URL) == [newer, older]
        assert inbox(kari)[1]["updated_at"] == before


@pytest.mark.parametrize("body", [None, {}, {"types": ["mention", "task_changed"]}])
def test_read_all_marks_all_or_those_of_some_types(client: FlaskClient, body: dict | None) -> None:
    kari, ola = Person(client), Person(client)
    for type_ in ("mention", "task_changed", "task_changed", "post_published"):
        create_notification(kari.user, type_)
    create_notification(ola.user)
    logbook = Logbook()

    answer = kari.post(f"{URL}read-all/", json=body) if body is not None else kari.post(f"{URL}read-all/")

    left = [] if not body else ["post_published"]
    assert answer.get_json() == {"updated_count": 4 - len(left)}
    assert [item["type"] for item in inbox(kari, read="false")] == left
    assert unread_count(ola) == 1
    (event,), (entry,) = logbook.events(), logbook.entries()
    assert sorted(event.payload["notification_ids"]) == sorted(kari.ids(URL, read="true"))
    assert (entry.action, entry.changes) == ("notifications.notifications_read", {"unread": [4 - len(left), 0]})
    again = Logbook()
    assert kari.post(f"{URL}read-all/", json=body or {}).get_json() == {"updated_count": 0}
    assert again.types() == ([], [])


def test_read_all_of_very_many_takes_several_transactions(client: FlaskClient, monkeypatch) -> None:
    monkeypatch.setattr(reading, "MOST_AT_ONCE", 3)
    kari = Person(client)
    ids = [create_notification(kari.user) for _ in range(7)]
    logbook = Logbook()

    assert kari.post(f"{URL}read-all/").get_json() == {"updated_count": 7}

    batches = [event.payload["notification_ids"] for event in logbook.events()]
    assert [len(batch) for batch in batches] == [3, 3, 1]
    assert sorted(sum(batches, [])) == ids
    assert unread_count(kari) == 0


def test_others_run_while_very_many_are_read(client: FlaskClient, monkeypatch) -> None:
    monkeypatch.setattr(reading, "MOST_AT_ONCE", 2)
    kari = Person(client)
    for _ in range(12):
        create_notification(kari.user)
    actor = actor_of(kari.user)

    assert turns_during(lambda: reading.mark_all_read(actor=actor)) >= 6
    assert unread_count(kari) == 0


def test_delete_hides_one_from_everything(client: FlaskClient) -> None:
    kari = Person(client)
    gone, other = create_notification(kari.user), create_notification(kari.user)
    logbook = Logbook()

    answers = [kari.delete(f"{URL}{gone}/").status_code for _ in range(2)]

    assert answers == [204, 204]
    assert kari.ids(URL) == [other]
    assert unread_count(kari) == 1
    assert kari.post(f"{URL}{gone}/read/").status_code == 404
    assert kari.post(f"{URL}read-all/").get_json() == {"updated_count": 1}
    first, _ = logbook.events()
    assert first.payload["notification_ids"] == [gone]
    assert logbook.types()[1] == ["notifications.notification_deleted", "notifications.notifications_read"]
    assert count_stored() == 2


@pytest.mark.parametrize(("method", "path"), [("POST", "{}/read/"), ("DELETE", "{}/")])
def test_notification_of_somebody_else_or_nobody_is_not_there(client: FlaskClient, method: str, path: str) -> None:
    kari, admin = Person(client), Person(client, role="admin")
    wanted = create_notification(kari.user)
    logbook = Logbook()

    for person, identifier in ((admin, wanted), (kari, wanted + 1), (kari, 2**63 - 1), (kari, 2**63), (kari, 0)):
        assert person.send(method, URL + path.format(identifier)).status_code == 404
    assert only(kari)["read"] is False
    assert logbook.types() == ([], [])


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "read-all/", {"types": []}, "types"),
        ("POST", "read-all/", {"types": ["birthday"]}, "types.0"),
        ("POST", "read-all/", {"types": "mention"}, "types"),
        ("POST", "read-all/", {"type": ["mention"]}, "type"),
        ("PUT", "preferences/", {}, "preferences"),
        ("PUT", "preferences/", {"preferences": {"birthday": True}}, "preferences.birthday"),
        ("PUT", "preferences/", {"preferences": {"mention": "yes"}}, "preferences.mention"),
        ("PUT", "preferences/", {"preferences": [{"type": "mention", "enabled": True}]}, "preferences"),
    ],
)
def test_bad_body_is_refused_by_field_and_changes_nothing(client, method: str, path: str, body, field: str) -> None:
    kari = Person(client)
    create_notification(kari.user)
    before = kari.get(f"{URL}preferences/").get_json()

    answer = kari.send(method, URL + path, json=body)

    assert answer.status_code == 400
    assert set(answer.get_json()["error"]["field_errors"]) == {field}
    assert unread_count(kari) == 1
    assert kari.get(f"{URL}preferences/").get_json() == before


def test_preferences_show_every_type_and_change_one_by_one(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client, language="no")
    shown = kari.get(f"{URL}preferences/").get_json()["preferences"]
    assert [(each["type"], each["enabled"]) for each in shown] == [(name, True) for name in TYPES]
    assert shown[0]["description"] == "Somebody assigned you a task."
    logbook = Logbook()

    want(kari, mention=False, task_changed=True)
    want(kari, mention=False)
    want(kari)
    want(kari, task_overdue=False, mention=True)

    shown = {each["type"]: each["enabled"] for each in kari.get(f"{URL}preferences/").get_json()["preferences"]}
    assert [name for name, enabled in shown.items() if not enabled] == ["task_overdue"]
    assert [entry.changes for entry in logbook.entries()] == [
        {"mention": [True, False]},
        {"mention": [False, True], "task_overdue": [True, False]},
    ]
    others = ola.get(f"{URL}preferences/").get_json()["preferences"]
    assert all(each["enabled"] for each in others)
    assert others[0]["description"] == "Noen har gitt deg en oppgave."


def test_lists_and_counts_cost_two_statements_however_many(client: FlaskClient) -> None:
    kari = Person(client)
    for _ in range(25):
        create_notification(kari.user)
    # Of a new session, whose token nothing remembers yet.
    answers = [kari.get(URL, page_size=25, read="false", type="task_changed")]
    answers += [kari.get(URL), kari.get(f"{URL}unread-count/"), kari.get(f"{URL}preferences/")]

    assert len(answers[0].get_json()["results"]) == 25
    assert [int(answer.headers["X-DB-Queries"]) for answer in answers] == [2, 1, 1, 1]


def test_pushed_notifications_are_in_the_language_of_each_and_cost_two_statements(client: FlaskClient) -> None:
    kari, ola = Person(client, language="no"), Person(client)
    wanted = [create_notification(person.user, title="Kabel") for person in (kari, ola)]
    gone = create_notification(ola.user)
    ola.delete(f"{URL}{gone}/")
    read(kari, {"id": create_notification(kari.user)})
    create_notification(ola.user)
    db.session.rollback()
    statements = start_counting()

    pushed = queries.find_pushed([*wanted, gone, 10**9])

    assert statements == [2]
    assert set(pushed) == set(wanted)
    assert [pushed[each]["message"] for each in wanted] == [
        "Noen har endret oppgaven «Kabel».",
        "Somebody changed the task “Kabel”.",
    ]
    assert [(pushed[each]["user_id"], pushed[each]["unread_count"]) for each in wanted] == [(kari.id, 1), (ola.id, 2)]
    assert queries.find_pushed([]) == {}
    assert types(kari) == ["task_changed"] * 2
