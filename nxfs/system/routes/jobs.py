"""``/api/jobs/``: work in the background, how far it is, and what came of it."""

from __future__ import annotations

from typing import Any

from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import ConflictError, NotFoundError, RateLimitExceededError
from nxfs.core.jobs.models import UNFINISHED
from nxfs.core.pagination import Page
from nxfs.system import service
from nxfs.system.queries import jobs as queries
from nxfs.system.schemas.jobs import JobDetailsSchema, JobQuerySchema, JobSchema

blp = Blueprint("jobs", __name__, url_prefix="/api/jobs", description="Work that goes on in the background.")

POLL_SECONDS = "1"
POLL_AGAIN = {
    "Retry-After": {
        "description": "After how many seconds to ask again; missing when the job has ended.",
        "schema": {"type": "integer"},
    }
}


@blp.route("/")
@login_required
@blp.paginated(JobSchema, JobQuerySchema)
def list_jobs(filters: dict[str, Any]) -> Page:
    """List your jobs, the newest first.

    Staff see the jobs of all, and those of the server itself.
    """
    return queries.list_jobs(actor=current_actor(), filters=filters)


@blp.route("/<id:job_id>/")
@login_required
@blp.response(200, JobDetailsSchema, headers=POLL_AGAIN)
@blp.raises(NotFoundError)
def get_job(job_id: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Show a job with its result.

    `download_url` is there when the job has made a file.
    """
    job = queries.get_job(actor=current_actor(), job_id=job_id)
    return job, {"Retry-After": POLL_SECONDS} if job["state"] in UNFINISHED else {}


@blp.route("/<id:job_id>/cancel/", methods=["POST"])
@login_required
@blp.response(200, JobSchema)
@blp.raises(NotFoundError, ConflictError)
def cancel_job(job_id: int) -> dict[str, Any]:
    """Cancel a job.

    One that runs stops at its next step, if it has one more; what it has done stays. 409 when it has ended.
    """
    service.cancel_job(actor=current_actor(), job_id=job_id)
    return queries.get_job(actor=current_actor(), job_id=job_id)


@blp.route("/<id:job_id>/retry/", methods=["POST"])
@login_required
@blp.response(200, JobSchema)
@blp.raises(NotFoundError, ConflictError, RateLimitExceededError)
def retry_job(job_id: int) -> dict[str, Any]:
    """Try a job again that failed or was cancelled.

    It goes on from where it was. 409 when it has not ended or has succeeded.
    """
    service.retry_job(actor=current_actor(), job_id=job_id)
    return queries.get_job(actor=current_actor(), job_id=job_id)
