"""Measures bulk operations against the real server, beside single requests and Django REST Framework.

    python -m bench.bulk [--engine sqlite|postgresql|both] [--quick]

The exit code is 1 when a promised figure is missed. Everything that was measured stands in bench/results/.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import bulk_jobs, bulk_place, bulk_report, bulk_requests
from bench.bulk_report import Results
from bench.bulk_requests import QUICK, Deck, Scale
from bench.dataset import Size
from nxfs.config import PROJECT_ROOT

ENGINES = ("sqlite", "postgresql")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the engines one after the other and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.bulk", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    quick = f"{QUICK.tasks:,} tasks instead of {Scale.tasks:,}, fewer rounds"
    parser.add_argument("--quick", action="store_true", help=quick)
    options = parser.parse_args(arguments)
    missed = []
    for engine in ENGINES if options.engine == "both" else (options.engine,):
        results = _measure(engine, QUICK if options.quick else Scale())
        print("\n".join(bulk_report.lines(results)))
        print(f"\nThe same: {bulk_report.write_file(results).relative_to(PROJECT_ROOT)}\n", flush=True)
        missed += [
            f"{engine}: {each.name}: {each.measured}" for each in bulk_report.figures(results) if not each.is_met
        ]
    print("\n".join(["Missed:", *missed]) if missed else "Every figure is met.")
    return 1 if missed else 0


def _measure(engine: str, scale: Scale) -> Results:
    with tempfile.TemporaryDirectory() as directory:
        with bulk_place.begin(engine, Path(directory), Size(tasks=scale.tasks)) as pair:
            deck, before = Deck(scale.tasks), os.getloadavg()[0]
            requests = bulk_requests.measure(pair, scale, deck)
            job = bulk_jobs.measure(pair.ours, scale, deck)
            return Results(engine, scale, requests, job, (before, os.getloadavg()[0]))


if __name__ == "__main__":
    sys.exit(main())
