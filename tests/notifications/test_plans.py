"""Reads stay quick with many rows: each is answered by the index that was made for it, and none reads a whole table."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import insert, text

from nxfs.auth.models import User
from nxfs.auth.queries import actor_of
from nxfs.core import clock
from nxfs.extensions import db
from nxfs.notifications import queries
from nxfs.notifications.models import Notification
from nxfs.notifications.service import reading, retention
from nxfs.tasks.models import Task
from nxfs.tasks.service import reminders
from tests.factories.users import create_user
from tests.notifications.plans import plans_of

NOTIFICATIONS = 6_000
TASKS = 3_000


def fill(kari: User) -> None:
    """Write many notifications of Kari and others, a few of hers unread, and tasks whose dates lie around today."""
    ola, now = create_user(), clock.now()
    rows = [
        {
            "user_id": (ola.id, kari.id)[number % 3 == 0],
            "type": "task_changed",
            "data": {"title": "x"},
            "key": None,
            "count": 1,
            "read_at": now if number % 60 else None,
            "created_at": now - timedelta(minutes=number),
            "updated_at": now - timedelta(minutes=number),
        }
        for number in range(NOTIFICATIONS)
    ]
    db.session.execute(insert(Notification), rows)
    today = now.date()
    tasks = [
        {"user_id": kari.id, "title": "x", "title_key": "x", "due_date": today + timedelta(days=number % 1500 - 1000)}
        for number in range(TASKS)
    ]
    db.session.execute(insert(Task), tasks)
    db.session.commit()
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if db.engine.dialect.name == "postgresql":
            connection.execute(text("VACUUM ANALYZE notifications"))
            connection.execute(text("ANALYZE tasks"))


def assert_uses(plans: list[str], *indexes: str) -> None:
    """Fail unless the plans name these indexes and read no table of notifications or tasks from end to end."""
    assert len(plans) == len(indexes), plans
    for plan, index in zip(plans, indexes, strict=True):
        assert index in plan, plan
        for line in plan.splitlines():
            is_whole = "Seq Scan on notifications" in line or "Seq Scan on tasks" in line
            assert not is_whole, plan
            assert "USING" in line or not line.startswith(("SCAN notifications", "SCAN tasks")), plan


def test_reads_are_answered_by_their_indexes(app: Flask) -> None:
    kari = create_user()
    fill(kari)
    actor = actor_of(kari)

    def listing(**filters: Any) -> list[str]:
        return plans_of(
            lambda: queries.list_notifications(actor=actor, filters={"page": 1, "page_size": 20, **filters})
        )

    assert_uses(listing(), "ix_notifications_shown_updated_at")
    assert_uses(listing(ordering=[("created_at", True)]), "ix_notifications_shown_created_at")
    assert_uses(listing(read=True, type=["task_changed", "mention"]), "ix_notifications_shown_updated_at")
    assert_uses(listing(read=False), "ix_notifications_")
    assert_uses(plans_of(lambda: queries.count_unread(actor=actor)), "ix_notifications_unread")
    assert_uses(plans_of(retention.prune), "ix_notifications_updated_at_id")
    # The first two; the others are those of the event log.
    plans = plans_of(lambda: reading.mark_all_read(actor=actor))[:2]
    assert_uses(plans, "ix_notifications_unread", "ix_notifications_unread")

    # Of those that ask for tasks; the others are those that notify.
    db.session.rollback()
    plans = [plan for plan in plans_of(reminders.remind) if "tasks" in plan]
    assert len(plans) > 2
    assert_uses(plans, *["ix_tasks_"] * len(plans))
    assert all(re.search(r"due_date ?>", plan) for plan in plans), plans
