"""Who may call a route: decorators that find the actor and write themselves into the document."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar

from flask import g, request

from nxfs.auth.errors import PasswordChangeRequiredError
from nxfs.auth.service import authentication, last_seen
from nxfs.core.actor import Actor
from nxfs.core.api import idempotency
from nxfs.core.api.blueprint import document
from nxfs.core.errors import AuthenticationRequiredError

View = TypeVar("View", bound=Callable[..., Any])

BEARER: dict[str, list[str]] = {"bearer": []}
ANONYMOUS: dict[str, list[str]] = {}


def current_actor() -> Actor:
    """Return who is signed in; only behind ``login_required``."""
    return g.actor


def find_actor() -> Actor | None:
    """Return who is signed in, if anybody; only behind ``login_optional``."""
    return g.get("actor")


def login_required(view: View) -> View:
    """Let only signed-in users through, and do once what they send again with its key; documents both."""
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
        return idempotency.answer_once(partial(view, *args, **kwargs), user_id=g.actor.id, location=location)

    errors = (AuthenticationRequiredError,) if is_open else (AuthenticationRequiredError, PasswordChangeRequiredError)
    return document(guarded, errors=errors, takes_keys=takes_keys, security=[BEARER])  # type: ignore[return-value]


def login_optional(view: View) -> View:
    """Find out who is signed in, and let everybody through; a token that is not valid counts as none.

    So does that of somebody who has to choose a new password first.
    """
    is_open = getattr(view, "is_open_before_new_password", False)

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            g.actor = _authenticate()
            if not is_open:
                authentication.require_own_password(g.actor)
        except (AuthenticationRequiredError, PasswordChangeRequiredError):
            g.actor = None
        return view(*args, **kwargs)

    return document(guarded, security=[ANONYMOUS, BEARER])  # type: ignore[return-value]


def open_before_new_password(view: View) -> View:
    """Let also those through who have to choose a new password first. Below the guard."""
    view.is_open_before_new_password = True  # type: ignore[attr-defined]
    return view


def login_or_ticket(view: View) -> View:
    """Write into the document that the view finds out itself who calls: by an access token or by a ticket."""
    errors = (AuthenticationRequiredError, PasswordChangeRequiredError)
    return document(view, errors=errors, security=[BEARER, ANONYMOUS])


def bearer_token() -> str:
    """Return the request's access token; raise ``AuthenticationRequiredError`` when it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthenticationRequiredError
    return token.strip()


def _authenticate() -> Actor:
    actor = authentication.authenticate(bearer_token())
    last_seen.note((actor.id,))
    return actor
