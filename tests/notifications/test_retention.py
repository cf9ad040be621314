"""How long notifications are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import time_machine
from flask import Flask
from flask.testing import FlaskClient

from nxfs.extensions import db
from nxfs.notifications.jobs import SCHEDULE
from nxfs.notifications.service import retention
from tests.factories.notifications import create_notification
from tests.factories.users import create_user
from tests.notifications.inbox import count_stored
from tests.tasks.logbook import Logbook
from tests.tasks.racing import run_together
from tests.turns import turns_during

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAYS = timedelta(days=90)


def test_what_said_nothing_for_ninety_days_is_deleted_for_good(app: Flask) -> None:
    with time_machine.travel(START, tick=False) as time:
        kari = create_user()
        create_notification(kari, "task_overdue", key="told once")
        create_notification(kari, key="goes on")
        time.shift(1)
        create_notification(kari)
        time.move_to(START + DAYS)
        create_notification(kari, key="goes on")
        assert (retention.prune(), count_stored()) == (0, 3)
        time.shift(timedelta(microseconds=1))

        assert (retention.prune(), retention.prune(), count_stored()) == (1, 0, 2)


def test_many_are_deleted_in_small_transactions_by_however_many_processes(app: Flask, engine_name, monkeypatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    with time_machine.travel(START, tick=False):
        kari = create_user()
        for _ in range(9):
            create_notification(kari)
    kept = create_notification(kari)
    logbook = Logbook()

    def prune() -> int:
        with app.app_context():
            try:
                return retention.prune()
            finally:
                db.session.remove()

    assert sum(run_together(engine_name, [prune] * 3)) == 9

    assert (count_stored(), create_notification(kari) > kept) == (1, True)
    assert logbook.types() == ([], [])


def test_job_is_due_every_hour(app: Flask, client: FlaskClient) -> None:
    (job,) = SCHEDULE
    assert (job.name, job.seconds, job.run()) == ("notifications.prune", 3600, 0)


def test_others_run_between_the_batches(app: Flask, monkeypatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    with time_machine.travel(START, tick=False):
        kari = create_user()
        for _ in range(12):
            create_notification(kari)
    db.session.rollback()

    assert turns_during(retention.prune) >= 6
    assert count_stored() == 0
