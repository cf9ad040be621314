"""Reminders of due dates: each task once for each of its due dates, whatever process looks first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, Select, String, case, cast, exists, func, literal, or_, select

from nxfs.auth.models import User
from nxfs.core import clock
from nxfs.core.settings import setting
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.core.turns import let_others_run
from nxfs.extensions import db
from nxfs.notifications.models import Notification, NotificationPreference
from nxfs.notifications.service.notifying import notify
from nxfs.tasks.models import Task
from nxfs.tasks.service.notices import facts_of

BATCH = 100
DAYS_OVERDUE = 7
# Whose task it is to do.
_RESPONSIBLE = func.coalesce(Task.assignee_id, Task.user_id)


@dataclass(frozen=True)
class Reminder:
    """What is told of open tasks that are due on one of ``days``."""

    type: str
    days: Sequence[date]

    def key(self, task: Any) -> str:
        """Return the notification's key: another due date is another reminder."""
        return f"{self.type}:{task.id}:{task.due_date.isoformat()}"


def remind() -> int:
    """Remind of open tasks that are due today or tomorrow, or overdue for a week at most; return how many.

    The assignee is told, or the owner of a task that has none.
    """
    today = clock.today(setting("TIME_ZONE"))
    soon = Reminder("task_due_soon", [today, today + timedelta(days=1)])
    overdue = Reminder("task_overdue", [today - timedelta(days=count) for count in range(DAYS_OVERDUE, 0, -1)])
    return sum(_remind(reminder) for reminder in (soon, overdue))


def select_untold(reminder: Reminder, after: Row[Any] | None = None) -> Select[Any]:
    """Return the statement of the tasks to remind of, behind the task ``after``, whose people want to be told."""
    # The database's own way to write a date may be another one than ours.
    day = case(*((Task.due_date == each, literal(each.isoformat())) for each in reminder.days))
    key = literal(f"{reminder.type}:") + cast(Task.id, String) + literal(":") + day
    is_told = exists().where(Notification.user_id == _RESPONSIBLE, Notification.key == key)
    is_declined = exists().where(
        NotificationPreference.user_id == _RESPONSIBLE,
        NotificationPreference.type == reminder.type,
        ~NotificationPreference.is_enabled,
    )
    statement = (
        select(Task.id, Task.title, Task.project_id, Task.due_date, _RESPONSIBLE.label("responsible_id"))
        .join(User, User.id == _RESPONSIBLE)
        # The status as no index can look it up, which leaves the one of the due dates.
        .where(Task.due_date.between(reminder.days[0], reminder.days[-1]), Task.status != "completed")
        .where(User.is_active, ~is_told, ~is_declined)
    )
    if after is not None:
        is_later = (Task.due_date == after.due_date) & (Task.id > after.id)
        statement = statement.where(or_(Task.due_date > after.due_date, is_later))
    return statement.order_by(Task.due_date, Task.id).limit(BATCH)


def _remind(reminder: Reminder) -> int:
    total, last = 0, None
    while _is_any_untold(reminder, last):
        with transaction() as tx:
            tasks = tx.session.execute(select_untold(reminder, last)).all()
            _tell(tx, reminder, tasks)
        total += len(tasks)
        if not tasks:
            # Another process has told of them meanwhile.
            break
        last = tasks[-1]
        # On SQLite a batch holds up the whole process.
        let_others_run()
    return total


def _is_any_untold(reminder: Reminder, after: Row[Any] | None) -> bool:
    # Most runs find nothing, and shall not wait for those who write.
    is_any = db.session.execute(select_untold(reminder, after).limit(1)).first() is not None
    release_connection()
    return is_any


def _tell(tx: Transaction, reminder: Reminder, tasks: Sequence[Row[Any]]) -> None:
    for task in tasks:
        data = {**facts_of(task), "due_date": task.due_date.isoformat()}
        notify(tx, reminder.type, [task.responsible_id], actor_id=None, data=data, key=reminder.key(task))
