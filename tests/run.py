"""Runs the suite once per engine, all at the same time, and adds up what happened."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

RESULTS = Path("build/tests")
ENGINES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Outcome:
    """The numbers of one engine's run."""

    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True)
class Run:
    """The suite on one engine: its process and the files that it writes."""

    engine: str
    process: subprocess.Popen[bytes]
    log: Path
    report: Path


def main(arguments: list[str]) -> int:
    """Run the suite on the engines named first in `arguments` (default: all), handing the rest to pytest.

    Return 0 if every run passed, else 1.
    """
    engines = [each for each in arguments if each in ENGINES] or list(ENGINES)
    options = [each for each in arguments if each not in ENGINES]
    RESULTS.mkdir(parents=True, exist_ok=True)
    runs = [_start(engine, options) for engine in engines]
    for run in runs:
        print(f"===== {run.engine} =====", flush=True)
        _show_until_end(run)
    outcomes = [_read_outcome(run) for run in runs]
    for run, outcome in zip(runs, outcomes, strict=True):
        print(f"{run.engine}: {_sentence(outcome)}")
    print(f"{sum(each.passed for each in outcomes)} passed, {sum(each.failed for each in outcomes)} failed")
    return int(any(run.process.returncode for run in runs) or any(each.failed for each in outcomes))


def _start(engine: str, options: list[str]) -> Run:
    log, report = RESULTS / f"{engine}.log", RESULTS / f"{engine}.xml"
    report.unlink(missing_ok=True)
    outputs = [f"--junitxml={report}", "-o", f"cache_dir=build/pytest-{engine}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *outputs, *options],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NXFS_TEST_ENGINE": engine, "PYTHONUNBUFFERED": "1"},
        )
    return Run(engine, process, log, report)


def _show_until_end(run: Run) -> None:
    with run.log.open(errors="replace") as log:
        while True:
            ended = run.process.poll() is not None
            sys.stdout.write(log.read())
            sys.stdout.flush()
            if ended:
                return
            time.sleep(0.2)


def _read_outcome(run: Run) -> Outcome:
    if not run.report.exists():
        # Not a single result is a failure too, and must not read like "0 failed".
        return Outcome(passed=0, failed=1, skipped=0)
    suite = ElementTree.parse(run.report).getroot().find("testsuite")
    failed = int(suite.get("failures")) + int(suite.get("errors"))
    skipped = int(suite.get("skipped"))
    passed = int(suite.get("tests")) - failed - skipped
    return Outcome(passed, failed if failed or not run.process.returncode else 1, skipped)


def _sentence(outcome: Outcome) -> str:
    parts = [f"{outcome.passed} passed"]
    parts += [f"{outcome.failed} failed"] if outcome.failed else []
    parts += [f"{outcome.skipped} skipped"] if outcome.skipped else []
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
