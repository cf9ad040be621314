"""Which limits a request counts against, and the headers that tell how they stand."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, request

from nxfs.core import audit, http
from nxfs.core.errors import AuthenticationRequiredError, TokenExpiredError, TokenRevokedError
from nxfs.core.limits import limiter
from nxfs.core.limits.rules import Standing
from nxfs.core.networks import is_among, subscriber_of

View = TypeVar("View", bound=Callable[..., Any])

# Not what browsers and balancers ask for outside of it: pages and files.
COUNTED = "/api/"
ADMINISTRATION = "/api/admin/"
FORM = "multipart/form-data"


def init_app(app: Flask, find_user_id: Callable[[], int | None]) -> None:
    """Count the requests to ``app``. Call it after ``http.init_app``: that finds out where a request comes from.

    ``find_user_id`` returns whose request it is, for views without a guard, which do not ask.
    """
    limiter.install(app)
    app.before_request(partial(_count_public, find_user_id))
    app.after_request(_tell)


def limited_as(limit: str) -> Callable[[View], View]:
    """Count requests to the view against this limit: for each user if a guard is above it, else for each address."""

    def decorate(view: View) -> View:
        view.limit = limit  # type: ignore[attr-defined]
        return view

    return decorate


def counts_itself(view: View) -> View:
    """Leave it to the view to call ``count_user`` or ``count_stranger`` when it knows who asks."""
    view.counts_itself = True  # type: ignore[attr-defined]
    return view


def subject_of_user(user_id: int) -> str:
    """Return under what a user's requests are counted."""
    return f"user:{user_id}"


def subject_of_address(address: str | None) -> str:
    """Return under what the requests of an address are counted, those of an IPv6 network together."""
    return f"address:{subscriber_of(address)}"


def count_user(user_id: int) -> None:
    """Count the request as one of this user; raises ``TooManyRequestsError``."""
    if _is_counted():
        limiter.spend(_limit_of_user(), subject_of_user(user_id))


def count_units(limit: str, units: int) -> None:
    """Count what the present request of a signed-in user asks for; raises ``TooManyRequestsError``."""
    if _is_counted():
        limiter.spend(limit, subject_of_user(g.actor.id), units)


def count_stranger(refusal: AuthenticationRequiredError) -> None:
    """Count the request as one of its address, because of ``refusal``; raises ``TooManyRequestsError``."""
    _count_address(limit_of_stranger(refusal))


def limit_of_stranger(refusal: AuthenticationRequiredError) -> str:
    """Return the limit of the address of somebody who is refused.

    Who has a token of ours that has run out is no stranger: a page may send twenty requests before it learns that, and
    so may those of everybody else behind the same address.
    """
    return "api" if isinstance(refusal, TokenExpiredError | TokenRevokedError) else "anonymous"


def describe() -> dict[str, str]:
    """Return the headers that tell how the quotas stand that the present request counts against."""
    standings: Sequence[Standing] = g.get("standings", ())
    if not standings:
        return {}
    closest = min(standings, key=lambda each: each.remaining / each.quota.amount)
    quotas = [(each, each.quota) for each in standings]
    return {
        "RateLimit-Policy": ", ".join(f'"{quota.policy}";q={quota.amount};w={quota.seconds}' for _, quota in quotas),
        "RateLimit": ", ".join(f'"{quota.policy}";r={each.remaining};t={each.reset_after}' for each, quota in quotas),
        "X-RateLimit-Limit": str(closest.quota.amount),
        "X-RateLimit-Remaining": str(closest.remaining),
        "X-RateLimit-Reset": str(int(time.time()) + closest.reset_after),
    }


def _count_public(find_user_id: Callable[[], int | None]) -> None:
    view = http.answering_view()
    if getattr(view, "counts_itself", False) or not _is_counted():
        return
    limit = getattr(view, "limit", None)
    user_id = find_user_id() if limit is None else None
    if user_id is None:
        _count_address(limit or "anonymous")
    else:
        count_user(user_id)


def _count_address(limit: str) -> None:
    if _is_counted():
        limiter.spend(limit, subject_of_address(audit.origin.get().address))


def _is_counted() -> bool:
    # Browsers ask with OPTIONS by themselves.
    if request.method == "OPTIONS" or not request.path.startswith(COUNTED):
        return False
    if limiter.current_limiter() is None:
        return False
    return not is_among(audit.origin.get().address, current_app.config["RATELIMIT_EXEMPT"] or ())


def _limit_of_user() -> str:
    view = http.answering_view()
    limit: str | None = getattr(view, "limit", None)
    if limit is not None:
        return limit
    location = getattr(view, "body_location", None)
    # Where JSON is accepted as well, a form is what carries a file.
    if location == "upload" or (location == "json_or_form" and request.mimetype == FORM):
        return "upload"
    if request.path.startswith(ADMINISTRATION):
        return "export" if request.path.rstrip("/").endswith("/export") else "admin"
    return "api"


def _tell(response: Response) -> Response:
    response.headers.update(describe())
    return response
