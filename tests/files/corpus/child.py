"""The real worker process, asked line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.files.corpus.sample import Sample

ROOT = Path(__file__).resolve().parents[3]


class Child:
    """A worker that runs until ``close``."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nxfs.files.inspection.worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to ``question``."""
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def inspect(self, sample: Sample, source: Path, target: Path) -> dict[str, Any]:
        """Return what the worker says about ``sample``, which is in ``source``."""
        return self.ask(
            {
                "do": "inspect",
                "source": str(source),
                "target": str(target),
                "filename": sample.filename,
                "media_type": sample.media_type,
                "formats": sample.rule.formats,
                "most_bytes": sample.rule.most_bytes,
            }
        )

    def close(self) -> int:
        """End the input and return the exit code of the worker."""
        self._process.stdin.close()
        self._process.stdout.close()
        return self._process.wait(timeout=10)
