"""Who is notified of tasks that were changed together: each person once, in few statements however many they are."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import event, func, insert, select

from nxfs.auth.models import User
from nxfs.auth.queries import actor_of
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.notifications.models import Notification
from nxfs.notifications.types import message
from nxfs.tasks.service.bulk_changes import BulkChange
from nxfs.tasks.service.bulk_notices import tell_of_bulk_change
from tests.factories.tasks import create_task
from tests.factories.users import PASSWORD_HASH, create_user
from tests.notifications.inbox import inbox, only, read, types, want
from tests.realtime.batches import delete_tasks
from tests.tasks.person import Person


def changed(task_id: int, owner_id: int, *fields: str, **values: Any) -> BulkChange:
    """Return what a batch did to a task without an assignee, unless ``values`` say otherwise."""
    facts = {"title": f"Task {task_id}", "project_id": None, "assignee_before": None, "assignee_after": None}
    facts |= {"is_completion": False, "audience_before": (), "audience_after": (), **values}
    return BulkChange(task_id=task_id, user_id=owner_id, fields=fields or ("priority",), **facts)


def tell(actor: Person, *changes: BulkChange, batch: str | None = None) -> None:
    """Tell of a batch."""
    with transaction() as tx:
        tell_of_bulk_change(tx, actor_of(actor.user), changes, batch=batch)


def test_owner_and_assignee_of_several_tasks_are_told_once_how_many(client: FlaskClient) -> None:
    kari, ola, per = Person(client, display_name="Kari Nordmann"), Person(client), Person(client)
    held = {"assignee_before": per.id, "assignee_after": per.id}
    tell(kari, *(changed(number, ola.id, **held) for number in range(1, 151)))

    for person in (ola, per):
        item = only(person)
        assert (item["type"], item["message"]) == ("tasks_changed", "Kari Nordmann changed 150 of your tasks.")
        named = {"task_ids": [*range(1, 101)], "total": 150, "actor_name": "Kari Nordmann"}
        assert (item["data"], item["count"]) == (named, 1)
    assert inbox(kari) == []


def test_single_task_of_somebody_is_told_as_if_it_were_no_batch(client: FlaskClient) -> None:
    kari, ola, per, eva = (Person(client) for _ in range(4))
    tell(
        kari,
        changed(1, ola.id, "status", is_completion=True),
        changed(2, per.id, "status", "priority"),
        changed(3, kari.id, "assignee_id", "status", assignee_after=eva.id, project_id=9),
    )
    assert [types(each) for each in (ola, per, eva)] == [["task_completed"], ["task_changed"], ["task_assigned"]]
    assert only(per)["data"]["fields"] == ["status", "priority"]
    facts = {key: only(eva)["data"][key] for key in ("task_id", "title", "project_id")}
    assert facts == {"task_id": 3, "title": "Task 3", "project_id": 9}
    # It has the key of changes one by one.
    tell(kari, changed(1, ola.id))
    assert (only(ola)["type"], only(ola)["count"]) == ("task_completed", 2)
    tell(kari, changed(1, ola.id, "status"))
    assert (only(ola)["type"], only(ola)["count"]) == ("task_changed", 3)


def test_new_assignee_is_told_only_that_and_the_former_one_nothing(client: FlaskClient) -> None:
    kari, ola, per = (Person(client) for _ in range(3))
    moved = {"assignee_before": ola.id, "assignee_after": per.id}
    tell(kari, *(changed(number, kari.id, "assignee_id", "priority", **moved) for number in (1, 2, 3)))

    assert only(per)["message"].endswith(" assigned you 3 tasks.")
    assert (inbox(ola), inbox(kari)) == ([], [])
    tell(per, *(changed(number, kari.id, "assignee_id", assignee_after=per.id) for number in (4, 5)))
    assert (len(inbox(per)), types(kari)) == (1, ["tasks_changed"])


def test_who_gets_some_of_the_tasks_and_had_the_others_is_told_of_both(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    given = [changed(number, kari.id, "assignee_id", assignee_after=ola.id) for number in (1, 2)]
    tell(kari, *given, changed(3, ola.id), changed(4, ola.id, assignee_before=ola.id, assignee_after=ola.id))
    assert {item["type"]: item["data"]["task_ids"] for item in inbox(ola)} == {
        "tasks_assigned": [1, 2],
        "tasks_changed": [3, 4],
    }


def test_who_does_not_want_it_is_not_told(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    want(ola, tasks_changed=False)
    tell(kari, changed(1, ola.id), changed(2, ola.id))
    assert inbox(ola) == []


def test_parts_of_one_batch_are_one_notification_and_batches_are_several(client: FlaskClient) -> None:
    kari, ola = Person(client, display_name="Kari"), Person(client)
    for part in (0, 10, 20):
        tell(kari, changed(part + 1, ola.id), changed(part + 2, ola.id), batch="job:7")
    assert (only(ola)["count"], only(ola)["message"]) == (3, "Kari changed many of your tasks.")
    read(ola, only(ola))
    tell(kari, changed(1, ola.id), changed(2, ola.id), batch="job:8")
    tell(kari, changed(1, ola.id), changed(2, ola.id))
    tell(kari, changed(1, ola.id), changed(2, ola.id))
    assert types(ola) == ["tasks_changed"] * 4


def test_deletion_tells_nobody(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    task_ids = [create_task(ola.user), create_task(ola.user)]
    delete_tasks(kari.user, task_ids)
    assert inbox(ola) == []


def test_sentences_are_in_both_languages() -> None:
    data = {"actor_name": "Kari", "total": 12}
    sentences = [message(type_, data=data, count=1, language="no") for type_ in ("tasks_changed", "tasks_assigned")]
    assert sentences == ["Kari har endret 12 av oppgavene dine.", "Kari har gitt deg 12 oppgaver."]


def test_five_hundred_people_are_told_by_few_statements(app: Any) -> None:
    actor = create_user()
    rows = [
        {"username": name, "username_key": name, "email": name, "email_key": name, "password_hash": PASSWORD_HASH}
        for name in (f"crowd-{number}" for number in range(500))
    ]
    with transaction() as tx:
        ids = tx.session.scalars(insert(User).returning(User.id), rows).all()
    # Some have one task, some have several; of some tasks the status was the same before.
    changes = [
        changed(number, user_id, *(("status", "priority") if number % 3 else ("priority",)))
        for number, user_id in enumerate([*ids, *ids[::2]], 1)
    ]
    statements: list[str] = []

    def record(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", record)
    try:
        with transaction() as tx:
            tell_of_bulk_change(tx, actor_of(actor), changes)
    finally:
        event.remove(db.engine, "before_cursor_execute", record)
    told = select(func.count()).select_from(Notification).where(Notification.user_id.in_(ids))
    assert db.session.scalar(told) == 500
    assert len([each for each in statements if "notifications" in each and each.startswith("INSERT")]) == 1
    assert len(statements) <= 6, statements
