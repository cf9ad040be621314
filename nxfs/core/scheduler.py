"""Work that is due at intervals: each domain's JOBS, run in the web process by APScheduler."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from apscheduler.schedulers.gevent import GeventScheduler
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask

from nxfs.core import clock

log = structlog.get_logger("nxfs.scheduler")


@dataclass(frozen=True)
class Job:
    """A function to call every ``seconds``. Several processes may run it at once: it has to be right all the same."""

    name: str
    run: Callable[[], object]
    seconds: float


def start(app: Flask, jobs: Iterable[Job]) -> GeventScheduler:
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


def _run(app: Flask, job: Job) -> None:
    with app.app_context():
        try:
            job.run()
        except Exception as error:
            # The next run may succeed; nobody else waits for this one.
            log.error("job failed", job=job.name, exc_info=error)
