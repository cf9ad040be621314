"""A process that spends units of one limit as fast as it can, and prints how many it got."""

from __future__ import annotations

import sys

from nxfs.core.limits.limiter import Limiter
from nxfs.core.limits.shared import RedisCounters
from tests.core.limits.quotas import quotas


def main(url: str, count: str) -> None:
    """Try ``count`` times, after a line on standard input."""
    limiter = Limiter(quotas(api="400 per hour, 900 per day"), share=25, shared=RedisCounters(url))
    # Connected, and ready to begin with the others.
    limiter.look("user:1")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    passed = sum(not limiter.spend("api", "user:1", 1).refused for _ in range(int(count)))
    sys.stdout.write(f"{passed}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
