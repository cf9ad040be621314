"""The test client: every answer it gets must be one that the OpenAPI document announces."""

from __future__ import annotations

import re
from contextvars import Context
from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

# Any operation may answer these; they say nothing about the operation itself.
EVERYWHERE = {405, 406, 500, 503}


class DocumentedClient(FlaskClient):
    """A Flask test client that fails a test when an answer is not documented, or an error is not our envelope."""

    def open(self, *args: Any, **keywords: Any) -> TestResponse:
        """Send a request that shares nothing with the test, as on a server, and check its answer."""
        # Read to the end and closed, as on a server.
        keywords.setdefault("buffered", True)
        # Flask would go on in the test's application context: with its `g` and its database session.
        response = Context().run(super().open, *args, **keywords)
        if response.status_code >= 400 and response.request.method != "HEAD":
            assert_is_envelope(response)
        if response.request.path.startswith("/api/"):
            assert_is_documented(self.application, response)
        return response


def assert_is_envelope(response: TestResponse) -> None:
    """Fail unless the answer is exactly the error envelope."""
    body = response.get_json()
    assert set(body) == {"error", "timestamp", "request_id"}, body
    assert {"code", "message"} <= set(body["error"]) <= {"code", "message", "details", "field_errors"}, body
    # What is answered again says which request it was answered to.
    is_replayed = "Idempotency-Replayed" in response.headers
    assert is_replayed or body["request_id"] == response.headers["X-Request-ID"]


def assert_is_documented(app: Flask, response: TestResponse) -> None:
    """Fail unless the document names the answer's status for this operation."""
    method = response.request.method.lower()
    operation = _operation(app, response.request.path, "get" if method == "head" else method)
    if operation is None or response.status_code in EVERYWHERE | {304}:
        return
    documented = set(operation["responses"])
    assert str(response.status_code) in documented, f"{response.status_code} is not in the document: {documented}"


def _operation(app: Flask, path: str, method: str) -> dict[str, Any] | None:
    for pattern, operations in _paths(app):
        if pattern.fullmatch(path):
            return operations.get(method)
    return None


@cache
def _paths(app: Flask) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    document = app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict()
    # Literal paths before those with ids, as the router has it.
    paths = sorted(document["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path) + "?"), document["paths"][path]) for path in paths]
