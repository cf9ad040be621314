"""Units counted in Redis, exact across processes, in one call that is bounded in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import gevent
from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry

from nxfs.core.limits.rules import Outcome, Quota, Standing, outcome_of

PREFIX = "nxfs:limits"
# For each step: a connection from the pool, connecting, an answer; and for all of them.
STEP_SECONDS = 0.25
CALL_SECONDS = 0.6
MOST_CONNECTIONS = 32
# How long nobody asks after a call has failed.
PAUSE_SECONDS = 2.0
KEYS_AT_ONCE = 500

# All windows of a request in one step that nothing comes between: how much is used of each, for how many milliseconds
# yet, and, if the cost fits into all of them, the cost on top. From the same numbers the caller sees whether it did.
SPEND = """
local seen, fits = {}, true
for i, key in ipairs(KEYS) do
  local amount, window, cost = tonumber(ARGV[3*i-2]), tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i])
  local used, left = tonumber(redis.call('GET', key) or '0'), redis.call('PTTL', key)
  if left <= 0 then used, left = 0, window end
  if used + cost > amount then fits = false end
  seen[2*i-1], seen[2*i] = used, left
end
if fits then
  for i, key in ipairs(KEYS) do
    redis.call('SET', key, seen[2*i-1] + tonumber(ARGV[3*i]), 'PX', seen[2*i])
  end
end
return seen
"""

Result = TypeVar("Result")


class AwayError(Exception):
    """Redis does not answer, or did not a moment ago. Not for clients."""


class RedisCounters:
    """Counters that all processes share. Every method raises ``AwayError`` instead of waiting for long."""

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MOST_CONNECTIONS,
            timeout=STEP_SECONDS,
            socket_connect_timeout=STEP_SECONDS,
            socket_timeout=STEP_SECONDS,
            # Once more on a connection that was lost since it was used last; a time-out is not tried again.
            retry=Retry(NoBackoff(), 1, supported_errors=(LostConnectionError,)),
        )
        self._redis = Redis(connection_pool=pool)
        self._spend = self._redis.register_script(SPEND)
        self._now = now
        self._is_away = False
        self._ask_at = 0.0

    def spend(self, subject: str, quotas: Sequence[Quota], units: int) -> Outcome:
        """Use ``units`` of all ``quotas``, or of none."""
        keys = [_stored(quota.key(subject)) for quota in quotas]
        numbers = [number for each in quotas for number in (each.amount, each.seconds * 1000, each.cost(units))]
        seen = self._ask(lambda: self._spend(keys=keys, args=numbers))
        windows = zip(quotas, seen[::2], seen[1::2], strict=True)
        return outcome_of([(quota, used, left / 1000) for quota, used, left in windows], units)

    def look(self, keys: Mapping[str, Quota]) -> dict[str, Standing]:
        """Return how those of the keys stand of whose quotas something is used."""

        def read() -> list[Any]:
            with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.get(_stored(key))
                    pipeline.pttl(_stored(key))
                return pipeline.execute()

        seen = self._ask(read)
        windows = zip(keys.items(), seen[::2], seen[1::2], strict=True)
        return {key: Standing(quota, int(used), left / 1000) for (key, quota), used, left in windows if used}

    def clear(self, keys: Sequence[str]) -> int:
        """Forget what is counted under ``keys``, and return how many there were."""
        return self._delete([_stored(key) for key in keys])

    def clear_all(self) -> int:
        """Forget everything, and return how much there was."""
        found = self._ask(lambda: list(self._redis.scan_iter(f"{PREFIX}:*", count=KEYS_AT_ONCE)))
        starts = range(0, len(found), KEYS_AT_ONCE)
        return sum(self._delete(found[start : start + KEYS_AT_ONCE]) for start in starts)

    def _delete(self, stored: Sequence[Any]) -> int:
        return int(self._ask(lambda: self._redis.delete(*stored)))

    def _ask(self, call: Callable[[], Result]) -> Result:
        now = self._now()
        if now < self._ask_at:
            raise AwayError
        if self._is_away:
            # One finds out whether it is back; the others do not wait for that.
            self._ask_at = now + PAUSE_SECONDS
        try:
            # The library's limits know nothing of looking up the host's name.
            with gevent.Timeout(CALL_SECONDS):
                result = call()
        except (RedisError, OSError, gevent.Timeout) as error:
            self._ask_at = self._now() + PAUSE_SECONDS
            self._is_away = True
            raise AwayError from error
        self._is_away, self._ask_at = False, 0.0
        return result


def _stored(key: str) -> str:
    # In braces what decides on which server of a cluster it is: all windows of a limit and subject on the same.
    limit, seconds, subject = key.split(":", 2)
    return f"{PREFIX}:{{{limit}:{subject}}}:{seconds}"
