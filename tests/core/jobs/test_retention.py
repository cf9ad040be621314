"""Tests of how long jobs are kept: what ended long ago goes, with its parts, unless somebody refers to it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from nxfs.core import clock
from nxfs.core.jobs import retention
from nxfs.core.jobs.models import Job, JobPart
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.files.models import StoredFile
from nxfs.tasks.models import TaskExport
from tests.core.jobs.trial import claim_one, queue_job, take_step, trial
from tests.jobs import run_due_jobs
from tests.turns import turns_during

DAYS = 10


@pytest.fixture(autouse=True)
def days(app, monkeypatch, install):
    """Ten days, and a kind of jobs."""
    monkeypatch.setitem(app.config, "JOB_RETENTION_DAYS", DAYS)
    install(trial())


def queue_ended(count=1, *, days_ago):
    ids = [queue_job() for _ in range(count)]
    run_due_jobs()
    with transaction() as tx:
        ended_at = clock.now() - timedelta(days=days_ago)
        tx.session.execute(update(Job).where(Job.id.in_(ids)).values(finished_at=ended_at, created_at=ended_at))
    return ids


def kept():
    ids = db.session.scalars(select(Job.id).order_by(Job.id)).all()
    db.session.rollback()
    return list(ids)


def test_prune_deletes_what_ended_long_ago_with_its_parts_and_nothing_else():
    old, young = queue_ended(days_ago=DAYS + 0.1), queue_ended(days_ago=DAYS - 0.1)
    running = queue_job()
    take_step(claim_one(), 1, items=["kept"])
    waiting = queue_job()
    with transaction() as tx:
        tx.session.add(JobPart(job_id=old[0], number=0, items=["gone"]))
        # However long ago they were queued.
        long_ago = clock.now() - timedelta(days=99)
        tx.session.execute(update(Job).where(Job.finished_at.is_(None)).values(created_at=long_ago))
    assert retention.prune() == 1
    assert kept() == [*young, running, waiting]
    assert db.session.scalars(select(JobPart.job_id)).all() == [running]
    assert retention.prune() == 0


def test_prune_in_small_batches_lets_others_run(monkeypatch):
    queue_ended(5, days_ago=DAYS + 1)
    monkeypatch.setattr(retention, "BATCH", 2)
    assert turns_during(lambda: retention.prune()) >= 2
    assert kept() == []


def test_prune_keeps_what_others_refer_to_and_deletes_what_lies_behind(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    first, second, *others = queue_ended(6, days_ago=DAYS + 1)
    for job_id in (first, second):
        with transaction() as tx:
            file = StoredFile(
                name=f"{job_id}.csv", owner_id=7, format="csv", size=1, sha256="0" * 64, original_filename="tasks.csv"
            )
            tx.session.add(file)
            tx.session.flush()
            tx.session.add(TaskExport(job_id=job_id, file_id=file.id))
    assert retention.prune() == len(others)
    assert kept() == [first, second]
    with transaction() as tx:
        tx.session.execute(delete(TaskExport).where(TaskExport.job_id == first))
    assert retention.prune() == 1
    assert kept() == [second]
