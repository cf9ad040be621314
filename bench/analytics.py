"""Measures the report for administrators on a large data set, made anew each time.

    python -m bench.analytics [--engine sqlite|postgresql|both] [--tasks N]

The exit code is 1 when the report of thirty days takes longer than promised.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median

from bench.dataset import Row, Size
from bench.loading import insert_rows
from bench.place import Place, begin
from nxfs.admin.queries.analytics import SECTIONS, Period
from nxfs.admin.service.analytics import reports
from nxfs.auth.models import ActiveDay
from nxfs.core import clock
from nxfs.core.request_counts import RequestCount
from nxfs.extensions import db

ENGINES = ("sqlite", "postgresql")
TASKS = 200_000
REPETITIONS = 9
MOST_MILLISECONDS = 200.0
ACTIVE_USERS, ENDPOINTS, DAYS = 1_000, 60, 90
RANGES = ((30, "day"), (400, "day"), (400, "month"))
URL = "/api/admin/analytics/"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the engines one after the other and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.analytics", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    parser.add_argument("--tasks", type=int, default=TASKS)
    options = parser.parse_args(arguments)
    engines = ENGINES if options.engine == "both" else (options.engine,)
    slowest = 0.0
    for engine in engines:
        with (
            tempfile.TemporaryDirectory() as directory,
            begin(engine, Path(directory), Size(tasks=options.tasks)) as here,
        ):
            slowest = max(slowest, _measure(here))
    return 1 if slowest > MOST_MILLISECONDS else 0


def _measure(here: Place) -> float:
    """Print the figures and return the median of the report of thirty days."""
    with here.app.app_context():
        with db.engine.begin() as connection:
            insert_rows(connection, ActiveDay.__table__, _active_days())
            insert_rows(connection, RequestCount.__table__, _request_counts())
        medians = [_measure_range(here, days, width) for days, width in RANGES]
        _measure_sections()
    return medians[0]


def _measure_range(here: Place, days: int, width: str) -> float:
    today = clock.today("Europe/Oslo")
    query = {"start": (today - timedelta(days=days - 1)).isoformat(), "end": today.isoformat(), "bucket": width}
    client, times, statements = here.app.test_client(), [], ""
    for _ in range(REPETITIONS):
        reports.forget()
        began = time.perf_counter()
        response = client.get(URL, query_string=query, headers=here.headers["admin"])
        times.append((time.perf_counter() - began) * 1000)
        statements = response.headers["X-DB-Queries"]
        if response.status_code != 200:
            raise RuntimeError(response.get_data(as_text=True))
    took = median(times)
    print(f"  {days} days by {width}: {took:.0f} ms, at most {max(times):.0f} ms, {statements} statements", flush=True)
    return took


def _measure_sections() -> None:
    today = clock.today("Europe/Oslo")
    for days in (30, 400):
        period = Period(today - timedelta(days=days - 1), today, "day", "Europe/Oslo")
        for name, read in SECTIONS.items():
            times = []
            for _ in range(REPETITIONS):
                began = time.perf_counter()
                read(period)
                times.append((time.perf_counter() - began) * 1000)
                db.session.rollback()
            print(f"    {days} days, {name}: {median(times):.1f} ms, at most {max(times):.1f} ms", flush=True)


def _active_days() -> Iterator[Row]:
    today = clock.now().date()
    for ago in range(DAYS):
        for user_id in range(1, ACTIVE_USERS + 1):
            yield {"day": today - timedelta(days=ago), "user_id": user_id}


def _request_counts() -> Iterator[Row]:
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    counts = {"requests": 100, "client_errors": 2, "server_errors": 0, "milliseconds": 1400.0}
    for ago in range(DAYS * 24):
        for number in range(ENDPOINTS):
            yield {"hour": hour - timedelta(hours=ago), "method": "GET", "route": f"/api/tasks/{number}/", **counts}


if __name__ == "__main__":
    sys.exit(main())
