"""Reminders: of open tasks that are due soon or overdue, once for each due date, to who is responsible."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from nxfs.core.jobs.models import Job
from nxfs.extensions import db
from nxfs.tasks.jobs import SCHEDULE
from nxfs.tasks.service import reminders
from tests.factories.tasks import create_task
from tests.factories.users import create_user
from tests.jobs import run_due_jobs
from tests.notifications.inbox import count_stored, inbox, only, read, want
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person
from tests.tasks.racing import run_together
from tests.turns import turns_during

# In Norway it is the 2nd of March already.
NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
TODAY = date(2026, 3, 2)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Coordinates]:
    """The time, which stands still."""
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


def remind() -> int:
    """Run the job as the scheduler does, without an older view of the database."""
    db.session.rollback()
    return reminders.remind()


@pytest.mark.parametrize(
    ("days", "type_"),
    [
        *((days, None) for days in (-400, -8, 2, 300)),
        *((days, "task_overdue") for days in (-7, -1)),
        *((days, "task_due_soon") for days in (0, 1)),
    ],
)
def test_open_task_is_reminded_of_by_its_due_date(client: FlaskClient, days: int, type_: str | None) -> None:
    kari = Person(client, language="no")
    due = TODAY + days * DAY
    task = create_task(kari.user, title="Kabel", due_date=due)
    create_task(kari.user, done=True, due_date=due)
    create_task(kari.user)

    assert remind() == (1 if type_ else 0)
    assert remind() == 0

    assert [item["type"] for item in inbox(kari)] == ([type_] if type_ else [])
    if type_:
        assert only(kari)["data"] == {
            "task_id": task,
            "title": "Kabel",
            "project_id": None,
            "due_date": due.isoformat(),
            "actor_name": None,
        }
        verb = "hadde" if type_ == "task_overdue" else "har"
        assert only(kari)["message"] == f"Oppgaven «Kabel» {verb} frist {due.isoformat()}."


def test_assignee_is_told_and_not_the_owner(client: FlaskClient) -> None:
    kari, ola, per = (Person(client) for _ in range(3))
    task = create_task(kari.user, due_date=TODAY, assignee_id=ola.id)
    remind()
    assert [len(inbox(person, type="task_due_soon")) for person in (kari, ola)] == [0, 1]

    # Whoever takes it over has not been told.
    kari.patch(f"/api/tasks/{task}/", json={"assignee_id": per.id})
    assert (remind(), remind()) == (1, 0)
    assert len(inbox(per, type="task_due_soon")) == 1


def test_task_is_due_tomorrow_and_today_once_and_overdue_once(client, clock) -> None:
    kari = Person(client)
    create_task(kari.user, due_date=TODAY + DAY)
    told = []
    for _ in range(12):
        told.append(remind())
        clock.shift(DAY)

    assert told == [1, 0, 1] + [0] * 9


def test_new_due_date_reminds_anew_and_the_old_one_does_not(client: FlaskClient) -> None:
    kari = Person(client)
    url = f"/api/tasks/{create_task(kari.user, due_date=TODAY)}/"
    told = []
    for due in (TODAY, TODAY + DAY, TODAY - DAY, TODAY, TODAY + 9 * DAY):
        kari.patch(url, json={"due_date": due.isoformat()})
        told.append(remind())

    assert told == [1, 1, 1, 0, 0]


def test_reminder_that_was_read_or_deleted_does_not_come_back(client: FlaskClient) -> None:
    kari = Person(client)
    create_task(kari.user, due_date=TODAY)
    remind()
    read(kari, only(kari))
    assert remind() == 0
    kari.delete(f"/api/notifications/{only(kari)['id']}/")
    assert remind() == 0
    assert count_stored() == 1


def test_whoever_is_inactive_or_does_not_want_it_is_passed_over(client: FlaskClient) -> None:
    kari, gone = Person(client), create_user(is_active=False)
    create_task(gone, due_date=TODAY)
    create_task(kari.user, due_date=TODAY)
    create_task(kari.user, due_date=TODAY - DAY)
    want(kari, task_due_soon=False)

    assert remind() == 1
    want(kari, task_due_soon=True, task_overdue=False)
    assert (remind(), remind()) == (1, 0)


def test_many_reminders_are_told_in_several_transactions(client: FlaskClient, monkeypatch) -> None:
    monkeypatch.setattr(reminders, "BATCH", 3)
    people = [Person(client) for _ in range(2)]
    for number in range(14):
        create_task(people[number % 2].user, due_date=TODAY + (number % 3 - 1) * DAY)
    logbook = Logbook()

    assert (remind(), remind()) == (14, 0)

    assert [len(inbox(person)) for person in people] == [7, 7]
    assert len(logbook.pushes()) == 14


def test_others_run_while_many_are_reminded(client: FlaskClient, monkeypatch) -> None:
    monkeypatch.setattr(reminders, "BATCH", 2)
    kari = Person(client)
    for _ in range(12):
        create_task(kari.user, due_date=TODAY)

    assert turns_during(remind) >= 6
    assert len(inbox(kari)) == 12


def test_jobs_of_several_processes_remind_once(app: Flask, client: FlaskClient, engine_name: str) -> None:
    kari = Person(client)
    for _ in range(6):
        create_task(kari.user, due_date=TODAY)
    logbook = Logbook()

    def run() -> None:
        with app.app_context():
            try:
                reminders.remind()
            finally:
                db.session.remove()

    run_together(engine_name, [run] * 5)

    assert len(inbox(kari)) == len(logbook.pushes()) == 6


def test_job_is_queued_every_five_minutes_and_writes_nothing_without_need(app: Flask, client: FlaskClient) -> None:
    (entry,) = [each for each in SCHEDULE if each.name == "tasks.remind"]
    assert entry.seconds == 300
    logbook = Logbook()
    for _ in range(2):
        entry.run()

    # The second time there was one already.
    assert run_due_jobs() == 1
    assert (logbook.pushes(), logbook.types()) == ([], ([], []))

    kari = Person(client)
    create_task(kari.user, due_date=TODAY)
    entry.run()
    assert run_due_jobs() == 1
    assert len(inbox(kari)) == 1
    jobs = db.session.execute(select(Job.kind, Job.state, Job.result).order_by(Job.id)).all()
    assert jobs == [("tasks.remind", "succeeded", {"count": count}) for count in (0, 1)]
