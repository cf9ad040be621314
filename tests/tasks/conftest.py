"""What the tests of tasks have besides."""

from __future__ import annotations

from contextvars import Context
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.client import DocumentedClient


class SeparateClient(DocumentedClient):
    """A client whose requests share nothing with the test, as on a server: neither ``g`` nor the database session."""

    def open(self, *args: Any, **keywords: Any) -> TestResponse:
        """Send a request from an empty context."""
        return Context().run(super().open, *args, **keywords)


@pytest.fixture
def client(app: Flask) -> DocumentedClient:
    """A client of the application."""
    return SeparateClient(app, app.response_class)
