"""``flask jobs``: what runs in the background, and stepping in."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import Row, true

from nxfs.cli.output import print_fields, print_table, sentences
from nxfs.config import PROJECT_ROOT
from nxfs.core.jobs import queries, queue
from nxfs.core.jobs.models import STATES

HEADINGS = ("ID", "STATE", "KIND", "PROGRESS", "ATTEMPTS", "OWNER", "QUEUED")

jobs = AppGroup("jobs", help="Look at background jobs, try them again, cancel them, run a worker.")


@jobs.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only jobs in this state.")
@click.option("--kind", help="Only jobs of this kind, for example tasks.bulk_update.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
def list_jobs(state: str | None, kind: str | None, limit: int) -> None:
    """List jobs, those queued last first."""
    found = queries.list_newest(state=state, kind=kind, most=limit)
    if not found:
        click.echo("There are no such jobs.")
        return
    print_table(HEADINGS, [_cells(job) for job in found])


@jobs.command("show")
@click.argument("job_id", metavar="ID", type=int)
def show(job_id: int) -> None:
    """Show all that is known of the job ID, its result included.

    Ends with exit code 1 when there is no such job.
    """
    with sentences():
        job = queries.get_job(true(), job_id)
    print_fields({name: value for name, value in job._mapping.items() if name != "result"})
    if job.result is not None:
        click.echo(json.dumps(job.result, indent=2, ensure_ascii=False))


@jobs.command("retry")
@click.argument("job_id", metavar="ID", type=int)
def retry(job_id: int) -> None:
    """Queue the job ID again, which failed or was cancelled. It goes on from where it was.

    Ends with exit code 1 when there is no such job, or it has not ended or succeeded.
    """
    _step_in(queue.retry, job_id)
    click.echo(f"Job {job_id} is queued again.")


@jobs.command("cancel")
@click.argument("job_id", metavar="ID", type=int)
def cancel(job_id: int) -> None:
    """Cancel the job ID: at once when it is queued, at its next step when it runs. What it has done stays.

    Ends with exit code 1 when there is no such job, or it has ended.
    """
    _step_in(queue.cancel, job_id)
    click.echo(f"Job {job_id} is cancelled, or will be at its next step.")


@jobs.command("worker")
def worker() -> None:
    """Run jobs in this process until it is asked to stop (SIGTERM, SIGINT).

    Needs REDIS_URL; without it jobs run in the web process, and the worker only says so.
    """
    # It has to begin anew: gevent's patches come before any import.
    os.execv(sys.executable, [sys.executable, str(PROJECT_ROOT / "worker.py")])


def _step_in(action: Callable[..., None], job_id: int) -> None:
    with sentences():
        action(actor_id=None, job_id=job_id, condition=true())


def _cells(job: Row[Any]) -> tuple[Any, ...]:
    state = "cancelling" if job.cancel_requested and job.finished_at is None else job.state
    progress = f"{job.done}/{'?' if job.total is None else job.total}"
    return (job.id, state, job.kind, progress, job.attempts, job.owner_id, job.created_at)
