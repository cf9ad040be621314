"""How units are counted: windows, several quotas at once, what does not fit, and the settings they come from."""

from __future__ import annotations

import random

import pytest

from nxfs.config import Config, ConfigurationError
from nxfs.core.limits import memory
from nxfs.core.limits.limiter import Limiter
from nxfs.core.limits.memory import MemoryCounters
from nxfs.core.limits.rules import Quota
from tests.conftest import SECRET_KEY
from tests.core.limits.quotas import quotas

BURST, HOUR = Quota("api", "api-10s", 3, 10), Quota("api", "api", 5, 3600)


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def used(counters, subject="user:1"):
    standings = counters.look({each.key(subject): each for each in (BURST, HOUR)})
    return [standings[each.key(subject)].used if each.key(subject) in standings else 0 for each in (BURST, HOUR)]


def test_refused_units_are_counted_in_no_quota_and_windows_begin_with_the_first_unit():
    clock = Clock()
    counters = MemoryCounters(clock)
    for _ in range(3):
        assert not counters.spend("user:1", (BURST, HOUR), 1).refused
    clock.seconds += 4
    outcome = counters.spend("user:1", (BURST, HOUR), 1)
    assert [each.quota for each in outcome.refused] == [BURST]
    assert (outcome.refused[0].reset_after, outcome.refused[0].remaining) == (6, 0)
    assert used(counters) == [3, 3]
    assert not counters.spend("user:2", (BURST, HOUR), 1).refused

    clock.seconds += 6
    assert not counters.spend("user:1", (BURST, HOUR), 2).refused
    refused = counters.spend("user:1", (BURST, HOUR), 1).refused
    assert [(each.quota, each.reset_after) for each in refused] == [(HOUR, 3590)]
    assert used(counters) == [2, 5]


def test_waiting_as_long_as_was_said_is_always_enough():
    clock, chance = Clock(), random.Random(4)
    counters = MemoryCounters(clock)
    for _ in range(500):
        clock.seconds += chance.random() * 4
        outcome = counters.spend("user:1", (BURST, HOUR), 1)
        if outcome.refused:
            clock.seconds += max(each.reset_after for each in outcome.refused)
            assert not counters.spend("user:1", (BURST, HOUR), 1).refused


def test_more_than_the_whole_quota_takes_all_of_it():
    counters = MemoryCounters(Clock())
    assert not counters.spend("user:1", (BURST, HOUR), 100).refused
    assert used(counters) == [3, 5]
    assert len(counters.spend("user:1", (BURST, HOUR), 1).refused) == 2


def test_counters_that_are_over_are_thrown_away(monkeypatch):
    monkeypatch.setattr(memory, "FEW", 10)
    clock = Clock()
    counters = MemoryCounters(clock)
    for number in range(1000):
        counters.spend(f"address:{number}", (BURST,), 1)
        clock.seconds += 1
    assert counters.clear_all() < 40


def test_bulk_requests_of_a_thousand_ids_pass_ten_times_a_minute_and_ids_are_weighed():
    clock = Clock()
    limiter = Limiter(quotas(), share=25, local=MemoryCounters(clock))
    for _ in range(10):
        assert not limiter.spend("bulk", "user:1", 1).refused
        assert not limiter.spend("bulk_ids", "user:1", 1000).refused
    assert limiter.spend("bulk", "user:1", 1).refused
    clock.seconds += 60
    # A job of the largest size, and not another one in the same minute.
    assert not limiter.spend("bulk_ids", "user:1", 100_000).refused
    assert limiter.spend("bulk_ids", "user:1", 1).refused


@pytest.mark.parametrize(("limit", "pause"), [("api", 15.0), ("admin", 45.0)])
def test_pages_with_twenty_requests_and_two_polls_every_thirty_seconds_never_meet_the_defaults(limit, pause):
    # Eight hours without a break: a page each 15 seconds, of administration each 45.
    clock = Clock()
    limiter = Limiter(quotas(), share=25, local=MemoryCounters(clock))
    pages = [number * pause for number in range(int(8 * 3600 / pause)) for _ in range(20)]
    polls = [number * 30.0 for number in range(8 * 120) for _ in range(2)]
    for moment in sorted(pages + polls):
        clock.seconds = moment
        assert not limiter.spend(limit, "user:1", 1).refused, moment


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("5 per minute", ((5, 60),)),
        ("5/minute", ((5, 60),)),
        ("200 per 10 seconds, 6000 per hour", ((200, 10), (6000, 3600))),
        ("1 per day", ((1, 86400),)),
    ],
)
def test_rates_are_read(written, expected):
    assert Config.from_environment({"SECRET_KEY": SECRET_KEY, "RATELIMIT_API": written}).RATELIMIT_API == expected


@pytest.mark.parametrize(
    "written",
    [
        "5",
        "0 per minute",
        "-5 per minute",
        "5 per week",
        "5 per minute;",
        "5 per minute, ",
        "5 per minute, 6 per 60 seconds",
        "5 per 2 days",
        "٥ per minute",
        "5 per minute 6 per hour",
        "9999999999 per hour",
    ],
)
def test_rates_that_are_none_are_refused_with_a_sentence(written):
    with pytest.raises(ConfigurationError) as caught:
        Config.from_environment({"SECRET_KEY": SECRET_KEY, "RATELIMIT_LOGIN": written})
    message = str(caught.value)
    assert message.startswith(f"RATELIMIT_LOGIN is '{written.strip()}', but rates such as 5 per minute")
    assert message.endswith(".")
    assert message.count("\n") == 0


@pytest.mark.parametrize("written", ["10.0.0.1/8", "localhost", "10.0.0.0/33"])
def test_exempt_networks_that_are_none_are_refused(written):
    with pytest.raises(ConfigurationError, match="RATELIMIT_EXEMPT is .* addresses and networks such as"):
        Config.from_environment({"SECRET_KEY": SECRET_KEY, "RATELIMIT_EXEMPT": written})
