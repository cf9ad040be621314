"""An application of its own for the tests of the kernel, with routes that misbehave."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from nxfs.app import AUDIT_ACTIONS, create_app
from nxfs.config import Config
from nxfs.core import audit, http
from tests import audited
from tests.client import DocumentedClient

SECRET_KEY = "a-key-for-tests-0123456789-abcdefghijklmnop"
LONG_TEXT = "æ" * 5_000


def create_laboratory(**settings: str) -> Flask:
    """Return an application with the routes below ``/api/laboratory/``."""
    environment = {
        "NXFS_ENV": "test",
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": "sqlite:///:memory:",
        "RATELIMIT_ENABLED": "false",
        **settings,
    }
    app = create_app(Config.from_environment(environment))
    app.test_client_class = DocumentedClient
    audit.install(app, (*AUDIT_ACTIONS, audited.ACTIONS))
    for view in (crash, lose_database, run_out_of_connections, long, short, stream, who):
        app.add_url_rule(f"/api/laboratory/{view.__name__}/", view_func=view, methods=["GET", "POST"])
    return app


def crash() -> None:
    """Fail with a message that nobody may read."""
    raise RuntimeError("the secret reason")


def lose_database() -> None:
    """Fail as the driver does when the database is gone."""
    raise OperationalError("SELECT the_secret_statement", {}, Exception("the secret host"))


def run_out_of_connections() -> None:
    """Fail as the pool does when all connections are taken."""
    raise PoolTimeoutError("the secret pool")


def long() -> dict[str, str]:
    """Answer with more than is worth compressing."""
    return {"text": LONG_TEXT}


def short() -> dict[str, str]:
    """Answer with less than is worth compressing."""
    return {"text": "æ"}


def stream() -> Response:
    """Answer with events."""
    return Response((f"data: {LONG_TEXT}\n\n" for _ in range(3)), mimetype="text/event-stream")


def who() -> dict[str, Any]:
    """Answer with what we believe of the client."""
    return {"address": http.address_of(request.remote_addr), "url": request.base_url, "is_secure": request.is_secure}
