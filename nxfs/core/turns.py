"""Letting others run in the middle of work that never waits by itself."""

from __future__ import annotations

import gevent

# Shorter than anybody notices, and longer than nothing.
PAUSE_SECONDS = 0.001


def let_others_run() -> None:
    """Let all others run that can, and those whose time has come or to whom something was sent.

    ``gevent.sleep(0)`` lets only those run that are ready: timers and sockets are looked at after fifty of such turns.
    Not for the inside of a transaction, where nothing may wait.
    """
    gevent.sleep(PAUSE_SECONDS)
