"""Two web processes and two workers on PostgreSQL and Redis: what is asked of either is done once."""

from __future__ import annotations

import pytest
import requests
from sqlalchemy import func, select

from nxfs.app import SCHEDULE
from nxfs.core.scheduled_runs import ScheduledRun
from nxfs.extensions import db
from nxfs.tasks.models import Task
from tests import services
from tests.conftest import SECRET_KEY
from tests.core.jobs.test_processes import Worker
from tests.factories.tasks import create_many_tasks
from tests.factories.users import bearer, create_user, open_session
from tests.server import ServerProcess
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(
    services.chosen_engine() != "postgresql", reason="Several processes are for PostgreSQL."
)


@pytest.fixture
def servers(app, tmp_path):
    """Two web processes on the test's database, and two workers that they call over Redis."""
    url = app.config["SQLALCHEMY_DATABASE_URI"].render_as_string(hide_password=False)
    environment = {"SECRET_KEY": SECRET_KEY, "REDIS_URL": services.redis_url()}
    servers = [ServerProcess(url, tmp_path, environment=environment) for _ in range(2)]
    workers = [Worker(tmp_path, name, servers[0].environment, module="worker") for name in ("first", "second")]
    try:
        for worker in workers:
            worker.wait_until_logged("worker started")
        with servers[0], servers[1]:
            yield servers
    finally:
        for worker in workers:
            worker.end()


def test_bulk_jobs_from_two_web_processes_are_done_once_by_two_workers(servers):
    user = create_user()
    task_ids = create_many_tasks(user, 600)
    headers = bearer(open_session(user).access) | {"Prefer": "respond-async"}
    halves = (task_ids[:300], task_ids[300:])
    places = []
    for number in range(6):
        # Each is sent to both processes with the same key: the second has to answer what the first did.
        body = {
            "task_ids": halves[number % 2],
            "updates": {"status": ("in_progress", "completed", "todo")[number // 2]},
        }
        keyed = {**headers, "Idempotency-Key": f"batch-{number}"}
        answers = [
            requests.post(f"{server.url}/api/tasks/bulk-update/", json=body, headers=keyed, timeout=30)
            for server in servers
        ]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].headers["Location"] == answers[1].headers["Location"]
        places.append(answers[0].headers["Location"])

    def jobs():
        paths = [place[place.index("/api/") :] for place in places]
        return [requests.get(f"{servers[1].url}{path}", headers=headers, timeout=30).json() for path in paths]

    wait_until(lambda: {job["state"] for job in jobs()} == {"succeeded"})
    assert [job["result"]["updated_count"] for job in jobs()] == [300] * 6
    # Made once and changed three times, each change once.
    versions = select(Task.version, func.count()).where(Task.id.in_(task_ids)).group_by(Task.version)
    assert db.session.execute(versions).all() == [(4, 600)]
    # Due once in ten minutes and more rarely: each ran once, by the one of the two that leads.
    rare = [entry.name for entry in SCHEDULE if entry.seconds >= 600 and not entry.in_every_process]
    counts = select(ScheduledRun.run_count).where(ScheduledRun.name.in_(rare))
    wait_until(lambda: refreshed(counts) == [1] * len(rare))


def refreshed(statement):
    """Return what the statement selects now."""
    db.session.rollback()
    return list(db.session.scalars(statement))
