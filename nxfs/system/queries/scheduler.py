"""Reading what is due at intervals: the table of entries, with what the leading process has written of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from nxfs.core import clock
from nxfs.core.leadership import Lease
from nxfs.core.scheduled_runs import Runs, read_runs
from nxfs.core.scheduler import LEASE_NAME, Scheduled, all_entries
from nxfs.extensions import db

# What is known may be as old as the last renewal of the lease; only what was due long before that has not been run.
LATE = timedelta(seconds=15)


def get_scheduler() -> dict[str, Any]:
    """Return who runs what is due at intervals, and the last run of each entry, as ``SchedulerSchema`` has them."""
    now, runs = clock.now(), read_runs()
    return {"leader": _find_leader(now), "entries": [_entry_of(entry, runs, now) for entry in all_entries()]}


def _find_leader(now: datetime) -> dict[str, Any] | None:
    columns = select(Lease.holder.label("process"), Lease.taken_at.label("since"), Lease.expires_at)
    lease = db.session.execute(columns.where(Lease.name == LEASE_NAME, Lease.expires_at > now)).one_or_none()
    return None if lease is None else dict(lease._mapping)


def _entry_of(entry: Scheduled, runs: Runs, now: datetime) -> dict[str, Any]:
    run = runs.find(entry.name)
    values = {
        "name": entry.name,
        "interval_seconds": entry.seconds,
        "in_every_process": entry.in_every_process,
        "is_running": False,
        "is_late": False,
        "next_run_at": None,
        "last_started_at": None,
        "last_finished_at": None,
        "last_duration_ms": None,
        "last_outcome": None,
        "last_failure": None,
        "run_count": 0,
    }
    if run is None:
        return values
    took = run.finished_at - run.started_at if run.started_at and run.finished_at and not run.is_running else None
    return values | {
        "is_running": run.is_running,
        "is_late": run.next_run_at < now - LATE,
        "next_run_at": run.next_run_at,
        "last_started_at": run.started_at,
        "last_finished_at": run.finished_at,
        "last_duration_ms": None if took is None else round(took.total_seconds() * 1000, 1),
        "last_outcome": run.outcome,
        "last_failure": run.failure,
        "run_count": run.run_count,
    }
