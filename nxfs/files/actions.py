"""What is audited of stored files: names of actions with sentences that say what happened."""

from __future__ import annotations

from nxfs.core.messages import Text

ACTIONS = {
    "files.lost_file_forgotten": Text(
        "The row of a file whose bytes are lost was deleted.",
        "Raden til en fil som er tapt, ble slettet.",
    ),
}
