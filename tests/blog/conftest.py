"""What the tests of the blog share."""

from __future__ import annotations

from tests import services

# It knows no database; once, beside SQLite, is enough.
collect_ignore = [] if services.chosen_engine() == "sqlite" else ["test_rendering.py"]
