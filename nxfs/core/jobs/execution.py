"""Running one job to its end, and writing down how it ended."""

from __future__ import annotations

import structlog

from nxfs.core import audit
from nxfs.core.errors import APIError
from nxfs.core.jobs import leases
from nxfs.core.jobs.errors import JobCancelled, JobInterrupted, LeaseLost
from nxfs.core.jobs.kinds import all_kinds
from nxfs.core.jobs.running import RunningJob
from nxfs.core.transaction import release_connection

log = structlog.get_logger("nxfs.jobs")


def execute(job: RunningJob) -> None:
    """Do what the job's kind does, within an application context; whatever it raises is an end of the job too.

    Raises ``SQLAlchemyError`` when nothing can be written of how it went: its lease runs out, and it is taken over.
    """
    told = log.bind(job=job.id, kind=job.kind)
    former_origin = audit.origin.set(job.origin)
    try:
        told.info("job begins", attempt=job.attempt)
        result = all_kinds()[job.kind].run(job)
        release_connection()
        leases.succeed(job, result)
        told.info("job succeeded")
    except JobInterrupted:
        leases.give_back(job)
        told.info("job given back")
    except JobCancelled:
        leases.cancel(job)
        told.info("job cancelled")
    except LeaseLost:
        told.warning("job taken over by another runner")
    except APIError as error:
        told.warning("job failed", error=str(error))
        # What is our fault, or somebody's behind us, may go well later; what is not, will not.
        leases.fail(job, failure=repr(error), error=error.message if error.status < 500 else None)
    except Exception as error:
        told.error("job failed", exc_info=error)
        leases.fail(job, failure=f"{type(error).__name__}: {error}")
    finally:
        audit.origin.reset(former_origin)
