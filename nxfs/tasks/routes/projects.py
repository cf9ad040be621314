"""``/api/tasks/projects/``: projects, their members and their tasks."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.errors import BusinessRuleError, ConflictError, ForbiddenError, NotFoundError
from nxfs.core.pagination import Page
from nxfs.core.versions import Precondition
from nxfs.tasks.queries import projects as queries
from nxfs.tasks.schemas.projects import (
    ProjectCreateSchema,
    ProjectMemberInputSchema,
    ProjectMemberSchema,
    ProjectQuerySchema,
    ProjectReplaceSchema,
    ProjectSchema,
    ProjectStatisticsSchema,
    ProjectTaskSchema,
    ProjectUpdateSchema,
)
from nxfs.tasks.service import projects as service

blp = Blueprint("projects", __name__, url_prefix="/api/tasks/projects", description="Projects and their members.")


@blp.route("/")
class Projects(MethodView):
    """All projects that the actor sees."""

    @login_required
    @blp.paginated(ProjectSchema, ProjectQuerySchema)
    def get(self, filters: dict[str, Any]) -> Page:
        """List the projects that you own or work on."""
        return queries.list_projects(actor=current_actor(), filters=filters)

    @login_required
    @blp.arguments(ProjectCreateSchema, location="json_or_form")
    @blp.response(201, ProjectSchema)
    def post(self, values: dict[str, Any]) -> Any:
        """Create a project."""
        project_id = service.create_project(actor=current_actor(), values=values)
        return queries.get_project(actor=current_actor(), project_id=project_id)


@blp.route("/<id:project_id>/")
class ProjectById(MethodView):
    """One project."""

    @login_required
    @blp.response(200, ProjectSchema)
    @blp.raises(NotFoundError)
    def get(self, project_id: int) -> Any:
        """Show a project."""
        return queries.get_project(actor=current_actor(), project_id=project_id)

    @login_required
    @blp.versioned
    @blp.arguments(ProjectReplaceSchema, location="json_or_form")
    @blp.response(200, ProjectSchema)
    @blp.raises(NotFoundError)
    def put(self, values: dict[str, Any], project_id: int, precondition: Precondition) -> Any:
        """Replace a project.

        Every field that is left out takes its default; its tasks stay.
        """
        service.update_project(actor=current_actor(), project_id=project_id, values=values, precondition=precondition)
        return queries.get_project(actor=current_actor(), project_id=project_id)

    @login_required
    @blp.versioned
    @blp.arguments(ProjectUpdateSchema(partial=True), location="json_or_form")
    @blp.response(200, ProjectSchema)
    @blp.raises(NotFoundError)
    def patch(self, values: dict[str, Any], project_id: int, precondition: Precondition) -> Any:
        """Change fields of a project."""
        service.update_project(actor=current_actor(), project_id=project_id, values=values, precondition=precondition)
        return queries.get_project(actor=current_actor(), project_id=project_id)

    @login_required
    @blp.versioned
    @blp.response(204)
    @blp.raises(NotFoundError, ForbiddenError)
    def delete(self, project_id: int, precondition: Precondition) -> None:
        """Delete a project with its pictures; its tasks stay."""
        service.delete_project(actor=current_actor(), project_id=project_id, precondition=precondition)


@blp.route("/<id:project_id>/duplicate/", methods=["POST"])
@login_required
@blp.response(201, ProjectSchema)
@blp.raises(NotFoundError, BusinessRuleError)
def duplicate_project(project_id: int) -> Any:
    """Create a copy of a project with its tasks, all open.

    Pictures are not copied, neither those of the project nor those of its tasks.
    """
    copy_id = service.duplicate_project(actor=current_actor(), project_id=project_id)
    return queries.get_project(actor=current_actor(), project_id=copy_id)


@blp.route("/<id:project_id>/stats/")
@login_required
@blp.response(200, ProjectStatisticsSchema)
@blp.raises(NotFoundError)
def show_project_statistics(project_id: int) -> dict[str, Any]:
    """Show how far a project is."""
    return queries.get_statistics(actor=current_actor(), project_id=project_id)


@blp.route("/<id:project_id>/add-task/", methods=["POST"])
@login_required
@blp.arguments(ProjectTaskSchema, location="json_or_form")
@blp.response(200, ProjectSchema)
@blp.raises(NotFoundError)
def add_project_task(values: dict[str, Any], project_id: int) -> Any:
    """Move a task into a project."""
    service.add_task(actor=current_actor(), project_id=project_id, task_id=values["task_id"])
    return queries.get_project(actor=current_actor(), project_id=project_id)


@blp.route("/<id:project_id>/remove-task/", methods=["POST"])
@login_required
@blp.arguments(ProjectTaskSchema, location="json_or_form")
@blp.response(200, ProjectSchema)
@blp.raises(NotFoundError, BusinessRuleError)
def remove_project_task(values: dict[str, Any], project_id: int) -> Any:
    """Take a task out of a project."""
    service.remove_task(actor=current_actor(), project_id=project_id, task_id=values["task_id"])
    return queries.get_project(actor=current_actor(), project_id=project_id)


@blp.route("/<id:project_id>/members/")
class ProjectMembers(MethodView):
    """The people of a project."""

    @login_required
    @blp.paginated(ProjectMemberSchema, PageQuerySchema)
    def get(self, filters: dict[str, Any], project_id: int) -> Page:
        """List the owner and the members of a project."""
        return queries.list_members(actor=current_actor(), project_id=project_id, filters=filters)

    @login_required
    @blp.arguments(ProjectMemberInputSchema, location="json_or_form")
    @blp.response(201, ProjectMemberSchema)
    @blp.raises(NotFoundError, ForbiddenError, ConflictError)
    def post(self, values: dict[str, Any], project_id: int) -> Any:
        """Add a member to a project."""
        service.add_member(actor=current_actor(), project_id=project_id, user_id=values["user_id"])
        return queries.get_member(project_id=project_id, user_id=values["user_id"])


@blp.route("/<id:project_id>/members/<id:user_id>/", methods=["DELETE"])
@login_required
@blp.response(204)
@blp.raises(NotFoundError, ForbiddenError)
def remove_project_member(project_id: int, user_id: int) -> None:
    """Remove a member from a project, or leave it."""
    service.remove_member(actor=current_actor(), project_id=project_id, user_id=user_id)
