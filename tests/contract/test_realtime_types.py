"""Types and reference of events and messages: those that the front end requires, and those that are committed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from nxfs.config import PROJECT_ROOT
from nxfs.core.openapi import api_document
from nxfs.realtime import documentation
from nxfs.realtime.schemas.events import EVENTS, STREAM_EVENTS
from nxfs.realtime.schemas.messages import MESSAGES
from tests.contract.test_document import assert_fits
from tests.contract.typescript import errors_of

PAGE = PROJECT_ROOT / "docs" / "realtime.md"
# Without the definitions of libraries, which have their own tests, as a front end compiles too.
OPTIONS = ("--moduleResolution", "bundler", "--module", "esnext", "--target", "es2022", "--skipLibCheck")


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    """The document as a client gets it."""
    return app.test_client().get("/schema/").get_json()


def realtime_errors(
    documents: dict[str, dict[str, Any]], directory: Path, types: str | None = None
) -> dict[str, list[str]]:
    """Compile the contract with the types of each document; `types` take the place of ``realtime.ts``."""
    files = {"realtime.ts": types or documentation.types()}
    return errors_of(documents, directory, "realtime-contract.ts", *OPTIONS, files=files)


def test_types_of_events_and_messages_are_those_that_the_front_end_requires(document, tmp_path):
    assert realtime_errors({"document": document}, tmp_path) == {"document": []}


def drop(schemas: dict[str, Any], schema: str, field: str) -> None:
    """Forget a field."""
    del schemas[schema]["properties"][field]
    schemas[schema]["required"].remove(field)


def drop_a_field(schemas: dict[str, Any]) -> None:
    """Do not say who updated a task."""
    drop(schemas, "TaskUpdatedEvent", "updated_by")


def drop_the_room(schemas: dict[str, Any]) -> None:
    """Do not say which room somebody left."""
    drop(schemas, "UserLeftEvent", "room")


def drop_a_field_of_tasks(schemas: dict[str, Any]) -> None:
    """Forget a field of what events carry."""
    drop(schemas, "Task", "due_date")


def leave_a_field_out_at_times(schemas: dict[str, Any]) -> None:
    """Send a field only when there is something to say."""
    schemas["TaskDeletedEvent"]["required"].remove("deleted_by")


def send_null(schemas: dict[str, Any]) -> None:
    """Send null where a number is required."""
    schemas["TaskCreatedEvent"]["properties"]["created_by"]["type"] = ["integer", "null"]


def send_anything(schemas: dict[str, Any]) -> None:
    """Say nothing of a field but that it is there."""
    schemas["NotificationEvent"]["properties"]["message"] = {}


def require_more(schemas: dict[str, Any]) -> None:
    """Refuse messages as the front end sends them."""
    schemas["JoinRoom"]["required"] = ["since"]


def rename_a_message_field(schemas: dict[str, Any]) -> None:
    """Read the room of messages from another field."""
    schemas["LeaveRoom"]["properties"] = {"name": {"type": "string"}}
    schemas["LeaveRoom"]["required"] = ["name"]


def refuse_a_status(schemas: dict[str, Any]) -> None:
    """Take numbers for what the front end sends as words."""
    schemas["TaskUpdate"]["properties"]["status"] = {"type": "integer"}


def acknowledge_otherwise(schemas: dict[str, Any]) -> None:
    """Send errors whose code is no word."""
    schemas["ErrorDetail"]["properties"]["code"] = {"type": "integer"}


MUTATIONS = (
    drop_a_field,
    drop_the_room,
    drop_a_field_of_tasks,
    leave_a_field_out_at_times,
    send_null,
    send_anything,
    require_more,
    rename_a_message_field,
    refuse_a_status,
    acknowledge_otherwise,
)


def test_documents_that_break_a_required_event_or_message_do_not_compile(document, tmp_path):
    mutants = {mutate.__name__: json.loads(json.dumps(document)) for mutate in MUTATIONS}
    for mutate in MUTATIONS:
        mutate(mutants[mutate.__name__]["components"]["schemas"])
    errors = realtime_errors(mutants, tmp_path)
    assert [name for name, found in errors.items() if not any("realtime-contract.ts(" in line for line in found)] == []


def test_types_that_forget_a_required_event_do_not_compile(document, tmp_path):
    types, count = re.subn(r"  user_left: .*\n", "", documentation.types())
    assert count == 2
    assert realtime_errors({"document": document}, tmp_path, types)["document"] != []


def test_every_event_and_message_is_in_the_document_with_an_example_that_fits(app, document):
    schemas = document["components"]["schemas"]
    listed = document["x-realtime"]
    assert listed["serverToClient"].keys() == EVENTS.keys()
    assert listed["clientToServer"].keys() == MESSAGES.keys()
    assert STREAM_EVENTS.keys() <= listed["streams"].keys() <= EVENTS.keys() | STREAM_EVENTS.keys()
    examples = re.findall(r"```json\n(.*?)```", documentation.reference(document), re.DOTALL)
    named = [*listed["serverToClient"].values(), listed["streams"]["ready"]]
    for exchange in listed["clientToServer"].values():
        named += [exchange["message"], exchange["answer"]]
    assert len(examples) == len(named)
    for entry, text in zip(named, examples, strict=True):
        example = json.loads(text)
        example.pop("ok", None)
        name = entry["$ref"].rsplit("/", 1)[-1]
        assert schemas[name]["description"].endswith(".")
        assert_fits(document, {"schema": entry, "example": example}, name)


def test_programs_of_the_page_compile_with_the_types(document, tmp_path):
    programs = re.findall(r"```ts\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(programs) == 3
    files = {f"program{number}.ts": text for number, text in enumerate(programs)}
    files |= {"programs.ts": "".join(f'import "./{name}";\n' for name in files), "realtime.ts": documentation.types()}
    options = (*OPTIONS, "--moduleDetection", "force", "--allowImportingTsExtensions")
    assert errors_of({"document": document}, tmp_path, "programs.ts", *options, files=files) == {"document": []}


def test_committed_reference_is_what_the_schemas_say(app):
    page = PAGE.read_text()
    with app.app_context():
        assert documentation.replace_reference(page, documentation.reference(api_document())) == page


@pytest.mark.parametrize(
    "page",
    [
        "",
        documentation.BEGIN,
        documentation.END + documentation.BEGIN,
        f"{documentation.BEGIN}{documentation.BEGIN}{documentation.END}",
        f"{documentation.BEGIN}{documentation.END}{documentation.END}",
    ],
)
def test_page_without_both_marks_is_refused(page):
    with pytest.raises(ValueError, match="marks"):
        documentation.replace_reference(page, "text")
