"""The types that the front end generates from the document are those that it requires."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from tests.contract.typescript import errors_of


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    """The document as a client gets it."""
    return app.test_client().get("/schema/").get_json()


def test_generated_and_required_types_are_assignable_both_ways(document, tmp_path):
    assert errors_of({"document": document}, tmp_path, "contract.ts") == {"document": []}


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
    errors = errors_of(mutants, tmp_path, "contract.ts")
    assert [name for name, found in errors.items() if not found] == []
    assert all("/contract.ts(" in line and "'true'" in line for found in errors.values() for line in found), errors
