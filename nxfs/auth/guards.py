"""Who may call a route: decorators that find the actor and write themselves into the document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, TypeVar

from flask import g, request

from nxfs.auth.errors import PasswordChangeRequiredError, ScopeMissingError
from nxfs.auth.scopes import scope_of
from nxfs.auth.service import authentication, last_seen
from nxfs.core.actor import Actor
from nxfs.core.api import idempotency
from nxfs.core.api.blueprint import document
from nxfs.core.errors import AuthenticationRequiredError
from nxfs.core.limits import requests

View = TypeVar("View", bound=Callable[..., Any])

BEARER: dict[str, list[str]] = {"bearer": []}
API_TOKEN: dict[str, list[str]] = {"token": []}
ANONYMOUS: dict[str, list[str]] = {}
API_TOKEN_SCHEME = "token"


def current_actor() -> Actor:
    """Return who is signed in; only behind ``login_required``."""
    return g.actor


def find_actor() -> Actor | None:
    """Return who is signed in, if anybody; only behind ``login_optional``."""
    return g.get("actor")


def login_required(view: View) -> View:
    """Let only signed-in users through, and do once what they send again with its key; documents both.

    An API token is let through where its scopes allow it, see ``nxfs.auth.scopes``.
    """
    takes_keys = not getattr(view, "answers_secret", False)
    is_open = getattr(view, "is_open_before_new_password", False)
    location = getattr(view, "body_location", None)

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        g.actor = _authenticate()
        if not is_open:
            authentication.require_own_password(g.actor)
        if not takes_keys:
            return view(*args, **kwargs)
        return idempotency.answer_once(partial(view, *args, **kwargs), actor=g.actor, location=location)

    # Refused as well: who has to choose a new password first.
    errors = (AuthenticationRequiredError, ScopeMissingError)
    security = [BEARER, API_TOKEN]
    guarded = requests.counts_itself(guarded)
    return document(guarded, errors=errors, takes_keys=takes_keys, security=security)  # type: ignore[return-value]


def login_optional(view: View) -> View:
    """Find out who is signed in, and let everybody through; a token that is not valid counts as none.

    So does that of somebody who has to choose a new password first, and an API token that is not for this.
    """
    is_open = getattr(view, "is_open_before_new_password", False)

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            g.actor = _authenticate()
            if not is_open:
                authentication.require_own_password(g.actor)
        except (AuthenticationRequiredError, PasswordChangeRequiredError, ScopeMissingError):
            g.actor = None
        return view(*args, **kwargs)

    counted = requests.counts_itself(guarded)
    return document(counted, security=[ANONYMOUS, BEARER, API_TOKEN])  # type: ignore[return-value]


def open_before_new_password(view: View) -> View:
    """Let also those through who have to choose a new password first. Below the guard."""
    view.is_open_before_new_password = True  # type: ignore[attr-defined]
    return view


def login_or_ticket(view: View) -> View:
    """Write into the document that the view finds out itself who calls: by an access token or by a ticket.

    It counts the request itself, with ``counting``.
    """
    view = requests.counts_itself(view)
    errors = (AuthenticationRequiredError, PasswordChangeRequiredError)
    return document(view, errors=errors, security=[BEARER, ANONYMOUS])


def bearer_token() -> str:
    """Return the request's access token; raise ``AuthenticationRequiredError`` when it has none."""
    return _credentials("bearer")


def _credentials(scheme: str) -> str:
    given, _, token = request.headers.get("Authorization", "").partition(" ")
    if given.lower() != scheme or not token.strip():
        raise AuthenticationRequiredError
    return token.strip()


def find_user_id() -> int | None:
    """Return whose access or API token the request has, None when it has none that is valid."""
    try:
        return _find_caller().id
    except AuthenticationRequiredError:
        return None


@contextmanager
def counting() -> Iterator[None]:
    """Count the request as one of ``g.actor``, whom the body finds, or of its address when that fails.

    Raises ``TooManyRequestsError``.
    """
    try:
        yield
    except AuthenticationRequiredError as refusal:
        requests.count_stranger(refusal)
        raise
    requests.count_user(g.actor.id)


def _authenticate() -> Actor:
    with counting():
        # In the request's context before it is counted: a refusal is in the user's language.
        g.actor = actor = _find_caller()
    scope = None if actor.scopes is None else scope_of(request.blueprint, request.method)
    if actor.scopes is not None and scope not in actor.scopes:
        raise ScopeMissingError(scope)
    last_seen.note((actor.id,))
    return actor


def _find_caller() -> Actor:
    if request.headers.get("Authorization", "").lower().startswith(f"{API_TOKEN_SCHEME} "):
        return authentication.authenticate_api_token(_credentials(API_TOKEN_SCHEME))
    return authentication.authenticate(bearer_token())
