"""Actions that only tests audit, beside those of the application."""

from __future__ import annotations

from nxfs.core.messages import Text

_SENTENCE = Text("A test did something.", "En test gjorde noe.")
ACTIONS = dict.fromkeys(
    (
        "tests.thing_done",
        "tests.failed",
        "tests.step_taken",
        "test.often",
        "test.rarely",
        "test.everywhere",
    ),
    _SENTENCE,
)
