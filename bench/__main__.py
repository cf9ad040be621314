"""Measures the lists of tasks, kept connections and sign-ins on a large data set, against the real server.

    python -m bench [--engine sqlite|postgresql|both] [--tasks N] [--quick] [--random N]

The exit code is 1 when a promised figure is missed. Everything that was measured stands in bench/results/.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import checking, latency, measuring, place, plans, report
from bench.dataset import Size
from bench.report import Results
from nxfs.config import PROJECT_ROOT

ENGINES = ("sqlite", "postgresql")
TASKS, RANDOM_CASES = 200_000, 60
QUICK_TASKS, QUICK_RANDOM_CASES = 20_000, 15
CASES_BETWEEN_REPORTS = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the engines one after the other and return the exit code."""
    options = _parse(arguments)
    engines = ENGINES if options.engine == "both" else (options.engine,)
    missed = []
    for engine in engines:
        results = _measure(engine, options.tasks, options.random)
        print("\n".join(report.terminal_lines(results)))
        print(
            f"\nEvery case and the complete plans: {report.write_file(results).relative_to(PROJECT_ROOT)}\n", flush=True
        )
        missed += [f"{engine}: {each.name}: {each.measured}" for each in report.figures(results) if not each.is_met]
    print("\n".join(["Missed:", *missed]) if missed else "Every figure is met.")
    return 1 if missed else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    parser.add_argument("--tasks", type=int, help=f"default: {TASKS:,}")
    parser.add_argument("--random", type=int, help=f"combinations of filters; default: {RANDOM_CASES}")
    quick = f"{QUICK_TASKS:,} tasks and {QUICK_RANDOM_CASES} combinations, unless given"
    parser.add_argument("--quick", action="store_true", help=quick)
    options = parser.parse_args(arguments)
    if options.tasks is None:
        options.tasks = QUICK_TASKS if options.quick else TASKS
    if options.random is None:
        options.random = QUICK_RANDOM_CASES if options.quick else RANDOM_CASES
    return options


def _measure(engine: str, tasks: int, random_count: int) -> Results:
    with tempfile.TemporaryDirectory() as directory:
        with place.begin(engine, Path(directory), Size(tasks=tasks)) as here:
            measurements = measuring.measure_cases(here, random_count, _show_progress)
            return Results(
                engine=engine,
                measurements=measurements,
                wrong_counts=checking.find_wrong_counts(here, measurements),
                plans=plans.explain_cases(here),
                kept=latency.measure_kept_connection(here),
                logins=latency.measure_logins(here),
            )


def _show_progress(done: int, total: int) -> None:
    if done % CASES_BETWEEN_REPORTS == 0 or done == total:
        print(f"  measured {done} of {total} lists", flush=True)


if __name__ == "__main__":
    sys.exit(main())
