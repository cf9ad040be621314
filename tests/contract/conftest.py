"""The types of the document know no database."""

from __future__ import annotations

from tests import services

# Once, beside SQLite, is enough.
collect_ignore = [] if services.chosen_engine() == "sqlite" else ["test_typescript.py", "test_realtime_types.py"]
