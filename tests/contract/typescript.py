"""Types for TypeScript from OpenAPI documents, and the compiler that checks programs with them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.realtime.node import MODULES, NODE, PROGRAMS


def errors_of(
    documents: Mapping[str, dict[str, Any]],
    directory: Path,
    program: str,
    *options: str,
    files: Mapping[str, str] | None = None,
) -> dict[str, list[str]]:
    """Return the compiler's errors in ``program`` of tests/node, with the types of each document, by its name.

    Each document has a directory of its own, with ``api.d.ts``, all programs for TypeScript, and ``files`` (text by
    name). `options` are the compiler's.
    """
    assert MODULES.exists(), "The type checker is not installed; `make test` installs it."
    (directory / "node_modules").symlink_to(MODULES)
    for name, document in documents.items():
        (directory / name).mkdir()
        (directory / name / "schema.json").write_text(json.dumps(document))
        for source in PROGRAMS.glob("*.ts"):
            (directory / name / source.name).write_text(source.read_text())
        for file, text in (files or {}).items():
            (directory / name / file).write_text(text)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert [
            each.stderr for each in pool.map(lambda name: _generate(directory / name), documents) if each.returncode
        ] == []
    # No types that nobody imports: the directory does not exist.
    common = ["--strict", "--noEmit", "--pretty", "false", "--typeRoots", "none", *options]
    compiled = _run("typescript/bin/tsc", *common, *(f"{name}/{program}" for name in documents), cwd=directory)
    lines = compiled.stdout.splitlines()
    assert bool(compiled.returncode) == bool(lines)
    errors = {name: [line for line in lines if line.startswith(f"{name}/")] for name in documents}
    # An error outside of them would be one of the compiler's options. What is indented goes on with the line before.
    assert sum(map(len, errors.values())) == sum(not line.startswith(" ") for line in lines), lines
    return errors


def _generate(directory: Path) -> subprocess.CompletedProcess[str]:
    """Generate types from the document in ``directory``, as the front end does."""
    options = ["-o", "api.d.ts", "--default-non-nullable=false"]
    return _run("openapi-typescript/bin/cli.js", "schema.json", *options, cwd=directory)


def _run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of ``node_modules``."""
    command = [str(NODE), str(MODULES / program), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
