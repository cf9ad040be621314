"""Requests at the same time: greenlets on SQLite, as on the server; threads on PostgreSQL, which waits in C here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gevent
import gevent.event
import pytest

SECONDS = 30

Action = Callable[[], Any]


def run_together(engine_name: str, actions: Sequence[Action]) -> list[Any]:
    """Run ``actions`` at the same time and return what they return, in their order; fail when they do not end."""
    if engine_name == "sqlite":
        greenlets = [gevent.spawn(action) for action in actions]
        gevent.joinall(greenlets, timeout=SECONDS, raise_error=True)
        return [greenlet.get(block=False) for greenlet in greenlets]
    with ThreadPoolExecutor(len(actions)) as pool:
        futures = [pool.submit(action) for action in actions]
        return [future.result(timeout=SECONDS) for future in futures]


class Pause:
    """Makes the callers of a function wait a moment, so that others come in between; tells when the first is there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, engine_name: str, target: Any, name: str) -> None:
        self._is_sqlite = engine_name == "sqlite"
        self._reached = gevent.event.Event() if self._is_sqlite else threading.Event()
        function = getattr(target, name)

        def paused(*args: Any, **keywords: Any) -> Any:
            result = function(*args, **keywords)
            self._reached.set()
            self._sleep(0.02 if self._is_sqlite else 0.1)
            return result

        monkeypatch.setattr(target, name, paused)

    def run_into(self, engine_name: str, first: Action, second: Action) -> list[Any]:
        """Run ``second`` while ``first`` is paused and return what both return."""
        return run_together(engine_name, [first, lambda: self._wait() and second()])

    def _wait(self) -> bool:
        return self._reached.wait(timeout=SECONDS)

    def _sleep(self, seconds: float) -> None:
        gevent.sleep(seconds) if self._is_sqlite else time.sleep(seconds)
