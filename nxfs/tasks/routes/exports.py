"""``/api/tasks/export/``: tasks as a file."""

from __future__ import annotations

from typing import Any

from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.api.jobs import LOCATION, QueuedJobSchema, queued
from nxfs.core.errors import RateLimitExceededError
from nxfs.core.limits.requests import limited_as
from nxfs.tasks.schemas.exports import TaskExportSchema
from nxfs.tasks.service import exports as service

blp = Blueprint("task_exports", __name__, url_prefix="/api/tasks", description="Tasks as CSV, XLSX or JSON.")


@blp.route("/export/", methods=["POST"])
@login_required
@limited_as("export")
@blp.arguments(TaskExportSchema)
@blp.response(202, QueuedJobSchema, headers=LOCATION)
@blp.raises(RateLimitExceededError)
def export_tasks(values: dict[str, Any]) -> Any:
    """Export the tasks that you see, filtered, to a file.

    A background job makes it, of what you see by then; when the job has succeeded, its result says where the file is.
    It is kept as long as the job.
    """
    job_id = service.queue_export(actor=current_actor(), **values)
    return queued(job_id, service.KIND)
