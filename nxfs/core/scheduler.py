"""Work that is due at intervals: each domain's SCHEDULE, run by APScheduler in the web process that leads."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import gevent
import structlog
from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.schedulers.gevent import GeventScheduler
from apscheduler.triggers.interval import IntervalTrigger
from flask import Flask, current_app
from gevent import Greenlet
from gevent.event import Event as Signal

from nxfs.core import clock, leadership, lifecycle
from nxfs.core.leadership import Leadership
from nxfs.core.scheduled_runs import Runs, read_runs
from nxfs.core.turns import let_others_run

LEASE_NAME = "scheduler"
# A process that stops waits this long for the end of runs, which then need not be repeated; it is about to be gone.
FAREWELL_SECONDS = 0.5
FAREWELL_PAUSE_SECONDS = 0.02
LONGEST_FAREWELL_SECONDS = 3.0
_KEY = "nxfs.schedule"

log = structlog.get_logger("nxfs.scheduler")
# It tells of each moment that a long run lets pass, as if it were skipped; we tell once, and make up for it.
_timer_log = logging.getLogger("nxfs.scheduler.timer")
_timer_log.setLevel(logging.ERROR)


@dataclass(frozen=True)
class Scheduled:
    """A function to call every ``seconds``, by the leading process, or ``in_every_process``.

    It has to be right even when it runs twice: a leader may be lost in the middle.
    """

    name: str
    run: Callable[[], object]
    seconds: float
    in_every_process: bool = False


def install(app: Flask, entries: Iterable[Scheduled]) -> None:
    """Let ``app`` know what is due at intervals."""
    app.extensions[_KEY] = tuple(entries)


def all_entries() -> Sequence[Scheduled]:
    """Return what is due at intervals in the running application."""
    entries: Sequence[Scheduled] = current_app.extensions[_KEY]
    return entries


def start(app: Flask) -> None:
    """Run what is due, as far as it is for this process, until it ends."""
    scheduler = Scheduler(app, Leadership(LEASE_NAME, leadership.process_name()))
    scheduler.start()
    lifecycle.at_stop(scheduler.stop)
    # A server without requests under way does not wait for what it told greenlets to do.
    atexit.register(scheduler.join, LONGEST_FAREWELL_SECONDS)


class Scheduler:
    """Runs what is for every process, and all the rest as long as ``leader`` leads.

    An entry never runs twice at the same time in a process. What becomes due while its former run goes on is late, not
    skipped: it runs when that ends, once for all moments that have passed.
    """

    def __init__(self, app: Flask, leader: Leadership) -> None:
        self._app = app
        self._leader = leader
        self._entries: Sequence[Scheduled] = app.extensions[_KEY]
        # However late a moment is noticed, there is a run for it; those that were missed are made up for by one.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._timer = GeventScheduler(timezone="UTC", job_defaults=defaults, logger=_timer_log)
        self._runs = Runs()
        self._is_in_charge = False
        self._under_way: set[str] = set()
        self._late: set[str] = set()
        self._is_stopping = Signal()
        self._watch: Greenlet | None = None

    def start(self) -> None:
        """Begin: what is for every process runs at once."""
        self._timer.add_listener(self._note_late, EVENT_JOB_MAX_INSTANCES)
        self._timer.start()
        for entry in self._entries:
            if entry.in_every_process:
                self._add(entry, clock.now())
        self._watch = gevent.spawn(self._keep_watch)

    def stop(self) -> None:
        """Begin no more runs, write how they went, and let another process lead; returns at once."""
        self._is_stopping.set()

    def join(self, timeout: float) -> bool:
        """Stop, and wait until that is done, for at most ``timeout`` seconds; return whether it is."""
        self.stop()
        gevent.joinall([self._watch] if self._watch else [], timeout=timeout)
        return self._watch is None or self._watch.dead

    def kill(self) -> None:
        """End at once, as a crash would: another process leads when the lease has run out."""
        gevent.killall([self._watch] if self._watch else [])
        self._timer.shutdown(wait=False)

    def _keep_watch(self) -> None:
        while not self._is_stopping.is_set():
            self._survive(self._renew, "renewing the lease failed")
            if self._is_in_charge and not self._leader.is_leading:
                self._lay_down()
            self._is_stopping.wait(leadership.RENEWAL_SECONDS)
        self._timer.shutdown(wait=False)
        give_up_at = monotonic() + FAREWELL_SECONDS
        while self._under_way and monotonic() < give_up_at:
            gevent.sleep(FAREWELL_PAUSE_SECONDS)
        self._survive(lambda: self._leader.resign(self._runs.write), "giving up the lease failed")

    def _survive(self, action: Callable[[], object], complaint: str) -> None:
        try:
            with self._app.app_context():
                action()
        except Exception as error:
            # The database may be away. Nobody else would go on if this greenlet ended.
            log.error(complaint, exc_info=error)

    def _renew(self) -> None:
        is_new_term = self._leader.renew(self._runs.write)
        if is_new_term and self._is_in_charge:
            # Whoever led meanwhile, if anybody, knows better what is due.
            self._lay_down()
        if self._leader.is_leading and not self._is_in_charge:
            self._take_up()

    def _take_up(self) -> None:
        runs = read_runs()
        runs.end_lost()
        self._runs, self._is_in_charge = runs, True
        for entry in self._entries:
            if not entry.in_every_process:
                self._add(entry, _next_moment(entry, runs))
        log.info("scheduler leads", process=self._leader.holder)

    def _lay_down(self) -> None:
        for entry in self._entries:
            if not entry.in_every_process:
                self._timer.remove_job(entry.name)
        # Others write from now on. Runs that still go on end in the former memory, which nobody reads.
        self._runs, self._is_in_charge = Runs(), False
        log.warning("scheduler leads no longer", process=self._leader.holder)

    def _add(self, entry: Scheduled, moment: datetime) -> None:
        interval = IntervalTrigger(seconds=entry.seconds, timezone="UTC")
        self._timer.add_job(self._run, interval, id=entry.name, args=(entry,), next_run_time=moment)

    def _note_late(self, event: JobSubmissionEvent) -> None:
        if event.job_id not in self._late:
            self._late.add(event.job_id)
            log.warning("scheduled run is late: the former one goes on", entry=event.job_id)

    def _run(self, entry: Scheduled) -> None:
        while True:
            self._late.discard(entry.name)
            self._run_once(entry)
            if entry.name not in self._late:
                return
            let_others_run()

    def _run_once(self, entry: Scheduled) -> None:
        timer_job = self._timer.get_job(entry.name)
        # Asked of the clocks, right before: this process may just have woken up from a long sleep.
        is_ours = entry.in_every_process or (self._is_in_charge and self._leader.is_leading)
        if timer_job is None or not is_ours:
            return
        # Those of the present term: another one may have begun when the run ends.
        runs, failure = self._runs, None
        runs.begin(entry.name, next_run_at=timer_job.next_run_time)
        self._under_way.add(entry.name)
        try:
            with self._app.app_context():
                entry.run()
        except Exception as error:
            # The next run may succeed; nobody else waits for this one.
            log.error("scheduled run failed", entry=entry.name, exc_info=error)
            failure = f"{type(error).__name__}: {error}"
        finally:
            self._under_way.discard(entry.name)
        runs.end(entry.name, failure)


def _next_moment(entry: Scheduled, runs: Runs) -> datetime:
    """Return when ``entry`` is due next: at once when it never ran or is late, and never later than its interval."""
    now = clock.now()
    run = runs.find(entry.name)
    return now if run is None else min(max(run.next_run_at, now), now + timedelta(seconds=entry.seconds))
