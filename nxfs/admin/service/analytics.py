"""How the service is used: read once a minute for all who look, and written down who looked."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from io import StringIO
from typing import Any

from cachetools import TTLCache
from gevent.lock import RLock

from nxfs.admin.queries.analytics import PERCENTILES, SECTIONS, Period, read_section
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.csv_cells import guarded
from nxfs.core.errors import ForbiddenError
from nxfs.core.transaction import release_connection, transaction

REMEMBERED_SECONDS = 60
MOST_REMEMBERED = 64

Report = dict[str, Any]


class Reports:
    """The reports that this process has made within a minute."""

    def __init__(self) -> None:
        self._known: TTLCache[Period, Report] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
        self._reading = RLock()

    def get(self, period: Period) -> Report:
        """Return the report of ``period``; while one makes it, the others wait for it."""
        known = self._known.get(period)
        if known is not None:
            return known
        # The connection of whoever waits is another's meanwhile.
        release_connection()
        with self._reading:
            known = self._known.get(period)
            if known is None:
                known = self._known[period] = _read(period)
        return known

    def forget(self) -> None:
        """Make all reports anew."""
        self._known.clear()


reports = Reports()


def show(*, actor: Actor, period: Period) -> Report:
    """Return the report of ``period``, as ``AnalyticsSchema`` has it. Raises ``ForbiddenError``."""
    _require_view(actor)
    report = reports.get(period)
    _note("analytics.viewed", actor, period)
    return report


def export(*, actor: Actor, period: Period, section: str) -> str:
    """Return a table of the report, one of ``TABLES``, as CSV. Raises ``ForbiddenError``."""
    _require_view(actor)
    rows = list(TABLES[section](reports.get(period)))
    _note("analytics.exported", actor, period, section=section)
    file = StringIO()
    # Excel knows UTF-8 by the byte order mark.
    file.write("\ufeff")
    table = csv.writer(file, lineterminator="\r\n")
    table.writerow(COLUMNS[section])
    table.writerows([_cell(row[name]) for name in COLUMNS[section]] for row in rows)
    return file.getvalue()


def _require_view(actor: Actor) -> None:
    if "analytics.view" not in actor.permissions:
        raise ForbiddenError


def _read(period: Period) -> Report:
    return {
        "start": period.start,
        "end": period.end,
        "bucket": period.width,
        "time_zone": period.time_zone,
        "generated_at": clock.now(),
        **{name: read_section(name, period) for name in SECTIONS},
    }


def _note(action: str, actor: Actor, period: Period, **details: str) -> None:
    seen = {"start": period.start.isoformat(), "end": period.end.isoformat(), "bucket": period.width, **details}
    with transaction() as tx:
        tx.audit(action, actor_id=actor.id, changes=seen)


def _cell(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value


def _lead_times(report: Report) -> Iterable[dict[str, Any]]:
    return ({"percentile": percent, "hours": report["lead_time"][f"p{percent}"]} for percent in PERCENTILES)


TABLES: dict[str, Callable[[Report], Iterable[dict[str, Any]]]] = {
    "users": lambda report: report["users"]["buckets"],
    "tasks": lambda report: report["tasks"]["buckets"],
    "tasks_by_status": lambda report: report["tasks"]["by_status"],
    "tasks_by_project": lambda report: report["tasks"]["by_project"],
    "lead_time": _lead_times,
    "posts": lambda report: report["posts"]["buckets"],
    "media": lambda report: report["media"]["buckets"],
    "storage": lambda report: report["storage"]["by_user"],
    "requests": lambda report: report["requests"]["by_endpoint"],
}
COLUMNS = {
    "users": ("start", "end", "active", "new"),
    "tasks": ("start", "end", "created", "completed"),
    "tasks_by_status": ("status", "count"),
    "tasks_by_project": ("project_id", "name", "count"),
    "lead_time": ("percentile", "hours"),
    "posts": ("start", "end", "created", "published"),
    "media": ("start", "end", "files", "bytes"),
    "storage": ("user_id", "name", "used_bytes"),
    "requests": (
        "method",
        "route",
        "requests",
        "client_errors",
        "server_errors",
        "client_error_rate",
        "server_error_rate",
        "average_ms",
    ),
}
