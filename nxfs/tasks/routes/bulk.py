"""``/api/tasks/bulk-…``: many tasks at once, or by a background job."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.batches import (
    BatchDeletedSchema,
    BatchUpdatedSchema,
    LargeBatchQuerySchema,
    deleted,
    is_job,
    is_large_batch,
    queued_answer,
    updated,
)
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.api.jobs import LOCATION, QueuedJobSchema
from nxfs.tasks.schemas.bulk import TaskBatchSchema, TaskBatchStatusSchema, TaskBatchUpdateSchema
from nxfs.tasks.service import bulk as service
from nxfs.tasks.service import bulk_jobs as jobs

blp = Blueprint("bulk", __name__, url_prefix="/api/tasks", description="Changes to many tasks at once.")


@blp.route("/bulk-update/", methods=["POST"])
@login_required
@is_large_batch
@blp.arguments(LargeBatchQuerySchema, location="query")
@blp.arguments(TaskBatchUpdateSchema)
@blp.response(202, QueuedJobSchema, headers=LOCATION)
@blp.response(200, BatchUpdatedSchema)
def bulk_update_tasks(options: dict[str, Any], values: dict[str, Any]) -> Any:
    """Change many tasks alike.

    Up to 1,000 are changed at once, more by a background job. Those that do not exist for you are named in the answer.
    """
    return _update(options, values["task_ids"], values["updates"])


@blp.route("/bulk-update-status/", methods=["POST"])
@login_required
@is_large_batch
@blp.arguments(LargeBatchQuerySchema, location="query")
@blp.arguments(TaskBatchStatusSchema)
@blp.response(202, QueuedJobSchema, headers=LOCATION)
@blp.response(200, BatchUpdatedSchema)
def bulk_update_task_status(options: dict[str, Any], values: dict[str, Any]) -> Any:
    """Change the status of many tasks."""
    return _update(options, values["task_ids"], {"status": values["status"]})


@blp.route("/bulk-delete/")
class BulkDeleteTasks(MethodView):
    """Many tasks to delete."""

    @login_required
    @is_large_batch
    @blp.arguments(LargeBatchQuerySchema, location="query")
    @blp.arguments(TaskBatchSchema)
    @blp.response(202, QueuedJobSchema, headers=LOCATION)
    @blp.response(200, BatchDeletedSchema)
    def delete(self, options: dict[str, Any], values: dict[str, Any]) -> Any:
        """Delete many tasks with their pictures.

        Up to 1,000 are deleted at once, more by a background job. The answer names those that you may not delete.
        """
        return _delete(options, values["task_ids"])

    @login_required
    @is_large_batch
    @blp.arguments(LargeBatchQuerySchema, location="query")
    @blp.arguments(TaskBatchSchema)
    @blp.response(202, QueuedJobSchema, headers=LOCATION)
    @blp.response(200, BatchDeletedSchema)
    def post(self, options: dict[str, Any], values: dict[str, Any]) -> Any:
        """Delete many tasks, for clients whose DELETE has no body."""
        return _delete(options, values["task_ids"])


def _update(options: dict[str, Any], task_ids: list[int], updates: dict[str, Any]) -> Any:
    actor, is_dry = current_actor(), options["dry_run"]
    if is_job(task_ids, options, named="task_ids"):
        job_id = jobs.queue_update(actor=actor, task_ids=task_ids, values=updates, dry_run=is_dry)
        return queued_answer(job_id, jobs.UPDATE)
    failures = service.update_tasks(
        actor=actor, task_ids=task_ids, values=updates, atomic=options["atomic"], dry_run=is_dry
    )
    return updated(task_ids, failures, language=actor.language)


def _delete(options: dict[str, Any], task_ids: list[int]) -> Any:
    actor, is_dry = current_actor(), options["dry_run"]
    if is_job(task_ids, options, named="task_ids"):
        job_id = jobs.queue_deletion(actor=actor, task_ids=task_ids, dry_run=is_dry)
        return queued_answer(job_id, jobs.DELETE)
    failures = service.delete_tasks(actor=actor, task_ids=task_ids, atomic=options["atomic"], dry_run=is_dry)
    return deleted(task_ids, failures)
