"""What can go wrong with jobs."""

from __future__ import annotations

from nxfs.core.errors import ConflictError, NotFoundError, RateLimitExceededError
from nxfs.core.messages import Text


class JobNotFoundError(NotFoundError):
    """No such job, or one of somebody else."""

    message = Text("This job does not exist.", "Denne jobben finnes ikke.")


class JobFinishedError(ConflictError):
    """A job that has ended cannot be cancelled."""

    message = Text("This job has already ended.", "Denne jobben er allerede avsluttet.")


class JobNotEndedError(ConflictError):
    """Only a job that failed or was cancelled can be tried again."""

    message = Text(
        "Only a job that failed or was cancelled can be tried again.",
        "Bare en jobb som feilet eller ble avbrutt, kan prøves på nytt.",
    )


class TooManyJobsError(RateLimitExceededError):
    """Somebody has too many jobs that have not ended; it is worth trying again, also with the same key."""

    message = Text(
        "You have {most} jobs under way already. Wait until one has ended.",
        "Du har allerede {most} jobber i gang. Vent til en er ferdig.",
    )


class JobStopped(Exception):
    """Ends the work on a job from inside; base of the reasons below."""


class JobCancelled(JobStopped):
    """Somebody has cancelled the job."""


class JobInterrupted(JobStopped):
    """The process is about to end; another one goes on with the job."""


class LeaseLost(JobStopped):
    """Another runner has the job: this one was away for too long."""
