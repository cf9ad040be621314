"""How often others run while something goes on in this process."""

from __future__ import annotations

from collections.abc import Callable

import gevent

# Less than the pause of whoever lets others run.
SHORT = 0.0001


def turns_during(action: Callable[[], object]) -> int:
    """Return how many turns a timer gets while ``action`` runs: none, if it never lets others run."""
    turns, is_over = 0, False

    def take_turns() -> None:
        nonlocal turns
        while not is_over:
            turns += 1
            gevent.sleep(SHORT)

    other = gevent.spawn(take_turns)
    gevent.sleep(SHORT)
    before = turns
    try:
        action()
        return turns - before
    finally:
        is_over = True
        other.join()
