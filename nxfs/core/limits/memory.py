"""Units counted in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from nxfs.core.limits.rules import Outcome, Quota, Standing, outcome_of

# Fewer counters than this are never looked through for those that are over.
FEW = 1_000


class MemoryCounters:
    """Counters of one process, which no other greenlet can get between: nothing here waits."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        # How much is used, and until when.
        self._windows: dict[str, tuple[int, float]] = {}
        self._sweep_at = FEW

    def spend(self, subject: str, quotas: Sequence[Quota], units: int) -> Outcome:
        """Use ``units`` of all ``quotas``, or of none."""
        now = self._now()
        keys = [quota.key(subject) for quota in quotas]
        windows = [self._window(key, quota, now) for key, quota in zip(keys, quotas, strict=True)]
        standings = [(quota, used, ends_at - now) for quota, (used, ends_at) in zip(quotas, windows, strict=True)]
        outcome = outcome_of(standings, units)
        if not outcome.refused:
            for key, (_, ends_at), standing in zip(keys, windows, outcome.standings, strict=True):
                self._windows[key] = (standing.used, ends_at)
            if len(self._windows) >= self._sweep_at:
                self._sweep(now)
        return outcome

    def look(self, keys: Mapping[str, Quota]) -> dict[str, Standing]:
        """Return how those of the keys stand of whose quotas something is used."""
        now = self._now()
        windows = {key: self._window(key, quota, now) for key, quota in keys.items()}
        return {key: Standing(keys[key], used, ends_at - now) for key, (used, ends_at) in windows.items() if used}

    def clear(self, keys: Sequence[str]) -> int:
        """Forget what is counted under ``keys``, and return how many there were."""
        return sum(self._windows.pop(key, None) is not None for key in keys)

    def clear_all(self) -> int:
        """Forget everything, and return how much there was."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def _window(self, key: str, quota: Quota, now: float) -> tuple[int, float]:
        window = self._windows.get(key)
        return window if window is not None and window[1] > now else (0, now + quota.seconds)

    def _sweep(self, now: float) -> None:
        self._windows = {key: window for key, window in self._windows.items() if window[1] > now}
        # Not again before there are twice as many: then it costs each counter once.
        self._sweep_at = max(FEW, 2 * len(self._windows))
