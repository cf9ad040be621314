"""What surrounds every HTTP request: its id, limits, headers, log line, and the envelope of whatever goes wrong."""

from __future__ import annotations

import ipaddress
import re
import secrets
import time
from collections.abc import Sequence
from typing import Any

import orjson
import structlog
from flask import Flask, Response, current_app, g, request
from flask.json.provider import JSONProvider
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter, ValidationError

from nxfs.core import audit, database, errors, request_counts
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.errors import (
    APIError,
    InternalServerError,
    NotAcceptableError,
    NotFoundError,
    ServiceUnavailableError,
)
from nxfs.core.messages import LANGUAGES

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
EXPOSED_HEADERS = (
    "X-Request-ID",
    "X-Response-Time",
    "X-DB-Queries",
    "X-Event-Cursor",
    "ETag",
    "Link",
    "Location",
    "Preference-Applied",
    "Retry-After",
    "Idempotency-Replayed",
    "RateLimit",
    "RateLimit-Policy",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}

log = structlog.get_logger("nxfs.request")
error_log = structlog.get_logger("nxfs.error")


class OrjsonProvider(JSONProvider):
    """JSON by orjson: the same text for the same value, whichever surface sends it."""

    def dumps(self, obj: Any, **_: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        body = orjson.dumps(self._prepare_response_obj(args, kwargs))
        return self._app.response_class(body, mimetype="application/json")


class IdentifierConverter(BaseConverter):
    """An id in a path, 1 to 2^63-1; anything else is an unknown URL."""

    regex = r"[1-9][0-9]{0,18}"

    def to_python(self, value: str) -> int:
        if int(value) > LARGEST_IDENTIFIER:
            raise ValidationError
        return int(value)


def init_app(app: Flask) -> None:
    """Install everything that surrounds a request. Call it before other extensions: its headers are set last."""
    app.json = OrjsonProvider(app)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = IdentifierConverter
    hops = app.config["PROXY_HOPS"]
    if hops:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(Exception, render)


def cors_options(origins: Sequence[str]) -> dict[str, Any]:
    """Return Flask-CORS's options for the configured ``origins``."""
    return {
        "origins": list(origins),
        "expose_headers": EXPOSED_HEADERS,
        "allow_headers": [
            "Authorization",
            "Content-Type",
            "Accept-Language",
            "If-Match",
            "If-None-Match",
            "Prefer",
            "X-Request-ID",
            "Idempotency-Key",
            "Last-Event-ID",
        ],
        "methods": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        "max_age": 600,
        "vary_header": True,
    }


def address_of(text: str | None) -> str | None:
    """Return the IP address that ``text`` is, or None when what the proxy sent is none."""
    try:
        return str(ipaddress.ip_address(text or ""))
    except ValueError:
        return None


def language() -> str:
    """Return the language of the answer: the signed-in user's, else what ``Accept-Language`` prefers, else English."""
    actor = g.get("actor")
    if actor is not None and actor.language in LANGUAGES:
        return actor.language
    best = request.accept_languages.best_match(["en", "no", "nb", "nn"], default="en")
    return "en" if best == "en" else "no"


def _begin() -> None:
    g.started_at = time.perf_counter()
    g.statements = database.start_counting()
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(12)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    user_agent = (request.user_agent.string or "")[:300].replace("\x00", "") or None
    audit.origin.set(audit.Origin(g.request_id, address_of(request.remote_addr), user_agent))
    is_form = request.mimetype == "multipart/form-data"
    request.max_content_length = current_app.config["MAX_UPLOAD_BYTES"] if is_form else _largest_json()
    # Files are spooled to disk; texts are not.
    request.max_form_memory_size = current_app.config["MAX_JSON_BYTES"]
    if "\x00" in request.path:
        # PostgreSQL refuses to compare with it; no address has it.
        raise NotFoundError
    if request.path.startswith("/api/") and request.accept_mimetypes and not _is_answer_accepted():
        raise NotAcceptableError


def _largest_json() -> int:
    # Of views that take many ids.
    return max(current_app.config["MAX_JSON_BYTES"], getattr(answering_view(), "largest_body", 0))


def _is_answer_accepted() -> bool:
    # Of routes that answer something else than JSON, when all goes well.
    accepted = request.accept_mimetypes
    return accepted.accept_json or any(each in accepted for each in getattr(answering_view(), "media_types", ()))


def answering_view() -> Any:
    """Return the function that is going to answer, None when there is none."""
    view = current_app.view_functions.get(request.endpoint or "")
    view_class = getattr(view, "view_class", None)
    return view if view_class is None else getattr(view_class, request.method.lower(), None)


def _finish(response: Response) -> Response:
    elapsed = time.perf_counter() - g.get("started_at", time.perf_counter())
    response.headers["X-Request-ID"] = g.get("request_id", "")
    response.headers["X-Response-Time"] = f"{elapsed:.3f}s"
    response.headers["X-DB-Queries"] = str(g.statements[0] if "statements" in g else 0)
    if g.get("event_cursor") is not None:
        response.headers["X-Event-Cursor"] = str(g.event_cursor)
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if response.is_json:
        response.headers.setdefault("Cache-Control", "no-store")
        response.vary.update(["Authorization", "Accept-Language", "Origin"])
    actor = g.get("actor")
    route = request.url_rule.rule if request.url_rule else None
    request_counts.note(method=request.method, route=route, status=response.status_code, milliseconds=elapsed * 1000)
    log.info(
        "request",
        method=request.method,
        route=route,
        status=response.status_code,
        ms=round(elapsed * 1000, 1),
        user=actor.id if actor else None,
    )
    return response


def render(error: Exception) -> ResponseReturnValue:
    """Return the answer to a request that ends with ``error``."""
    known = error_for_clients(error)
    body = errors.envelope(known, language=language(), request_id=g.get("request_id"))
    headers = dict(known.headers)
    if isinstance(error, HTTPException) and error.response is None:
        headers |= {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return body, known.status, headers


def error_for_clients(error: Exception) -> APIError:
    """Return what the client may learn of ``error``; what it may not goes to the log."""
    if isinstance(error, APIError):
        return error
    if isinstance(error, HTTPException):
        known = errors.BY_STATUS.get(error.code or 500)
        return known() if known else _from_unlisted_status(error)
    if isinstance(error, OperationalError | PoolTimeoutError):
        error_log.error("database unavailable", exc_info=error)
        return ServiceUnavailableError()
    error_log.error("unhandled exception", exc_info=error)
    return InternalServerError()


def _from_unlisted_status(error: HTTPException) -> APIError:
    """A status outside our list (431, 414, 416) is a malformed request for the client."""
    return errors.MalformedRequestError() if (error.code or 500) < 500 else InternalServerError()
