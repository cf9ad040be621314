"""Measures how many clients are kept up to date, and how quickly, against the real server and a plain one on Node.

    python -m bench.realtime [--engine sqlite|postgresql|both] [--quick | --full]

The exit code is 1 when a promised figure is missed. Everything that was measured stands in bench/results/.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import realtime_measuring, realtime_place, realtime_report
from bench.realtime_measuring import QUICK, Results, Scale
from nxfs.config import PROJECT_ROOT

ENGINES = ("sqlite", "postgresql")
# As far as MAX_CONNECTIONS goes.
STEPS = (1_000, 2_000, 3_000, 4_000, 5_000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the engines one after the other and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.realtime", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help=f"{QUICK.clients} clients instead of {Scale.clients:,}")
    extent.add_argument("--full", action="store_true", help=f"go up to {STEPS[-1]:,} clients at the end")
    options = parser.parse_args(arguments)
    scale = QUICK if options.quick else Scale()
    if options.full:
        scale = replace(scale, steps=STEPS)
    missed = []
    for engine in ENGINES if options.engine == "both" else (options.engine,):
        results = _measure(engine, scale)
        print("\n".join(realtime_report.lines(results)))
        print(f"\nThe same: {realtime_report.write_file(results).relative_to(PROJECT_ROOT)}\n", flush=True)
        missed += [
            f"{engine}: {each.name}: {each.cells()[1]}" for each in realtime_report.rows(results) if not each.is_met
        ]
    print("\n".join(["Missed:", *missed]) if missed else "Every figure is met.")
    return 1 if missed else 0


def _measure(engine: str, scale: Scale) -> Results:
    print(f"{engine}: {scale.clients:,} clients", flush=True)
    sessions = max(scale.clients, *scale.steps, 0)
    with tempfile.TemporaryDirectory() as directory:
        with realtime_place.begin(engine, Path(directory), scale.clients, sessions) as here:
            return realtime_measuring.measure(here, scale)


if __name__ == "__main__":
    sys.exit(main())
