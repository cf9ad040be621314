"""The bounded pools for work that would hold the event loop: one for short work, one for long texts."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gevent.threadpool import ThreadPool

from nxfs.core.errors import ServiceUnavailableError

P = ParamSpec("P")
R = TypeVar("R")

# One thread a core: more threads only take the processor from the event loop. With ten threads on two cores sixteen
# password hashes stalled the loop for 212 ms, with two for 3 ms.
_pool = ThreadPool(os.cpu_count() or 1)

# Long texts have a thread of their own, so that nobody's password waits behind them.
_long_pool = ThreadPool(1)
# How many may wait for that thread, or use it.
MOST_LONG = 30
_long_count = 0


def run_in_thread(function: Callable[P, R], *args: P.args, **keywords: P.kwargs) -> R:
    """Run ``function`` in the pool and return its result; other greenlets run meanwhile. Exceptions are raised here."""
    return _pool.apply(function, args, keywords)


def run_long_in_thread(function: Callable[P, R], *args: P.args, **keywords: P.kwargs) -> R:
    """Run ``function``, which works on long texts, as ``run_in_thread`` does, one at a time.

    Raises ``ServiceUnavailableError`` when too many wait already.
    """
    global _long_count
    if _long_count >= MOST_LONG:
        raise ServiceUnavailableError
    _long_count += 1
    try:
        return _long_pool.apply(function, args, keywords)
    finally:
        _long_count -= 1
