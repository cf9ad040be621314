"""The runner of a process: takes jobs that are due, runs some at a time, and keeps their leases."""

from __future__ import annotations

import time

import gevent
import structlog
from flask import Flask
from gevent import Greenlet
from gevent.event import Event as Signal

from nxfs.core.jobs import leases
from nxfs.core.jobs.complaints import Complaint
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
        """Wait after ``stop`` until no job runs, for at most ``timeout`` seconds; return whether that is so."""
        give_up_at = time.monotonic() + timeout
        # It may just be taking one more.
        gevent.joinall(self._greenlets[:1], timeout=timeout)
        gevent.joinall(list(self._running.values()), timeout=max(0.0, give_up_at - time.monotonic()))
        return not self._running

    def kill(self) -> None:
        """End at once, as a crash would: jobs that run are left to their leases."""
        gevent.killall([*self._greenlets, *self._running.values()])

    def _look_for_jobs(self) -> None:
        complaint = Complaint("looking for jobs failed")
        while not self._is_stopping:
            # Before looking: what is queued meanwhile has to set it again.
            self._bell.clear()
            try:
                with self._app.app_context():
                    self._take_jobs()
            except Exception as error:
                # The database is away, or one job cannot be taken; the next look may be better.
                complaint.tell(error)
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
        except Exception as error:
            # How it ended could not be written; whoever takes it over will.
            log.error("job left to its lease", job=job.id, kind=job.kind, exc_info=error)
        finally:
            del self._running[job.lease_token]
            self._bell.set()

    def _keep_leases(self) -> None:
        complaint = Complaint("leases of jobs not kept")
        while True:
            gevent.sleep(leases.HEARTBEAT_SECONDS)
            if not self._running:
                continue
            try:
                with self._app.app_context():
                    leases.keep(list(self._running))
            except Exception as error:
                # Those that are lost are taken over; they notice it at their next step.
                complaint.tell(error)
