"""The runner of a process: takes jobs that are due, runs some at a time, and keeps their leases."""

from __future__ import annotations

import gevent
import structlog
from flask import Flask
from gevent import Greenlet
from gevent.event import Event as Signal
from sqlalchemy.exc import SQLAlchemyError

from nxfs.core.jobs import leases
from nxfs.core.jobs.execution import execute
from nxfs.core.jobs.running import RunningJob

# Whoever queues a job rings; should that be lost, and for pauses and lost runners, this is how often it is looked.
POLL_SECONDS = 1.0

log = structlog.get_logger("nxfs.jobs")


class Runner:
    """Runs at most ``workers`` jobs at the same time in this process."""

    def __init__(self, app: Flask, *, workers: int) -> None:
        self._app = app
        self._workers = workers
        self._running: dict[str, Greenlet] = {}
        self._bell = Signal()
        self._is_stopping = False
        self._greenlets: list[Greenlet] = []

    def start(self) -> None:
        """Begin to take jobs."""
        self._greenlets = [gevent.spawn(self._look_for_jobs), gevent.spawn(self._keep_leases)]

    def ring(self) -> None:
        """Look for jobs now."""
        self._bell.set()

    def stop(self) -> None:
        """Take no more jobs; those that run are given back at their next step, for others to go on with."""
        self._is_stopping = True
        self._bell.set()

    def join(self, timeout: float) -> bool:
        """Wait until no job runs any more, for at most ``timeout`` seconds; return whether that is so."""
        gevent.joinall(list(self._running.values()), timeout=timeout)
        return not self._running

    def kill(self) -> None:
        """End at once, as a crash would: jobs that run are left to their leases."""
        gevent.killall([*self._greenlets, *self._running.values()])

    def _look_for_jobs(self) -> None:
        while not self._is_stopping:
            # Before looking: what is queued meanwhile has to set it again.
            self._bell.clear()
            try:
                with self._app.app_context():
                    self._take_jobs()
            except SQLAlchemyError as error:
                # The database is away; the next look may find it back.
                log.error("looking for jobs failed", exc_info=error)
            self._bell.wait(POLL_SECONDS)

    def _take_jobs(self) -> None:
        while len(self._running) < self._workers and not self._is_stopping:
            job = leases.claim(lambda: self._is_stopping)
            if job is None:
                return
            self._running[job.lease_token] = gevent.spawn(self._run, job)

    def _run(self, job: RunningJob) -> None:
        try:
            with self._app.app_context():
                execute(job)
        except SQLAlchemyError as error:
            log.error("job left to its lease", job=job.id, kind=job.kind, exc_info=error)
        finally:
            del self._running[job.lease_token]
            self._bell.set()

    def _keep_leases(self) -> None:
        while True:
            gevent.sleep(leases.HEARTBEAT_SECONDS)
            if not self._running:
                continue
            try:
                with self._app.app_context():
                    leases.keep(list(self._running))
            except SQLAlchemyError as error:
                log.error("leases of jobs not kept", exc_info=error)
