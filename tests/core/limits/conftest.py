"""What the tests of the limits share: an application whose limits are what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from nxfs.config import Config
from nxfs.core.limits.limiter import EXTENSION, Limiter
from nxfs.core.limits.rules import LIMITS, Quota, quotas_of, setting_of
from tests.conftest import SECRET_KEY

Limit = Callable[..., Limiter]


def quotas(**rates: str) -> dict[str, tuple[Quota, ...]]:
    """Return the default quotas with other ``rates``: ``quotas(api="5 per minute")``."""
    settings = {setting_of(name): rate for name, rate in rates.items()}
    config = Config.from_environment({"SECRET_KEY": SECRET_KEY, **settings})
    return quotas_of({setting_of(name): getattr(config, setting_of(name)) for name in LIMITS})


@pytest.fixture
def limit(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Limit:
    """A function that gives the application limits: ``limit(login="2 per minute", shared=...)``."""

    def give(*, share: int = 25, local: Any = None, shared: Any = None, **rates: str) -> Limiter:
        limiter = Limiter(quotas(**rates), share=share, local=local, shared=shared)
        monkeypatch.setitem(app.extensions, EXTENSION, limiter)
        return limiter

    return give
