"""Running jobs in tests: in the test's own greenlet, one after the other."""

from __future__ import annotations

from nxfs.core.jobs import leases
from nxfs.core.jobs.execution import execute


def run_due_jobs() -> int:
    """Run all jobs that are due, as a runner does, and return how many that were."""
    count = 0
    while (job := leases.claim(lambda: False)) is not None:
        execute(job)
        count += 1
    return count
