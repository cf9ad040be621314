"""Routes of accounts: registration, tokens, the own account, its sessions and its password."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask.views import MethodView

from nxfs.auth import queries
from nxfs.auth.errors import LastAdministratorError, RegistrationClosedError, SessionNotFoundError
from nxfs.auth.guards import current_actor, find_actor, login_optional, login_required, open_before_new_password
from nxfs.auth.schemas import (
    EndedSessionsSchema,
    PasswordChangedSchema,
    PasswordChangeSchema,
    PasswordResetConfirmSchema,
    PasswordResetRequestSchema,
    RefreshSchema,
    RegisteredSchema,
    RegistrationSchema,
    SessionQuerySchema,
    SessionSchema,
    SignedInSchema,
    SignInSchema,
    SignOutSchema,
    TokenPairSchema,
    TokenValiditySchema,
    TokenVerifySchema,
    UserSchema,
    UserUpdateSchema,
)
from nxfs.auth.service import accounts, authentication, password_changes, sessions
from nxfs.auth.service import sign_in as sign_ins
from nxfs.auth.service.sessions import Grant
from nxfs.core import http
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.api.schema import MessageSchema
from nxfs.core.errors import (
    AuthenticationRequiredError,
    BusinessRuleError,
    ConflictError,
    RateLimitExceededError,
    ServiceUnavailableError,
)
from nxfs.core.messages import Text, translate
from nxfs.core.pagination import Page, fetch_page
from nxfs.core.versions import Precondition

blp = Blueprint("auth", __name__, url_prefix="/api/auth", description="Accounts, signing in, sessions and passwords")

REGISTERED = Text("Welcome! Your account is ready.", "Velkommen! Kontoen din er klar.")
SIGNED_OUT = Text("You are signed out.", "Du er logget ut.")
PASSWORD_CHANGED = Text("Your password has been changed.", "Passordet ditt er endret.")
RESET_REQUESTED = Text(
    "If there is an account with this address, a link is on its way.",
    "Hvis det finnes en konto med denne adressen, er en lenke på vei.",
)
PASSWORD_RESET = Text("Your new password is set. Please sign in.", "Det nye passordet er satt. Logg inn.")


@blp.after_request
def forbid_caching(response: Response) -> Response:
    """Keep tokens and personal data out of every cache."""
    response.headers["Cache-Control"] = "no-store"
    return response


@blp.post("/register/")
@blp.arguments(RegistrationSchema)
@blp.response(201, RegisteredSchema)
@blp.raises(RegistrationClosedError, ConflictError)
def register(values: dict[str, Any]) -> dict[str, Any]:
    """Create an account."""
    user = accounts.register(values=values, password=values.pop("password"), language=http.language())
    return {"user": queries.get_profile(user.id), **_message(REGISTERED)}


@blp.post("/token/")
@blp.arguments(SignInSchema)
@blp.response(200, SignedInSchema)
@blp.raises(AuthenticationRequiredError, RateLimitExceededError)
def sign_in(arguments: dict[str, str]) -> dict[str, Any]:
    """Sign in with an e-mail address or username."""
    grant = sign_ins.sign_in(**arguments)
    return {"access": grant.access, "refresh": grant.refresh, "user": queries.get_profile(grant.user.id)}


@blp.post("/token/refresh/")
@blp.arguments(RefreshSchema)
@blp.response(200, TokenPairSchema)
@blp.raises(AuthenticationRequiredError)
def refresh_token(arguments: dict[str, str]) -> Grant:
    """Exchange a refresh token for a new pair.

    For 30 seconds a used token gives the same successor again, as parallel refreshes need; later it ends the session.
    """
    return sessions.refresh_session(token=arguments["refresh"])


@blp.post("/token/verify/")
@blp.arguments(TokenVerifySchema)
@blp.response(200, TokenValiditySchema)
def verify_token(arguments: dict[str, str]) -> dict[str, bool]:
    """Say whether an access token can be used."""
    return {"valid": authentication.is_valid(arguments["token"])}


@blp.post("/logout/")
@login_optional
@open_before_new_password
@blp.arguments(SignOutSchema, location="optional_json", required=False)
@blp.response(200, MessageSchema)
@blp.raises(AuthenticationRequiredError)
def sign_out(arguments: dict[str, Any]) -> dict[str, str]:
    """End the session.

    A refresh token is enough when the access token has run out. Signing out twice with it does no harm.
    """
    sessions.sign_out(actor=find_actor(), **arguments)
    return _message(SIGNED_OUT)


@blp.route("/me/")
class Me(MethodView):
    """The own account."""

    @login_required
    @open_before_new_password
    @blp.response(200, UserSchema)
    def get(self) -> dict[str, Any]:
        """Show the own account."""
        return queries.get_profile(current_actor().id)

    @login_required
    @blp.arguments(UserUpdateSchema(partial=True), location="json_or_form")
    @blp.response(200, UserSchema)
    @blp.versioned
    @blp.raises(ConflictError, BusinessRuleError, ServiceUnavailableError)
    def put(self, values: dict[str, Any], precondition: Precondition) -> dict[str, Any]:
        """Change the own account.

        Fields that are left out stay as they are, as with PATCH. A picture is sent in a form; `null`, or an empty text
        in a form, removes it.
        """
        accounts.update_profile(actor=current_actor(), values=values, precondition=precondition)
        return queries.get_profile(current_actor().id)

    @login_required
    @blp.arguments(UserUpdateSchema(partial=True), location="json_or_form")
    @blp.response(200, UserSchema)
    @blp.versioned
    @blp.raises(ConflictError, BusinessRuleError, ServiceUnavailableError)
    def patch(self, values: dict[str, Any], precondition: Precondition) -> dict[str, Any]:
        """Change fields of the own account.

        A picture is sent in a form; `null`, or an empty text in a form, removes it.
        """
        accounts.update_profile(actor=current_actor(), values=values, precondition=precondition)
        return queries.get_profile(current_actor().id)

    @login_required
    @blp.response(204)
    @blp.raises(LastAdministratorError)
    def delete(self) -> None:
        """Deactivate the own account.

        All its sessions end, and its picture is deleted. An administrator can activate it again.
        """
        accounts.deactivate(actor=current_actor())


@blp.post("/me/password/")
@login_required
@open_before_new_password
@blp.answers_secret
@blp.arguments(PasswordChangeSchema)
@blp.response(200, PasswordChangedSchema)
@blp.raises(RateLimitExceededError)
def change_password(arguments: dict[str, str]) -> dict[str, str]:
    """Change the own password.

    All sessions end, the present one too: go on with the tokens of the answer.
    """
    grant = password_changes.change_password(actor=current_actor(), **arguments)
    return {"access": grant.access, "refresh": grant.refresh, **_message(PASSWORD_CHANGED)}


@blp.route("/sessions/")
class Sessions(MethodView):
    """The own sessions."""

    @login_required
    @blp.paginated(SessionSchema, SessionQuerySchema)
    def get(self, query: dict[str, int]) -> Page:
        """List the own sessions."""
        return fetch_page(queries.select_live_sessions(current_actor()), **query)

    @login_required
    @blp.response(200, EndedSessionsSchema)
    def delete(self) -> dict[str, int]:
        """End all own sessions but the present one."""
        return {"ended_count": sessions.end_other_sessions(actor=current_actor())}


@blp.delete("/sessions/<id:session_id>/")
@login_required
@blp.response(204)
@blp.raises(SessionNotFoundError)
def end_session(session_id: int) -> None:
    """End one of the own sessions."""
    sessions.end_session(actor=current_actor(), session_id=session_id)


@blp.post("/password/reset/")
@blp.arguments(PasswordResetRequestSchema)
@blp.response(200, MessageSchema)
def request_password_reset(arguments: dict[str, str]) -> dict[str, str]:
    """Ask for a link to set a new password.

    The answer is the same whether there is such an account or not.
    """
    password_changes.request_reset(**arguments)
    return _message(RESET_REQUESTED)


@blp.post("/password/reset/confirm/")
@blp.arguments(PasswordResetConfirmSchema)
@blp.response(200, MessageSchema)
def reset_password(arguments: dict[str, str]) -> dict[str, str]:
    """Set a new password with the token of a link.

    All sessions end. A link works once, for an hour.
    """
    password_changes.reset_password(**arguments)
    return _message(PASSWORD_RESET)


def _message(sentence: Text) -> dict[str, str]:
    return {"message": translate(sentence, http.language())}
