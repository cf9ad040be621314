"""``/api/tasks/``: tasks."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask.views import MethodView

from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import ForbiddenError, NotFoundError
from nxfs.core.pagination import Page
from nxfs.core.versions import Precondition
from nxfs.tasks.queries import tasks as queries
from nxfs.tasks.schemas.tasks import (
    FiltersAppliedSchema,
    TaskCreateSchema,
    TaskQuerySchema,
    TaskSchema,
    TaskUpdateSchema,
)
from nxfs.tasks.service import tasks as service

blp = Blueprint("tasks", __name__, url_prefix="/api/tasks", description="Tasks, with filters and full-text search.")


@blp.route("/")
class Tasks(MethodView):
    """All tasks that the actor sees."""

    @login_required
    @blp.paginated(TaskSchema, TaskQuerySchema, filters_applied=ma.fields.Nested(FiltersAppliedSchema, required=True))
    def get(self, filters: dict[str, Any]) -> Page:
        """List the tasks that you see, filtered."""
        return queries.list_tasks(actor=current_actor(), filters=filters)

    @login_required
    @blp.arguments(TaskCreateSchema, location="json_or_form")
    @blp.response(201, TaskSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Create a task."""
        task_id = service.create_task(actor=current_actor(), values=values)
        return queries.get_task(actor=current_actor(), task_id=task_id)


@blp.route("/<id:task_id>/")
class TaskById(MethodView):
    """One task."""

    @login_required
    @blp.response(200, TaskSchema)
    @blp.raises(NotFoundError)
    def get(self, task_id: int) -> Any:
        """Show a task."""
        return queries.get_task(actor=current_actor(), task_id=task_id)

    @login_required
    @blp.versioned
    @blp.arguments(TaskCreateSchema, location="json_or_form")
    @blp.response(200, TaskSchema)
    @blp.raises(NotFoundError)
    def put(self, values: dict[str, Any], task_id: int, precondition: Precondition) -> Any:
        """Replace a task.

        Every field that is left out takes its default.
        """
        service.update_task(actor=current_actor(), task_id=task_id, values=values, precondition=precondition)
        return queries.get_written_task(task_id=task_id)

    @login_required
    @blp.versioned
    @blp.arguments(TaskUpdateSchema(partial=True), location="json_or_form")
    @blp.response(200, TaskSchema)
    @blp.raises(NotFoundError)
    def patch(self, values: dict[str, Any], task_id: int, precondition: Precondition) -> Any:
        """Change fields of a task."""
        service.update_task(actor=current_actor(), task_id=task_id, values=values, precondition=precondition)
        return queries.get_written_task(task_id=task_id)

    @login_required
    @blp.versioned
    @blp.response(204)
    @blp.raises(NotFoundError, ForbiddenError)
    def delete(self, task_id: int, precondition: Precondition) -> None:
        """Delete a task with its pictures."""
        service.delete_task(actor=current_actor(), task_id=task_id, precondition=precondition)


@blp.route("/<id:task_id>/duplicate/", methods=["POST"])
@login_required
@blp.response(201, TaskSchema)
@blp.raises(NotFoundError)
def duplicate_task(task_id: int) -> Any:
    """Create an open copy of a task.

    Its pictures are not copied.
    """
    copy_id = service.duplicate_task(actor=current_actor(), task_id=task_id)
    return queries.get_task(actor=current_actor(), task_id=copy_id)
