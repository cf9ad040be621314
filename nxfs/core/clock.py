"""The only source of the current time: aware, UTC, and replaceable in tests."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """Return the current time as an aware UTC datetime."""
    return datetime.now(UTC)


def today(time_zone: str) -> date:
    """Return the calendar date in ``time_zone`` (an IANA name such as ``Europe/Oslo``)."""
    return now().astimezone(ZoneInfo(time_zone)).date()


def to_wire(moment: datetime) -> str:
    """Return ``moment`` as UTC ISO 8601 with ``Z`` and microseconds when it has any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
