"""Waiting for what happens elsewhere: in greenlets of this process, or in another process."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent

SECONDS = 30
PAUSE_SECONDS = 0.01


def wait_until(condition: Callable[[], object], seconds: float = SECONDS, what: str = "It did not happen.") -> None:
    """Let greenlets run until ``condition()`` holds; fail with ``what`` when it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        gevent.sleep(PAUSE_SECONDS)
