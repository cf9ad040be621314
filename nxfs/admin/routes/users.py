"""``/api/admin/users/``: accounts, for those who administer them."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.admin.queries import users as queries
from nxfs.admin.schemas.users import (
    ActivitySchema,
    AdminUserSchema,
    NewPasswordSchema,
    NewUserSchema,
    PasswordResetResultSchema,
    UserDeletionQuerySchema,
    UserQuerySchema,
    UserUpdateByAdminSchema,
)
from nxfs.admin.service import reading
from nxfs.admin.service import users as service
from nxfs.auth.guards import current_actor, login_required
from nxfs.auth.schemas import EndedSessionsSchema, SessionQuerySchema, SessionSchema
from nxfs.core import http
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import BusinessRuleError, ConflictError, ForbiddenError, NotFoundError
from nxfs.core.messages import Text, translate
from nxfs.core.pagination import Page
from nxfs.core.versions import Precondition

blp = Blueprint("admin_users", __name__, url_prefix="/api/admin/users", description="Accounts, for administrators.")

LINK_SENT = Text("A link for a new password is on its way.", "En lenke til et nytt passord er på vei.")
PASSWORD_SET = Text(
    "The password is set. It has to be changed at the next sign-in.",
    "Passordet er satt. Det må endres ved neste innlogging.",
)


@blp.route("/")
class Users(MethodView):
    """All accounts."""

    @login_required
    @blp.paginated(AdminUserSchema, UserQuerySchema)
    @blp.raises(ForbiddenError)
    def get(self, filters: dict[str, Any]) -> Page:
        """List accounts, the newest first."""
        return reading.list_users(actor=current_actor(), filters=filters)

    @login_required
    @blp.arguments(NewUserSchema(partial=("password",)))
    @blp.response(201, AdminUserSchema)
    @blp.raises(ForbiddenError, ConflictError, BusinessRuleError)
    def post(self, values: dict[str, Any]) -> dict[str, Any]:
        """Create an account.

        Without a password the user is sent a link to choose one, which works for seven days; with a password, the user
        has to choose another one at the first sign-in.
        """
        password = values.pop("password", None)
        return queries.get_user(service.create_user(actor=current_actor(), values=values, password=password))


@blp.route("/<id:user_id>/")
class Account(MethodView):
    """One account."""

    @login_required
    @blp.response(200, AdminUserSchema)
    @blp.raises(ForbiddenError, NotFoundError)
    def get(self, user_id: int) -> dict[str, Any]:
        """Show an account."""
        return reading.view_user(actor=current_actor(), user_id=user_id)

    @login_required
    @blp.arguments(UserUpdateByAdminSchema(partial=True))
    @blp.response(200, AdminUserSchema)
    @blp.versioned
    @blp.raises(ForbiddenError, NotFoundError, ConflictError, BusinessRuleError)
    def put(self, values: dict[str, Any], user_id: int, precondition: Precondition) -> dict[str, Any]:
        """Change an account.

        Fields that are left out stay as they are, as with PATCH.
        """
        service.update_user(actor=current_actor(), user_id=user_id, values=values, precondition=precondition)
        return queries.get_user(user_id)

    @login_required
    @blp.arguments(UserUpdateByAdminSchema(partial=True))
    @blp.response(200, AdminUserSchema)
    @blp.versioned
    @blp.raises(ForbiddenError, NotFoundError, ConflictError, BusinessRuleError)
    def patch(self, values: dict[str, Any], user_id: int, precondition: Precondition) -> dict[str, Any]:
        """Change fields of an account.

        `user_permissions` and `groups` replace what there was. A change counts everywhere within a second.
        """
        service.update_user(actor=current_actor(), user_id=user_id, values=values, precondition=precondition)
        return queries.get_user(user_id)

    @login_required
    @blp.arguments(UserDeletionQuerySchema, location="query")
    @blp.response(204)
    @blp.raises(ForbiddenError, NotFoundError, BusinessRuleError)
    def delete(self, query: dict[str, bool], user_id: int) -> None:
        """Disable an account, or erase it.

        Its sessions end. What the user made stays. With `erase=true` the personal data are anonymised for ever.
        """
        if query["erase"]:
            service.erase_user(actor=current_actor(), user_id=user_id)
        else:
            service.set_active(actor=current_actor(), user_id=user_id, is_active=False)


@blp.post("/<id:user_id>/reset-password/")
@login_required
@blp.arguments(NewPasswordSchema(partial=True), location="optional_json", required=False)
@blp.response(200, PasswordResetResultSchema)
@blp.raises(ForbiddenError, NotFoundError, BusinessRuleError)
def reset_user_password(values: dict[str, str], user_id: int) -> dict[str, Any]:
    """Take the password of an account away.

    The user is sent a link to choose another one, which works for a day. With `new_password` that is the password, and
    the user has to choose another one at the next sign-in. All sessions end.
    """
    service.reset_password(actor=current_actor(), user_id=user_id, **values)
    sentence = PASSWORD_SET if values else LINK_SENT
    return {"success": True, "message": translate(sentence, http.language()), "user_id": user_id}


@blp.route("/<id:user_id>/toggle-active/", methods=["PATCH"])
@login_required
@blp.arguments(ActivitySchema)
@blp.response(200, AdminUserSchema)
@blp.raises(ForbiddenError, NotFoundError, BusinessRuleError)
def toggle_user_active(values: dict[str, bool], user_id: int) -> dict[str, Any]:
    """Enable or disable an account.

    Disabled, all its sessions, sockets, streams and running uploads end within a second.
    """
    service.set_active(actor=current_actor(), user_id=user_id, **values)
    return queries.get_user(user_id)


@blp.route("/<id:user_id>/sessions/")
class UserSessions(MethodView):
    """The sessions of one account."""

    @login_required
    @blp.paginated(SessionSchema, SessionQuerySchema)
    @blp.raises(ForbiddenError)
    def get(self, query: dict[str, int], user_id: int) -> Page:
        """List where somebody is signed in."""
        return reading.list_sessions(actor=current_actor(), user_id=user_id, **query)

    @login_required
    @blp.response(200, EndedSessionsSchema)
    @blp.raises(ForbiddenError, NotFoundError, BusinessRuleError)
    def delete(self, user_id: int) -> dict[str, int]:
        """End all sessions of an account."""
        return {"ended_count": service.end_user_sessions(actor=current_actor(), user_id=user_id)}


@blp.post("/<id:user_id>/unlock/")
@login_required
@blp.response(200, AdminUserSchema)
@blp.raises(ForbiddenError, NotFoundError, BusinessRuleError)
def unlock_user(user_id: int) -> dict[str, Any]:
    """Unlock an account.

    Who was locked out by wrong passwords can sign in again at once.
    """
    service.unlock_user(actor=current_actor(), user_id=user_id)
    return queries.get_user(user_id)
