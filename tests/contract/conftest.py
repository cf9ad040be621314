"""The types of the document know no database."""

from __future__ import annotations

from tests import services

# Once is enough: beside PostgreSQL, whose run has less to do.
collect_ignore = [] if services.chosen_engine() == "postgresql" else ["test_typescript.py", "test_realtime_types.py"]
