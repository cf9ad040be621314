"""What was measured of bulk operations, as text: tables, and which figures are met."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.bulk_jobs import JobResults
from bench.bulk_requests import ALL_FOUR, DELETION, RequestResults, Scale
from bench.report import RESULTS, Figure, table

MOST_MILLISECONDS = 150
MOST_STATEMENTS = 10
MOST_SLOWER_MILLISECONDS = 100
LEAST_VALUES = 20
PACKAGES = ("gunicorn", "gevent", "Flask", "SQLAlchemy", "Django", "djangorestframework")


@dataclass(frozen=True)
class Results:
    """Everything that was measured on one engine; ``load`` is the machine's average before and afterwards."""

    engine: str
    scale: Scale
    requests: RequestResults
    job: JobResults
    load: tuple[float, float]


def figures(results: Results) -> Iterator[Figure]:
    """Yield the promises, each with what was measured for it."""
    ids, wrong, job = results.scale.ids, results.requests.wrong, results.job
    yield Figure("the tasks are as they must be", "; ".join(wrong[:3]) or "yes", not wrong)
    for name in (ALL_FOUR, DELETION):
        series = results.requests.ours[name]
        measured = f"at most {series.worst:.0f} ms, median {series.median:.0f} ms"
        promise = f"{ids:,} ids, {name} <= {MOST_MILLISECONDS} ms"
        yield Figure(promise, measured, series.worst <= MOST_MILLISECONDS)
        most = max(series.statements)
        promise = f"{ids:,} ids, {name} <= {MOST_STATEMENTS} statements"
        yield Figure(promise, f"at most {most}", most <= MOST_STATEMENTS)
    is_right = job.job["state"] == "succeeded" and (job.job["result"] or {}).get("updated_count") == job.ids
    yield Figure(f"the job of {job.ids:,} ids does them all", str(job.job["state"]), is_right)
    values, least = min(len(job.looked), len(job.pushed)), _least_values(job)
    promise = f"its progress has {least} values or more"
    yield Figure(promise, f"{len(job.looked)} asked, {len(job.pushed)} pushed", values >= least)
    for path, meanwhile in job.meanwhile.items():
        slower = meanwhile.longest - job.quiet[path].longest
        promise = f"GET {path} meanwhile <= the longest alone + {MOST_SLOWER_MILLISECONDS} ms"
        yield Figure(promise, f"{slower:+.0f} ms", slower <= MOST_SLOWER_MILLISECONDS)


def lines(results: Results) -> Iterator[str]:
    """Yield what is shown."""
    scale, before, after = results.scale, *results.load
    yield f"\n{results.engine}: {scale.tasks:,} tasks; the real server, connections kept alive"
    yield f"{os.cpu_count()} cores, which the servers, the clients and the database share."
    yield f"Average load {before:.1f} before and {after:.1f} afterwards, much of it from the measurement itself."
    yield f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES) + "."
    yield from _request_lines(results)
    yield from _job_lines(results.job)
    yield f"\n{results.engine}: figures"
    rows = [(each.name, each.measured, "met" if each.is_met else "MISSED") for each in figures(results)]
    yield from table(("figure", "measured", ""), rows)


def write_file(results: Results) -> Path:
    """Write everything, and return the file's path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"bulk-{results.engine}.txt"
    path.write_text("\n".join(lines(results)).lstrip("\n") + "\n", encoding="utf-8")
    return path


def _request_lines(results: Results) -> Iterator[str]:
    scale, requests = results.scale, results.requests
    yield f"\n{results.engine}: {scale.ids:,} ids in one request, milliseconds from the client"
    rows = []
    for name, series in requests.ours.items():
        fewest, most = min(series.statements), max(series.statements)
        rows.append((name, len(series.times), f"{series.median:.0f}", f"{series.worst:.0f}", f"{fewest}-{most}"))
    yield from table(("", "rounds", "median", "worst", "SQL"), rows)
    yield "Each task is of other people, who are notified, unless it says otherwise."
    yield f"\n{results.engine}: the same in other ways, milliseconds, and how many times as long as ours at once"
    at_once = requests.ours[ALL_FOUR]
    # What is compared is the work of one batch, also where fewer single requests were sent.
    singles = requests.singles * scale.ids / scale.singles
    name = f"{scale.ids:,} single PATCH, {requests.single_statements} statements each"
    rows = [_ratio_cells(name, singles, at_once.median)]
    for name, series in requests.peer.items():
        ours = requests.ours[name].median
        rows.append(_ratio_cells(f"Django REST Framework, {name}", series.median, ours))
    yield from table(("", "median", "ours", "ratio"), rows)
    yield "Django validates and saves each object by its serializer, in one transaction; it writes no events, no audit"
    yield "log and no notifications, and has no search index."


def _job_lines(job: JobResults) -> Iterator[str]:
    speed = job.ids / job.seconds
    yield f"\nA job of {job.ids:,} ids: queued in {job.queueing:.0f} ms, over after {job.seconds:.1f} s."
    yield f"It did {speed:,.0f} ids a second."
    yield f"Its progress had {len(job.looked)} values for who asks and {len(job.pushed)} for who listens."
    rows = []
    for path, meanwhile in job.meanwhile.items():
        for name, latency in (("alone", job.quiet[path]), ("meanwhile", meanwhile)):
            cells = (f"{latency.median:.1f}", f"{latency.p99:.1f}", f"{latency.longest:.1f}")
            rows.append((f"GET {path} {name}", len(latency.times), *cells))
    yield from table(("", "requests", "median", "p99", "max"), rows)


def _ratio_cells(name: str, milliseconds: float, ours: float) -> Sequence[str]:
    return name, f"{milliseconds:,.0f}", f"{ours:,.0f}", f"{milliseconds / ours:.1f}"


def _least_values(job: JobResults) -> int:
    # A short one ends before it is told of so often.
    return min(LEAST_VALUES, int(job.seconds * 2))
