"""What was measured, as text: tables for the terminal, everything for a file, and which figures are met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import unquote, urlsplit

from bench import texts
from bench.latency import KEPT_REQUESTS, LOGIN_ROUNDS, PARALLEL_LOGINS, Latency, LoginLatency
from bench.measuring import GROUPS, Measurement, path_of
from bench.place import USERS
from bench.plans import CASES, SHOWN, Plan

RESULTS = Path(__file__).parent / "results"

MOST_MILLISECONDS = 50
MOST_STATEMENTS = 4
# A delayed acknowledgement waits for 40 ms.
STALL_MILLISECONDS = 38
MOST_BLOCKED_MILLISECONDS = 100
SLOWEST_SHOWN = 10
LONGEST_PLAN = 12


@dataclass(frozen=True)
class Results:
    """Everything that was measured on one engine; ``wrong_counts`` are sentences."""

    engine: str
    measurements: Sequence[Measurement]
    wrong_counts: Sequence[str]
    plans: Sequence[Plan]
    kept: Latency
    logins: LoginLatency


@dataclass(frozen=True)
class Figure:
    """One promise and what was measured."""

    name: str
    measured: str
    is_met: bool


def figures(results: Results) -> list[Figure]:
    """Return the promises, each with what was measured for it."""
    failures = sum(each.failure is not None for each in results.measurements)
    statements = max(each.statements for each in results.measurements)
    common = [each for each in results.measurements if _has_commonest_word(each)]
    blocked = results.logins.during.longest - results.logins.alone.median
    return [
        Figure("every list is answered", f"{failures} of {len(results.measurements)} failed", not failures),
        Figure("the lists hold what is stored", "; ".join(results.wrong_counts[:3]) or "yes", not results.wrong_counts),
        _slowest_figure("any filter combination", results.measurements),
        _slowest_figure("commonest search word", common),
        Figure(
            f"a list takes <= {MOST_STATEMENTS} SQL statements", f"at most {statements}", statements <= MOST_STATEMENTS
        ),
        Figure("no 40 ms stall", f"p99 {results.kept.p99:.1f} ms", results.kept.p99 < STALL_MILLISECONDS),
        Figure(
            f"{PARALLEL_LOGINS} parallel logins block others <= {MOST_BLOCKED_MILLISECONDS} ms",
            f"at most {blocked:.1f} ms more than the median alone",
            blocked <= MOST_BLOCKED_MILLISECONDS,
        ),
    ]


def terminal_lines(results: Results) -> Iterator[str]:
    """Yield what is shown."""
    for role in USERS:
        yield f"\n{results.engine}, {role}: GET /api/tasks/, pages of 25, milliseconds in the server"
        yield from _group_table([each for each in results.measurements if each.case.role == role])
    yield f"\n{results.engine}: the {SLOWEST_SHOWN} slowest"
    yield from _case_table(_by_slowness(results.measurements)[:SLOWEST_SHOWN])
    yield from _plan_lines(results.plans)
    yield f"\n{results.engine}: {KEPT_REQUESTS} GET /api/auth/me/ over one connection, milliseconds from the client"
    yield from table(("", "p50", "p99", "max"), [("kept alive", *_latency_cells(results.kept))])
    yield f"There is {'a' if results.kept.p99 >= STALL_MILLISECONDS else 'no'} 40 ms stall."
    yield from _login_lines(results)
    yield f"\n{results.engine}: figures"
    rows = [(each.name, each.measured, "met" if each.is_met else "MISSED") for each in figures(results)]
    yield from table(("figure", "measured", ""), rows)


def write_file(results: Results) -> Path:
    """Write everything, with each case and the complete plans, and return the file's path."""
    lines = [*terminal_lines(results), *results.wrong_counts, "", "Every case"]
    lines += _case_table(_by_slowness(results.measurements))
    for plan in results.plans:
        lines += ["", f"Plan: {_title(plan)}", plan.statement, "", *plan.lines]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{results.engine}.txt"
    path.write_text("\n".join(lines).lstrip("\n") + "\n", encoding="utf-8")
    return path


def _has_commonest_word(measurement: Measurement) -> bool:
    return texts.COMMON_WORD in measurement.case.parameters.get("search", "")


def _slowest_figure(name: str, measurements: Sequence[Measurement]) -> Figure:
    slow = sum(each.median > MOST_MILLISECONDS for each in measurements)
    slowest = max(each.median for each in measurements)
    measured = f"{slow} of {len(measurements)} above, at most {slowest:.0f} ms"
    return Figure(f"{name} <= {MOST_MILLISECONDS} ms", measured, not slow)


def _by_slowness(measurements: Sequence[Measurement]) -> list[Measurement]:
    return sorted(measurements, key=lambda each: (each.failure is not None, each.median), reverse=True)


def _group_table(measurements: Sequence[Measurement]) -> Iterator[str]:
    rows = []
    for group in GROUPS:
        members = [each for each in measurements if each.group == group]
        if members:
            worst = max(members, key=lambda each: each.median)
            slow = sum(each.median > MOST_MILLISECONDS for each in members)
            middle = median(each.median for each in members)
            most = max(each.statements for each in members)
            rows.append((group, len(members), f"{middle:.0f}", f"{worst.median:.0f}", slow, most, worst.case.name))
    yield from table(("group", "cases", "median", "worst", f"> {MOST_MILLISECONDS}", "max SQL", "worst case"), rows)


def _case_table(measurements: Sequence[Measurement]) -> Iterator[str]:
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


def _plan_lines(plans: Sequence[Plan]) -> Iterator[str]:
    for plan in plans:
        if plan.case in CASES[:SHOWN]:
            lines = plan.summary()
            yield f"\nPlan: {_title(plan)}"
            yield from (f"  {line}" for line in lines[:LONGEST_PLAN])
            if len(lines) > LONGEST_PLAN:
                yield f"  ... {len(lines) - LONGEST_PLAN} more lines"


def _title(plan: Plan) -> str:
    return f"{plan.case.name}, as {plan.case.role}"


def _login_lines(results: Results) -> Iterator[str]:
    logins = results.logins
    difference = logins.during.longest - logins.alone.longest
    yield f"\n{results.engine}: GET /api/auth/me/ every 10 ms, milliseconds from the client"
    rows = [
        ("alone", len(logins.alone.times), *_latency_cells(logins.alone)),
        (f"during {PARALLEL_LOGINS} parallel logins", len(logins.during.times), *_latency_cells(logins.during)),
        (f"the logins, {LOGIN_ROUNDS} rounds", len(logins.logins.times), *_latency_cells(logins.logins)),
    ]
    yield from table(("", "requests", "median", "p99", "max"), rows)
    yield f"The longest during the logins took {difference:+.1f} ms against the longest alone."


def _latency_cells(latency: Latency) -> tuple[str, str, str]:
    return f"{latency.median:.1f}", f"{latency.p99:.1f}", f"{latency.longest:.1f}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table, numbers to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(head))]
    is_number = [all(row[index].replace(".", "").isdecimal() for row in cells[1:]) for index in range(len(head))]
    for row in cells:
        padded = zip(row, widths, is_number, strict=True)
        yield "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in padded).rstrip()
