"""``job_progress``: how far a background job is, to its owner alone, and not too often."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from nxfs.core import event_log
from nxfs.core.jobs import kinds, queue, running
from nxfs.core.jobs.execution import execute
from nxfs.core.jobs.kinds import Kind
from nxfs.core.jobs.leases import claim
from nxfs.core.jobs.models import Job
from nxfs.core.jobs.running import RunningJob
from nxfs.core.messages import Text
from nxfs.core.transaction import transaction
from nxfs.realtime import backlog
from nxfs.system.policies import manages_job
from tests.factories.jobs import create_job
from tests.factories.tasks import create_category
from tests.factories.users import create_user
from tests.jobs import kept_kinds, run_due_jobs
from tests.realtime.event_source import EventSource
from tests.realtime.listener import Desk, Listener
from tests.realtime.payloads import require_answer, require_valid
from tests.realtime.people import Person
from tests.realtime.socket_client import SocketClient

KIND = "tests.counting"
TITLE = Text("Counting", "Telling")

Install = Callable[[Callable[[RunningJob], Mapping[str, Any]]], None]


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A hub that is driven by hand."""
    create_category(create_user())
    return Desk(app)


@pytest.fixture
def install(app: Flask) -> Iterator[Install]:
    """Give the application one kind of jobs."""
    with kept_kinds(app):
        yield lambda run: kinds.install(app, [Kind(KIND, TITLE, run)])


def save(job: RunningJob, done: int, total: int | None = None) -> None:
    """Do a step."""
    with transaction() as tx:
        job.save(tx, done=done, total=total)


def jobs_told(listener: Listener) -> list[dict[str, Any]]:
    """Return the jobs that a connection was told of, and check the events."""
    for name, payload in listener.events:
        require_valid(name, payload)
    return [payload["job"] for name, payload in listener.events if name == "job_progress"]


def test_owner_hears_of_every_step_and_nobody_else_does(desk, install, monkeypatch) -> None:
    monkeypatch.setattr(running, "TELL_SECONDS", 0.0)
    owner, stranger, admin = create_user(language="no"), create_user(), create_user(role="admin")
    listeners = [desk.connect(user) for user in (owner, stranger, admin)]
    for listener in listeners:
        desk.join(listener, "tasks", f"user_{listener.actor.id}")

    def run(job: RunningJob) -> Mapping[str, Any]:
        for done in (1, 2):
            desk.follow()
            save(job, done, total=2)
        desk.follow()
        return {"count": 2}

    install(run)
    job_id = create_job(owner, KIND)
    desk.follow()
    run_due_jobs()
    desk.follow()

    told = jobs_told(listeners[0])
    assert [(job["state"], job["progress"]) for job in told] == [
        ("queued", None),
        ("running", None),
        ("running", 50),
        ("running", 100),
        ("succeeded", 100),
    ]
    assert {(job["id"], job["title"], job["owner_id"], job["failure"]) for job in told} == {
        (job_id, TITLE.nb, owner.id, None)
    }
    assert {payload["room"] for _, payload in listeners[0].events} == {f"user_{owner.id}"}
    assert [listener.events for listener in listeners[1:]] == [[], []]


def test_cancelling_is_told_and_staff_is_told_what_failed_of_their_own(desk, install) -> None:
    def run(job: RunningJob) -> Mapping[str, Any]:
        raise RuntimeError("Disk full.")

    install(run)
    boss, kari = create_user(role="staff"), create_user()
    listeners = [desk.connect(user) for user in (boss, kari)]
    ids = [create_job(listener.actor, KIND) for listener in listeners]
    desk.follow()
    for listener in listeners:
        desk.join(listener, f"user_{listener.actor.id}")

    run_due_jobs()
    desk.follow()
    for listener, job_id in zip(listeners, ids, strict=True):
        queue.cancel(actor_id=listener.actor.id, job_id=job_id, condition=manages_job(listener.actor))
    desk.follow()

    told = [[(job["state"], job["failure"]) for job in jobs_told(listener)] for listener in listeners]
    failure = "RuntimeError: Disk full."
    assert told == [[("queued", failure), ("cancelled", failure)], [("queued", None), ("cancelled", None)]]


def test_several_events_of_a_job_that_come_together_are_told_once_as_it_is_now(desk, install) -> None:
    install(lambda job: {})
    owner = create_user()
    listener = desk.connect(owner)
    desk.join(listener, f"user_{owner.id}")

    ids = [create_job(owner, KIND) for _ in range(2)]
    run_due_jobs()
    desk.follow()

    assert [(job["id"], job["state"]) for job in jobs_told(listener)] == [(job_id, "succeeded") for job_id in ids]
    assert listener.event_ids == sorted(listener.event_ids)


def test_what_was_missed_of_a_job_is_not_told_and_pushes_nothing_else_out(app, desk, install, monkeypatch) -> None:
    monkeypatch.setattr(backlog, "MOST_KEPT", 2)
    install(lambda job: {})
    owner = create_user()
    since = event_log.last_id()
    create_category(owner)
    desk = Desk(app)
    for _ in range(5):
        create_job(owner, KIND)
    desk.follow()

    for late in (desk, Desk(app)):
        listener = late.connect(owner)
        joined = late.join(listener, "tasks", f"user_{owner.id}", since=since)
        assert (listener.names, joined.resync_required) == (["category_created"], False)


def test_fast_job_is_told_at_most_five_times_in_any_second(desk, install, monkeypatch) -> None:
    now = 1000.0
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: now))
    owner = create_user()
    listener = desk.connect(owner)
    desk.join(listener, f"user_{owner.id}")
    told_at: list[float] = []

    def follow() -> None:
        desk.follow()
        told_at.extend([now] * (len(listener.events) - len(told_at)))

    def run(job: RunningJob) -> Mapping[str, Any]:
        nonlocal now
        for step in range(1, 301):
            follow()
            now += 0.01
            save(job, step, total=300)
        return {}

    install(run)
    create_job(owner, KIND)
    follow()
    running_job = claim(lambda: False)
    assert running_job is not None
    execute(running_job)
    follow()

    assert max(sum(first <= moment < first + 1 for moment in told_at) for first in told_at) <= 5
    told = jobs_told(listener)
    assert 8 <= len(told) <= 15
    assert [job["progress"] for job in told[2:]] == sorted(job["progress"] for job in told[2:])
    assert (told[-1]["state"], told[-1]["progress"]) == ("succeeded", 100)


def test_socket_and_stream_bring_the_same(
    connect: Callable[..., SocketClient],
    listen: Callable[..., EventSource],
    database: sa.Engine,
    newcomer: Callable[[], Person],
) -> None:
    ola = newcomer()
    stream, socket = listen(ola, ola.room), connect(ola)
    require_answer("join_room", socket.join(ola.room))
    stream.wait_for("ready")
    # None that people can queue is as short as this one.
    values = {"kind": "tasks.remind", "owner_id": ola.id, "arguments": {}, "checkpoint": {}, "state": "queued"}
    with database.begin() as connection:
        job_id = connection.scalar(sa.insert(Job).values(values).returning(Job.id))

    def is_over(payload: Any) -> bool:
        return payload["job"]["state"] == "succeeded"

    pushed = socket.wait_for("job_progress", is_over)
    streamed = stream.wait_for("job_progress", lambda event: is_over(event.payload))

    assert pushed == streamed.payload
    require_valid("job_progress", pushed)
    shown = ola.get(f"/api/jobs/{job_id}/")
    assert (shown.pop("result"), shown.pop("download_url")) == ({"count": 0}, None)
    assert pushed["job"] == shown
