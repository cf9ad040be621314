"""``/api/admin/groups/`` and ``/api/admin/permissions/``: what users may do, and who gets it together."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.admin.queries import groups as queries
from nxfs.admin.queries import permissions as permission_queries
from nxfs.admin.schemas.groups import (
    GroupCreateSchema,
    GroupMemberQuerySchema,
    GroupMemberSchema,
    GroupMembersSchema,
    GroupQuerySchema,
    GroupSchema,
    GroupUpdateSchema,
    PermissionQuerySchema,
    PermissionSchema,
)
from nxfs.admin.service import group_members, groups
from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.batches import BatchQuerySchema, BatchUpdatedSchema, count_ids, is_batch, updated
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import ConflictError, ForbiddenError, NotFoundError
from nxfs.core.pagination import Page
from nxfs.core.versions import Precondition

blp = Blueprint("admin-groups", __name__, url_prefix="/api/admin", description="Groups of users, and what they may do.")


@blp.route("/permissions/")
@login_required
@blp.paginated(PermissionSchema, PermissionQuerySchema)
@blp.raises(ForbiddenError)
def list_permissions(filters: dict[str, Any]) -> Page:
    """List all permissions, with the roles that come with them."""
    return permission_queries.list_permissions(actor=current_actor(), filters=filters)


@blp.route("/groups/")
class Groups(MethodView):
    """All groups."""

    @login_required
    @blp.paginated(GroupSchema, GroupQuerySchema)
    @blp.raises(ForbiddenError)
    def get(self, filters: dict[str, Any]) -> Page:
        """List groups."""
        return queries.list_groups(actor=current_actor(), filters=filters)

    @login_required
    @blp.arguments(GroupCreateSchema)
    @blp.response(201, GroupSchema)
    @blp.raises(ForbiddenError, ConflictError)
    def post(self, values: dict[str, Any]) -> dict[str, Any]:
        """Create a group.

        Only with permissions that you have yourself.
        """
        group_id = groups.create_group(actor=current_actor(), values=values)
        return queries.get_group(actor=current_actor(), group_id=group_id)


@blp.route("/groups/<id:group_id>/")
class GroupById(MethodView):
    """One group."""

    @login_required
    @blp.response(200, GroupSchema)
    @blp.raises(ForbiddenError, NotFoundError)
    def get(self, group_id: int) -> dict[str, Any]:
        """Show a group."""
        return queries.get_group(actor=current_actor(), group_id=group_id)

    @login_required
    @blp.versioned
    @blp.arguments(GroupCreateSchema)
    @blp.response(200, GroupSchema)
    @blp.raises(ForbiddenError, NotFoundError, ConflictError)
    def put(self, values: dict[str, Any], group_id: int, precondition: Precondition) -> dict[str, Any]:
        """Replace a group's name, description and permissions.

        Every field that is left out takes its default; the members stay. Only a group whose permissions you all have.
        """
        groups.update_group(actor=current_actor(), group_id=group_id, values=values, precondition=precondition)
        return queries.get_group(actor=current_actor(), group_id=group_id)

    @login_required
    @blp.versioned
    @blp.arguments(GroupUpdateSchema(partial=True))
    @blp.response(200, GroupSchema)
    @blp.raises(ForbiddenError, NotFoundError, ConflictError)
    def patch(self, values: dict[str, Any], group_id: int, precondition: Precondition) -> dict[str, Any]:
        """Change fields of a group.

        Only of a group whose permissions you all have; its permissions only if nobody above you is a member.
        """
        groups.update_group(actor=current_actor(), group_id=group_id, values=values, precondition=precondition)
        return queries.get_group(actor=current_actor(), group_id=group_id)

    @login_required
    @blp.versioned
    @blp.response(204)
    @blp.raises(ForbiddenError, NotFoundError)
    def delete(self, group_id: int, precondition: Precondition) -> None:
        """Delete a group; its members lose what it gave them."""
        groups.delete_group(actor=current_actor(), group_id=group_id, precondition=precondition)


@blp.route("/groups/<id:group_id>/members/")
class GroupMembers(MethodView):
    """The members of a group."""

    @login_required
    @blp.paginated(GroupMemberSchema, GroupMemberQuerySchema)
    @blp.raises(ForbiddenError, NotFoundError)
    def get(self, filters: dict[str, Any], group_id: int) -> Page:
        """List the members of a group."""
        return queries.list_members(actor=current_actor(), group_id=group_id, filters=filters)

    @login_required
    @is_batch
    @blp.arguments(BatchQuerySchema, location="query")
    @blp.arguments(GroupMembersSchema)
    @blp.response(200, BatchUpdatedSchema)
    @blp.raises(ForbiddenError, NotFoundError)
    def post(self, options: dict[str, Any], values: dict[str, Any], group_id: int) -> dict[str, Any]:
        """Add members to a group.

        Those that do not exist or are above you are named in the answer; the others become members.
        """
        actor, user_ids = current_actor(), values["user_ids"]
        count_ids(user_ids)
        failures = group_members.add_members(actor=actor, group_id=group_id, user_ids=user_ids, **options)
        return updated(user_ids, failures, language=actor.language)

    @login_required
    @is_batch
    @blp.arguments(BatchQuerySchema, location="query")
    @blp.arguments(GroupMembersSchema)
    @blp.response(200, BatchUpdatedSchema)
    @blp.raises(ForbiddenError, NotFoundError)
    def delete(self, options: dict[str, Any], values: dict[str, Any], group_id: int) -> dict[str, Any]:
        """Take members out of a group.

        Those that do not exist or are above you are named in the answer; the others are members no longer.
        """
        actor, user_ids = current_actor(), values["user_ids"]
        count_ids(user_ids)
        failures = group_members.remove_members(actor=actor, group_id=group_id, user_ids=user_ids, **options)
        return updated(user_ids, failures, language=actor.language)
