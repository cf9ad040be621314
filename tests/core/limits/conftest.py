"""What the tests of the limits share: an application whose limits are what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from nxfs.core.limits.limiter import EXTENSION, Limiter
from tests.core.limits.quotas import quotas

Limit = Callable[..., Limiter]


@pytest.fixture
def limit(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Limit:
    """A function that gives the application limits: ``limit(login="2 per minute", shared=...)``."""

    def give(*, share: int = 25, local: Any = None, shared: Any = None, **rates: str) -> Limiter:
        limiter = Limiter(quotas(**rates), share=share, local=local, shared=shared)
        monkeypatch.setitem(app.extensions, EXTENSION, limiter)
        return limiter

    return give
