"""The end of the process: what has to be told before the server waits for the last requests."""

from __future__ import annotations

from collections.abc import Callable

_at_stop: list[Callable[[], object]] = []


def at_stop(action: Callable[[], object]) -> None:
    """Call ``action`` in a greenlet when the process is asked to stop, before requests under way have ended."""
    _at_stop.append(action)


def stop() -> None:
    """Do what was asked for. The server calls it, once."""
    while _at_stop:
        _at_stop.pop()()
