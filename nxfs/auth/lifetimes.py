"""How long tokens and sessions last, by the role of whoever holds them."""

from __future__ import annotations

from datetime import timedelta

from nxfs.core.settings import setting


def access_lifetime(role: str) -> timedelta:
    """Return how long an access token is valid."""
    return timedelta(minutes=_for_role("ACCESS_TOKEN_MINUTES", role))


def idle_lifetime(role: str) -> timedelta:
    """Return how long a session lasts that is not used."""
    return timedelta(hours=_for_role("SESSION_IDLE_HOURS", role))


def absolute_lifetime(role: str) -> timedelta:
    """Return how long a session lasts however much it is used."""
    return timedelta(hours=_for_role("SESSION_ABSOLUTE_HOURS", role))


def _for_role(name: str, role: str) -> int:
    # Users have the general setting; what is not set for staff and administrators is that too.
    return (setting(f"{name}_{role.upper()}") if role != "user" else None) or setting(name)
