"""Who may call a route: decorators that find the actor and write themselves into the document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any, TypeVar

from flask import g, request

from nxfs.auth.service import authentication, last_seen
from nxfs.core.actor import Actor
from nxfs.core.api import idempotency
from nxfs.core.api.blueprint import document
from nxfs.core.errors import AuthenticationRequiredError
from nxfs.core.limits import requests

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
    location = getattr(view, "body_location", None)

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        g.actor = _authenticate()
        if not takes_keys:
            return view(*args, **kwargs)
        return idempotency.answer_once(partial(view, *args, **kwargs), user_id=g.actor.id, location=location)

    errors = (AuthenticationRequiredError,)
    guarded = requests.counts_itself(guarded)
    return document(guarded, errors=errors, takes_keys=takes_keys, security=[BEARER])  # type: ignore[return-value]


def login_optional(view: View) -> View:
    """Find out who is signed in, and let everybody through; a token that is not valid counts as none."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            g.actor = _authenticate()
        except AuthenticationRequiredError:
            g.actor = None
        return view(*args, **kwargs)

    return document(requests.counts_itself(guarded), security=[ANONYMOUS, BEARER])  # type: ignore[return-value]


def login_or_ticket(view: View) -> View:
    """Write into the document that the view finds out itself who calls: by an access token or by a ticket.

    It counts the request itself, with ``counting``.
    """
    view = requests.counts_itself(view)
    return document(view, errors=(AuthenticationRequiredError,), security=[BEARER, ANONYMOUS])


def bearer_token() -> str:
    """Return the request's access token; raise ``AuthenticationRequiredError`` when it has none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthenticationRequiredError
    return token.strip()


def find_user_id() -> int | None:
    """Return whose access token the request has, None when it has none that is valid."""
    try:
        return authentication.authenticate(bearer_token()).id
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
        g.actor = actor = authentication.authenticate(bearer_token())
    last_seen.note((actor.id,))
    return actor
