"""Work that is due at intervals: each domain's JOBS, run in the web process by APScheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from apscheduler.schedulers.gevent import GeventScheduler
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask
from sqlalchemy import Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import Moment
from nxfs.extensions import db

log = structlog.get_logger("nxfs.scheduler")


@dataclass(frozen=True)
class Scheduled:
    """A function to call every ``seconds``, by the leading process, or ``in_every_process``.

    It has to be right even when it runs twice: a leader may be lost in the middle.
    """

    name: str
    run: Callable[[], object]
    seconds: float
    in_every_process: bool = False


class ScheduledRun(db.Model):
    """The last run of what is due at intervals: ``outcome`` is success or failure, ``failure`` what went wrong."""

    __tablename__ = "scheduled_runs"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    next_run_at: Mapped[Moment]
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]
    outcome: Mapped[str | None] = mapped_column(String(10))
    failure: Mapped[str | None] = mapped_column(Text)
    run_count: Mapped[int] = mapped_column(Integer, default=0)


def start(app: Flask, jobs: Iterable[Scheduled]) -> GeventScheduler:
    """Run ``jobs`` at their intervals, the first time at once, until the process ends; return the scheduler."""
    # A run that is late is late, never skipped; those that were missed are made up for by one.
    scheduler = GeventScheduler(
        timezone="UTC", job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
    )
    for job in jobs:
        interval = IntervalTrigger(seconds=job.seconds)
        scheduler.add_job(_run, interval, id=job.name, args=(app, job), next_run_time=clock.now())
    scheduler.start()
    return scheduler


def _run(app: Flask, job: Scheduled) -> None:
    with app.app_context():
        try:
            job.run()
        except Exception as error:
            # The next run may succeed; nobody else waits for this one.
            log.error("job failed", job=job.name, exc_info=error)
