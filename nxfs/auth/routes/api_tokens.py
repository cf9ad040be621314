"""``/api/auth/tokens/``: personal tokens for scripts."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask.views import MethodView

from nxfs.auth import queries
from nxfs.auth.errors import APITokenNotFoundError
from nxfs.auth.guards import current_actor, login_required
from nxfs.auth.schemas import (
    APITokenQuerySchema,
    APITokenSchema,
    CreatedAPITokenSchema,
    NewAPITokenSchema,
    ScopeQuerySchema,
    ScopeSchema,
)
from nxfs.auth.service import api_tokens
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import BusinessRuleError
from nxfs.core.pagination import Page, fetch_page

blp = Blueprint("api_tokens", __name__, url_prefix="/api/auth/tokens", description="Personal tokens for scripts.")
blp.takes_api_tokens = False


@blp.after_request
def forbid_caching(response: Response) -> Response:
    """Keep tokens out of every cache."""
    response.headers["Cache-Control"] = "no-store"
    return response


@blp.route("/")
class PersonalTokens(MethodView):
    """The own API tokens."""

    @login_required
    @blp.paginated(APITokenSchema, APITokenQuerySchema)
    def get(self, query: dict[str, int]) -> Page:
        """List the own API tokens, the newest first.

        Those that have run out stay in it until they are revoked.
        """
        return fetch_page(queries.select_api_tokens(current_actor()), **query)

    @login_required
    @blp.answers_secret
    @blp.arguments(NewAPITokenSchema)
    @blp.response(201, CreatedAPITokenSchema)
    @blp.raises(BusinessRuleError)
    def post(self, values: dict[str, Any]) -> dict[str, Any]:
        """Make an API token.

        It is sent as `Authorization: Token nxfs_…`, and is good for its scopes, never for more than its owner may do.
        `token` is shown this once.
        """
        created = api_tokens.create_token(actor=current_actor(), **values)
        return {**queries.get_api_token(current_actor(), created.row.id), "token": created.token}


@blp.delete("/<id:token_id>/")
@login_required
@blp.response(204)
@blp.raises(APITokenNotFoundError)
def revoke_personal_token(token_id: int) -> None:
    """Revoke one of the own API tokens; it ends within a second."""
    api_tokens.revoke_token(actor=current_actor(), token_id=token_id)


@blp.get("/scopes/")
@login_required
@blp.paginated(ScopeSchema, ScopeQuerySchema)
def list_scopes(query: dict[str, int]) -> Page:
    """List what API tokens can be for."""
    return queries.list_scopes(current_actor(), **query)
