"""``/api/tasks/{id}/images/`` and ``/api/tasks/projects/{id}/images/``: pictures."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.errors import BusinessRuleError, NotFoundError, ServiceUnavailableError
from nxfs.core.pagination import Page
from nxfs.tasks.queries import images as queries
from nxfs.tasks.queries.images import OF_PROJECTS, OF_TASKS
from nxfs.tasks.schemas.images import ImageUploadSchema, ProjectImageSchema, TaskImageSchema
from nxfs.tasks.service import images as service

blp = Blueprint("images", __name__, url_prefix="/api/tasks", description="Pictures of tasks and projects.")
UPLOAD_ERRORS = (NotFoundError, BusinessRuleError, ServiceUnavailableError)


@blp.route("/<id:task_id>/images/")
class TaskImages(MethodView):
    """The pictures of a task."""

    @login_required
    @blp.paginated(TaskImageSchema, PageQuerySchema)
    def get(self, filters: dict[str, Any], task_id: int) -> Page:
        """List the pictures of a task."""
        return queries.list_images(OF_TASKS, actor=current_actor(), owner_id=task_id, filters=filters)

    @login_required
    @blp.arguments(ImageUploadSchema, location="upload")
    @blp.response(201, TaskImageSchema)
    @blp.raises(*UPLOAD_ERRORS)
    def post(self, values: dict[str, Any], task_id: int) -> Any:
        """Add a picture to a task.

        At most 50; where the picture was taken, and what else is in its metadata, is removed.
        """
        return _add_task_image(values, task_id)


@blp.route("/<id:task_id>/upload_image/", methods=["POST"])
@login_required
@blp.arguments(ImageUploadSchema, location="upload")
@blp.response(201, TaskImageSchema)
@blp.raises(*UPLOAD_ERRORS)
def upload_task_image(values: dict[str, Any], task_id: int) -> Any:
    """Add a picture to a task, as `images/` does."""
    return _add_task_image(values, task_id)


@blp.route("/<id:task_id>/images/<id:image_id>/", methods=["DELETE"])
@login_required
@blp.response(204)
@blp.raises(NotFoundError)
def remove_task_image(task_id: int, image_id: int) -> None:
    """Delete a picture of a task."""
    service.remove_image(OF_TASKS, actor=current_actor(), owner_id=task_id, image_id=image_id)


@blp.route("/projects/<id:project_id>/images/")
class ProjectImages(MethodView):
    """The pictures of a project."""

    @login_required
    @blp.paginated(ProjectImageSchema, PageQuerySchema)
    def get(self, filters: dict[str, Any], project_id: int) -> Page:
        """List the pictures of a project."""
        return queries.list_images(OF_PROJECTS, actor=current_actor(), owner_id=project_id, filters=filters)

    @login_required
    @blp.arguments(ImageUploadSchema, location="upload")
    @blp.response(201, ProjectImageSchema)
    @blp.raises(*UPLOAD_ERRORS)
    def post(self, values: dict[str, Any], project_id: int) -> Any:
        """Add a picture to a project.

        At most 50; where the picture was taken, and what else is in its metadata, is removed.
        """
        return _add_project_image(values, project_id)


@blp.route("/projects/<id:project_id>/upload_image/", methods=["POST"])
@login_required
@blp.arguments(ImageUploadSchema, location="upload")
@blp.response(201, ProjectImageSchema)
@blp.raises(*UPLOAD_ERRORS)
def upload_project_image(values: dict[str, Any], project_id: int) -> Any:
    """Add a picture to a project, as `images/` does."""
    return _add_project_image(values, project_id)


@blp.route("/projects/<id:project_id>/images/<id:image_id>/", methods=["DELETE"])
@login_required
@blp.response(204)
@blp.raises(NotFoundError)
def remove_project_image(project_id: int, image_id: int) -> None:
    """Delete a picture of a project."""
    service.remove_image(OF_PROJECTS, actor=current_actor(), owner_id=project_id, image_id=image_id)


def _add_task_image(values: dict[str, Any], task_id: int) -> Any:
    upload, caption = values["image"], values["caption"]
    image_id = service.add_image(OF_TASKS, actor=current_actor(), owner_id=task_id, upload=upload, caption=caption)
    return queries.get_image(OF_TASKS, image_id=image_id)


def _add_project_image(values: dict[str, Any], project_id: int) -> Any:
    upload, caption = values["image"], values["caption"]
    actor = current_actor()
    image_id = service.add_image(OF_PROJECTS, actor=actor, owner_id=project_id, upload=upload, caption=caption)
    return queries.get_image(OF_PROJECTS, image_id=image_id)
