"""Measures uploads, derivatives, the media library and the public lists of posts, against the real server.

    python -m bench.media [--engine sqlite|postgresql|both] [--media N] [--quick]

The exit code is 1 when a promised figure is missed. Everything that was measured stands in bench/results/.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import media_lists, media_place, media_report, media_transfers
from bench.media_data import LibrarySize
from bench.media_report import Results
from nxfs.config import PROJECT_ROOT

ENGINES = ("sqlite", "postgresql")
QUICK_MEDIA = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the engines one after the other and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.media", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=(*ENGINES, "both"), default="both")
    parser.add_argument("--media", type=int, help=f"files of the library; default: {LibrarySize.media:,}")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_MEDIA:,} files, unless given")
    options = parser.parse_args(arguments)
    media = options.media or (QUICK_MEDIA if options.quick else LibrarySize.media)
    missed = []
    for engine in ENGINES if options.engine == "both" else (options.engine,):
        results = _measure(engine, LibrarySize(media=media))
        print("\n".join(media_report.terminal_lines(results)))
        print(f"\nEvery list: {media_report.write_file(results).relative_to(PROJECT_ROOT)}\n", flush=True)
        missed += [
            f"{engine}: {each.name}: {each.measured}" for each in media_report.figures(results) if not each.is_met
        ]
    print("\n".join(["Missed:", *missed]) if missed else "Every figure is met.")
    return 1 if missed else 0


def _measure(engine: str, size: LibrarySize) -> Results:
    with tempfile.TemporaryDirectory() as directory:
        with media_place.begin(engine, Path(directory), size) as here:
            lists = media_lists.measure_lists(here)
            public_lists = media_lists.measure_public_lists(here)
            # Last, because they leave files behind.
            uploads, derivatives = media_transfers.measure_transfers(here, Path(directory))
            return Results(engine, uploads, derivatives, lists, public_lists)


if __name__ == "__main__":
    sys.exit(main())
