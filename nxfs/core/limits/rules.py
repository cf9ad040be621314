"""The named limits, their quotas as the settings have them, and how much of a quota is used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

# Whose requests a limit counts together, for the reference that people read.
LIMITS = {
    "api": "user",
    "anonymous": "address",
    "login": "account",
    "login_address": "address",
    "refresh": "address",
    "upload": "user",
    "bulk": "user",
    "bulk_ids": "user",
    "admin": "user",
    "export": "user",
    "socket_connect": "user",
    "socket_event": "user",
}


@dataclass(frozen=True, slots=True)
class Quota:
    """So many units in so many seconds; ``policy`` is its name in headers."""

    limit: str
    policy: str
    amount: int
    seconds: int

    def part(self, percent: int) -> Quota:
        """Return the quota that is ``percent`` of this one, and at least one unit."""
        return replace(self, amount=max(1, self.amount * percent // 100))

    def cost(self, units: int) -> int:
        """Return what ``units`` cost: what is larger than the whole quota takes all of it, and not for ever."""
        return min(units, self.amount)

    def key(self, subject: str) -> str:
        """Return where the units of ``subject`` (``user:7``) are counted."""
        return f"{self.limit}:{self.seconds}:{subject}"


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a quota is used, and how many seconds it takes until it is whole again."""

    quota: Quota
    used: int
    seconds: float

    @property
    def remaining(self) -> int:
        """How many units are left."""
        return max(0, self.quota.amount - self.used)

    @property
    def reset_after(self) -> int:
        """In how many whole seconds the quota is whole again, never too few."""
        return max(1, math.ceil(self.seconds))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How all quotas stand now, and those into which the cost did not fit: then nothing is used of any."""

    standings: tuple[Standing, ...]
    refused: tuple[Standing, ...] = ()


class Counters(Protocol):
    """Where units are counted, in windows that begin with the first unit of a subject."""

    def spend(self, subject: str, quotas: Sequence[Quota], units: int) -> Outcome:
        """Use ``units`` of all ``quotas``, or of none."""

    def look(self, keys: Mapping[str, Quota]) -> dict[str, Standing]:
        """Return how those of the keys stand of whose quotas something is used."""

    def clear(self, keys: Sequence[str]) -> int:
        """Forget what is counted under ``keys``, and return how many there were."""

    def clear_all(self) -> int:
        """Forget everything, and return how much there was."""


def quotas_of(settings: Mapping[str, Any]) -> dict[str, tuple[Quota, ...]]:
    """Return the quotas of each limit, as the settings ``RATELIMIT_...`` have them."""
    return {name: _quotas(name, settings[setting_of(name)]) for name in LIMITS}


def setting_of(limit: str) -> str:
    """Return the name of the setting with the quotas of ``limit``."""
    return f"RATELIMIT_{limit.upper()}"


def outcome_of(standings: Sequence[tuple[Quota, int, float]], units: int) -> Outcome:
    """Return what becomes of ``units`` where so much is used of each quota, for so many seconds yet."""
    before = tuple(Standing(*each) for each in standings)
    refused = tuple(each for each in before if each.used + each.quota.cost(units) > each.quota.amount)
    if refused:
        return Outcome(before, refused)
    return Outcome(tuple(replace(each, used=each.used + each.quota.cost(units)) for each in before))


def _quotas(name: str, rates: Sequence[tuple[int, int]]) -> tuple[Quota, ...]:
    # The longest window has the plain name; names are unique in a header.
    longest = max(seconds for _, seconds in rates)
    plain = name.replace("_", "-")
    return tuple(
        Quota(name, plain if seconds == longest else f"{plain}-{seconds}s", amount, seconds)
        for amount, seconds in rates
    )
