"""Where jobs run: in the web process, or in worker processes that are called over Redis. The table has the jobs.

A call only wakes a worker; one that is lost costs the second until the worker looks by itself.
"""

from __future__ import annotations

import atexit
import signal
from collections.abc import Callable

import gevent
import structlog
from flask import Flask
from gevent.event import Event as Signal
from huey import RedisHuey
from huey.api import TaskWrapper
from huey.consumer import Consumer
from huey.serializer import SignedSerializer
from redis import ConnectionPool

from nxfs.core import lifecycle
from nxfs.core.jobs import queue
from nxfs.core.jobs.complaints import Complaint
from nxfs.core.jobs.runner import Runner

# How long jobs that run have to come to their next step when the process is asked to stop.
WORKER_STOP_SECONDS = 25.0
# The web process has waited for its requests already.
WEB_STOP_SECONDS = 3.0

CONNECT_SECONDS = 1.0
# Longer than a worker waits for a call, which is a second.
ANSWER_SECONDS = 3.0
# A worker that comes looks for jobs anyway: calls that nobody takes need not pile up.
MOST_CALLS = 50
# After Redis was away: how long it may take until a worker listens again.
LONGEST_SILENCE_SECONDS = 30.0

log = structlog.get_logger("nxfs.jobs")


class Caller:
    """Calls a worker whenever there is work; whoever rings never waits for Redis."""

    def __init__(self, app: Flask) -> None:
        # Called here it is a message; what it does, workers know.
        self._huey, self._call = _huey(app, lambda: None)
        self._count = 0
        self._bell = Signal()
        self._complaint = Complaint("workers could not be called; they look for jobs each second")

    def start(self) -> None:
        """Begin to pass calls on."""
        gevent.spawn(self._pass_on)

    def ring(self) -> None:
        """Call a worker soon."""
        self._count += 1
        self._bell.set()

    def _pass_on(self) -> None:
        while True:
            self._bell.wait()
            self._bell.clear()
            count, self._count = self._count, 0
            try:
                for _ in range(min(count, MOST_CALLS - self._huey.pending_count())):
                    self._call()
            except Exception as error:
                # Redis is away; nothing depends on it.
                self._complaint.tell(error)


class _Consumer(Consumer):
    """huey's consumer without its hold on the signals, which are ours."""

    def _set_signal_handlers(self) -> None:
        pass


def start(app: Flask) -> None:
    """Have jobs run from this web process on: by itself, or, when there is a Redis, by workers that it calls."""
    if app.config["REDIS_URL"] is not None:
        caller = Caller(app)
        caller.start()
        queue.hang_up_bell(app, caller.ring)
        return
    runner = _start_runner(app)
    lifecycle.at_stop(runner.stop)
    # The server ends as soon as the last request has.
    atexit.register(_end, runner, WEB_STOP_SECONDS)


def work(app: Flask) -> None:
    """Run jobs in this worker process until it is asked to stop (SIGTERM, SIGINT)."""
    stop = Signal()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    if app.config["REDIS_URL"] is None:
        # Not an error: `honcho start` runs a worker beside the web process, and ends both when one ends.
        log.info("jobs run in the web process, as REDIS_URL is not set: this worker has nothing to do")
        _wait_for(stop)
        return
    runner = _start_runner(app)
    consumer = _listen(app, runner)
    log.info("worker started", workers=app.config["JOB_WORKERS"])
    _wait_for(stop)
    log.info("worker stops")
    consumer.stop()
    _end(runner, WORKER_STOP_SECONDS)


def _start_runner(app: Flask) -> Runner:
    runner = Runner(app, workers=app.config["JOB_WORKERS"])
    runner.start()
    queue.hang_up_bell(app, runner.ring)
    return runner


def _end(runner: Runner, timeout: float) -> None:
    runner.stop()
    if not runner.join(timeout):
        log.warning("jobs did not come to their next step; others take them over when their leases have run out")


def _listen(app: Flask, runner: Runner) -> Consumer:
    huey, _ = _huey(app, runner.ring)
    # Its scheduler has nothing to do, and asks Redis once a minute.
    consumer = _Consumer(
        huey,
        workers=1,
        worker_type="greenlet",
        periodic=False,
        scheduler_interval=60,
        initial_delay=1.0,
        max_delay=LONGEST_SILENCE_SECONDS,
        backoff=2,
        check_worker_health=False,
    )
    consumer.start()
    return consumer


def _huey(app: Flask, action: Callable[[], object]) -> tuple[RedisHuey, TaskWrapper]:
    """Return the queue of calls, and the task that does ``action`` where a call arrives."""
    pool = ConnectionPool.from_url(
        app.config["REDIS_URL"], socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS
    )
    # Its messages are pickled: only who has our key may send any.
    serializer = SignedSerializer(secret=app.config["SECRET_KEY"], salt="nxfs jobs")
    huey = RedisHuey("nxfs", results=False, serializer=serializer, connection_pool=pool)
    # Messages name the task by its module, which is this one's on both sides.
    return huey, huey.task(name="look_for_jobs")(lambda: action())


def _wait_for(stop: Signal) -> None:
    # With a timeout: waiting for signals alone, gevent thinks that nothing can happen any more.
    while not stop.wait(3600):
        pass
