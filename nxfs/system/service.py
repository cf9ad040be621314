"""What people do with jobs: their own ones, and staff with all."""

from __future__ import annotations

from nxfs.core.actor import Actor
from nxfs.core.jobs import queue
from nxfs.system import policies


def cancel_job(*, actor: Actor, job_id: int) -> None:
    """Cancel a job: at once, or at its next step when it runs. Raises ``JobNotFoundError``, ``JobFinishedError``."""
    queue.cancel(actor_id=actor.id, job_id=job_id, condition=policies.manages_job(actor))


def retry_job(*, actor: Actor, job_id: int) -> None:
    """Queue a job again that failed or was cancelled; it goes on from where it was.

    Raises ``JobNotFoundError``, ``JobNotEndedError``, ``TooManyJobsError``.
    """
    queue.retry(actor_id=actor.id, job_id=job_id, condition=policies.manages_job(actor))
