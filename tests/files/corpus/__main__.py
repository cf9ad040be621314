"""Prints what inspection says about every file of the corpus, with the memory and the time that it took."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.files.corpus import CORPUS
from tests.files.corpus.child import Child


def main() -> None:
    """Print the table; arguments choose the files whose names hold all of them."""
    child = Child()
    with tempfile.TemporaryDirectory() as folder:
        for sample in CORPUS:
            if not all(word in sample.name for word in sys.argv[1:]):
                continue
            source, target = Path(folder, "source"), Path(folder, "target")
            source.write_bytes(sample.build())
            started = time.perf_counter()
            answer = child.inspect(sample, source, target)
            elapsed = 1000 * (time.perf_counter() - started)
            target.unlink(missing_ok=True)
            expected = sample.verdict if isinstance(sample.verdict, str) else sample.verdict.name
            verdict = answer.get("refusal") or (expected if isinstance(sample.verdict, str) else "accepted")
            mark = " " if verdict == expected else "!"
            peak = (answer["peak_kb"] or 0) / 1024
            sys.stdout.write(f"{mark} {sample.name:40} -> {verdict:18} {peak:7.1f} MB {elapsed:7.0f} ms\n")
    child.close()


if __name__ == "__main__":
    main()
