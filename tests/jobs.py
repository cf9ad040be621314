"""Running jobs in tests: in the test's own greenlet, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from nxfs.core.jobs import kinds, leases
from nxfs.core.jobs.execution import execute


def run_due_jobs() -> int:
    """Run all jobs that are due, as a runner does, and return how many that were."""
    count = 0
    while (job := leases.claim(lambda: False)) is not None:
        execute(job)
        count += 1
    return count


@contextmanager
def kept_kinds(app: Flask) -> Iterator[None]:
    """Give the application its own kinds of jobs again afterwards."""
    with app.app_context():
        own = list(kinds.all_kinds().values())
    try:
        yield
    finally:
        kinds.install(app, own)
