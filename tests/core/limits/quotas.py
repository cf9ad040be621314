"""Quotas as settings give them."""

from __future__ import annotations

from nxfs.config import Config
from nxfs.core.limits.rules import LIMITS, Quota, quotas_of, setting_of

SECRET_KEY = "a-key-for-tests-0123456789-abcdefghijklmnop"


def quotas(**rates: str) -> dict[str, tuple[Quota, ...]]:
    """Return the default quotas with other ``rates``: ``quotas(api="5 per minute")``."""
    settings = {setting_of(name): rate for name, rate in rates.items()}
    config = Config.from_environment({"SECRET_KEY": SECRET_KEY, **settings})
    return quotas_of({setting_of(name): getattr(config, setting_of(name)) for name in LIMITS})
