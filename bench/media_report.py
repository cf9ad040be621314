"""What was measured of media, as text: tables, and which figures are met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urlsplit

from bench.latency import Latency
from bench.measuring import Measurement
from bench.media_lists import ALONE, GROUPS, PublicList, path_of
from bench.media_transfers import REQUESTS_AT_ONCE, DerivativeRequests, Uploads
from bench.place import USERS
from bench.report import MOST_MILLISECONDS, MOST_STATEMENTS, RESULTS, Figure, table

MOST_UPLOAD_MILLISECONDS = 1_000
MOST_POLL_MILLISECONDS = 100
MOST_STATEMENTS_UNCHANGED = 2
# Nothing is promised of a user who has a third of a hundred thousand files; the lists of one are measured all the same.
PROMISED_ROLES = ("admin", "ordinary")
SLOWEST_SHOWN = 10


@dataclass(frozen=True)
class Results:
    """Everything that was measured on one engine."""

    engine: str
    uploads: Uploads
    derivatives: Sequence[DerivativeRequests]
    lists: Sequence[Measurement]
    public_lists: Sequence[PublicList]


def figures(results: Results) -> list[Figure]:
    """Return the promises, each with what was measured for it."""
    # The last kind is several uploads at once, of which nothing is promised.
    promised = results.uploads.kinds[:-1]
    slowest = max(kind.uploads.longest for kind in promised)
    poll = max(kind.meanwhile.p99 for kind in promised)
    size = f"{results.uploads.photograph_bytes / 1024 / 1024:.1f} MB"
    made = [each.made for each in results.derivatives]
    alike = all(each.answers == 1 and not each.failed for each in results.derivatives)
    failures = [each.failure for each in (*results.lists, *results.public_lists) if each.failure]
    statements = max(each.statements for each in results.lists)
    unchanged = max(each.unchanged_statements for each in results.public_lists)
    lists = [each.median for each in results.lists if each.group == ALONE and each.case.role in PROMISED_ROLES]
    slow = sum(each > MOST_MILLISECONDS for each in lists)
    return [
        Figure(
            f"an upload of {size} is answered <= {MOST_UPLOAD_MILLISECONDS} ms",
            f"at most {slowest:.0f} ms",
            slowest <= MOST_UPLOAD_MILLISECONDS,
        ),
        Figure(
            f"others meanwhile, p99 <= {MOST_POLL_MILLISECONDS} ms", f"{poll:.1f} ms", poll <= MOST_POLL_MILLISECONDS
        ),
        Figure(
            f"{REQUESTS_AT_ONCE} requests make a new derivative once",
            ", ".join(f"{each.made} by {each.name}" for each in results.derivatives),
            all(count == 1 for count in made),
        ),
        Figure("and all get the same", "yes" if alike else "no", alike),
        Figure("every list is answered", "; ".join(failures[:3]) or "yes", not failures),
        Figure(
            f"each filter of the library alone <= {MOST_MILLISECONDS} ms",
            f"{slow} of {len(lists)} above, at most {max(lists):.0f} ms",
            not slow,
        ),
        Figure(
            f"a list takes <= {MOST_STATEMENTS} SQL statements", f"at most {statements}", statements <= MOST_STATEMENTS
        ),
        Figure(
            f"304 takes <= {MOST_STATEMENTS_UNCHANGED} SQL statements",
            f"at most {unchanged}",
            unchanged <= MOST_STATEMENTS_UNCHANGED,
        ),
    ]


def terminal_lines(results: Results) -> Iterator[str]:
    """Yield what is shown."""
    yield from _upload_lines(results)
    yield f"\n{results.engine}: {REQUESTS_AT_ONCE} requests at once for a new derivative, milliseconds from the client"
    rows = [
        (each.name, each.made, each.answers, each.failed, *_cells(each.times, "median", "longest"))
        for each in results.derivatives
    ]
    yield from table(("", "made", "different answers", "failed", "median", "slowest"), rows)
    yield f"\n{results.engine}: GET /api/blog/media/, pages of 100, milliseconds in the server"
    rows = []
    for role, group in product(USERS, GROUPS):
        members = [each for each in results.lists if (each.case.role, each.group) == (role, group)]
        worst = max(members, key=lambda each: each.median)
        middle = median(each.median for each in members)
        rows.append((role, group, len(members), f"{middle:.0f}", f"{worst.median:.0f}", worst.case.name))
    yield from table(("", "", "cases", "median", "worst", "worst case"), rows)
    yield f"\n{results.engine}: the {SLOWEST_SHOWN} slowest"
    yield from _list_table(_by_slowness(results.lists)[:SLOWEST_SHOWN])
    yield f"\n{results.engine}: public lists, milliseconds in the server, whole (200) and unchanged (304)"
    yield from table(
        ("list", "kB", "200", "SQL", "304", "SQL", "304/200"),
        [
            (
                unquote(each.path),
                f"{each.whole_bytes / 1000:.0f}",
                f"{each.whole:.0f}",
                each.whole_statements,
                f"{each.unchanged:.0f}",
                each.unchanged_statements,
                f"{each.unchanged / max(each.whole, 1):.2f}",
            )
            for each in results.public_lists
        ],
    )
    yield f"\n{results.engine}: figures"
    rows = [(each.name, each.measured, "met" if each.is_met else "MISSED") for each in figures(results)]
    yield from table(("figure", "measured", ""), rows)


def write_file(results: Results) -> Path:
    """Write everything, with each list, and return the file's path."""
    lines = [*terminal_lines(results), "", "Every list", *_list_table(_by_slowness(results.lists))]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"media-{results.engine}.txt"
    path.write_text("\n".join(lines).lstrip("\n") + "\n", encoding="utf-8")
    return path


def _upload_lines(results: Results) -> Iterator[str]:
    uploads = results.uploads
    size = f"{uploads.photograph_bytes / 1024 / 1024:.2f} MB"
    yield f"\n{results.engine}: POST /api/blog/media/upload/ of a JPEG of {size} and 12 megapixels, milliseconds"
    rows = [(kind.name, len(kind.uploads.times), *_cells(kind.uploads, "median", "longest")) for kind in uploads.kinds]
    yield from table(("", "uploads", "median", "max"), rows)
    yield f"\n{results.engine}: GET /api/auth/me/ every 10 ms, milliseconds from the client"
    pollers = [("alone", uploads.alone), *((f"uploads {kind.name}", kind.meanwhile) for kind in uploads.kinds)]
    rows = [(name, len(each.times), *_cells(each, "median", "p99", "longest")) for name, each in pollers]
    yield from table(("", "requests", "median", "p99", "max"), rows)


def _list_table(measurements: Sequence[Measurement]) -> Iterator[str]:
    rows = [
        (
            each.case.name,
            each.case.role,
            f"{each.median:.0f}",
            f"{each.longest:.0f}",
            f"{median(each.wall_times):.1f}",
            each.rows,
            each.count,
            each.statements,
            each.failure or unquote(urlsplit(path_of(each.case.parameters)).query),
        )
        for each in measurements
    ]
    yield from table(("case", "role", "median", "max", "client", "rows", "count", "SQL", "query"), rows)


def _by_slowness(measurements: Sequence[Measurement]) -> list[Measurement]:
    return sorted(measurements, key=lambda each: (each.failure is not None, each.median), reverse=True)


def _cells(latency: Latency, *names: str) -> tuple[str, ...]:
    return tuple(f"{getattr(latency, name):.1f}" for name in names)
