"""Who may call a route: decorators that find the actor and write themselves into the document."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import g, request

from nxfs.auth import service
from nxfs.core.actor import Actor
from nxfs.core.api.blueprint import document
from nxfs.core.errors import AuthenticationRequiredError, ForbiddenError

View = TypeVar("View", bound=Callable[..., Any])


def current_actor() -> Actor:
    """Return who is signed in; only behind ``login_required``."""
    return g.actor


def login_required(view: View) -> View:
    """Let only signed-in users through; documents 401."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        g.actor = _authenticate()
        return view(*args, **kwargs)

    return document(guarded, errors=(AuthenticationRequiredError,), security=[{"bearer": []}])  # type: ignore[return-value]


def staff_required(view: View) -> View:
    """Let only staff and admins through; documents 401 and 403."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not current_actor().is_staff:
            raise ForbiddenError
        return view(*args, **kwargs)

    return document(login_required(guarded), errors=(ForbiddenError,))


def _authenticate() -> Actor:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthenticationRequiredError
    return service.authenticate(token.strip())
