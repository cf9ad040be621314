"""Tests of the clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
import time_machine

from nxfs.core import clock


def test_now_is_aware_and_utc():
    assert clock.now().tzinfo is UTC


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        ("2026-06-30T22:30:00+00:00", "Europe/Oslo", date(2026, 7, 1)),
        ("2026-12-31T22:59:59+00:00", "Europe/Oslo", date(2026, 12, 31)),
        ("2026-12-31T23:00:00+00:00", "Europe/Oslo", date(2027, 1, 1)),
        ("2026-03-29T00:30:00+00:00", "UTC", date(2026, 3, 29)),
    ],
)
def test_today_is_the_date_of_the_zone(moment, zone, expected):
    with time_machine.travel(datetime.fromisoformat(moment), tick=False):
        assert clock.today(zone) == expected


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(2026, 1, 31, 12, tzinfo=UTC), "2026-01-31T12:00:00Z"),
        (datetime(2026, 1, 31, 12, 0, 0, 120, tzinfo=UTC), "2026-01-31T12:00:00.000120Z"),
        (datetime(2026, 1, 31, 1, tzinfo=timezone(timedelta(hours=2))), "2026-01-30T23:00:00Z"),
    ],
)
def test_to_wire_writes_utc_with_z(moment, expected):
    assert clock.to_wire(moment) == expected
