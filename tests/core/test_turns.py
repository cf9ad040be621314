"""Tests of letting others run: also those whose time has come in the middle of the work."""

from __future__ import annotations

import time

from nxfs.core.turns import let_others_run
from tests.turns import turns_during


def work(rounds: int) -> None:
    """Do something that never waits, and let others run in between."""
    for _ in range(rounds):
        until = time.perf_counter() + 0.002
        while time.perf_counter() < until:
            pass
        let_others_run()


def test_timers_get_a_turn_each_time_others_are_let_run():
    assert turns_during(lambda: work(10)) >= 10


def test_nobody_gets_a_turn_from_work_that_does_not_let_them():
    assert turns_during(time.perf_counter) == 0
