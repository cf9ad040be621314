"""What is written about events and messages: entries of the OpenAPI document, TypeScript, and a reference to read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import Schema

from nxfs.core.api.examples import example_of
from nxfs.core.openapi import Api
from nxfs.realtime.schemas.events import EVENTS, STREAM_EVENTS
from nxfs.realtime.schemas.logged import LoggedSchema
from nxfs.realtime.schemas.messages import MESSAGES

BEGIN = "<!-- From here to the end mark `flask realtime docs` writes what the schemas say. -->"
END = "<!-- End of what `flask realtime docs` writes. -->"
# What a client has to ask for, as it cannot over a stream.
SOCKET_EVENTS = frozenset({"presence_state", "presence_diff"})
TYPES_HEAD = """\
// The messages of the NXFS server as types of socket.io-client and EventSource. Written by `flask realtime types`.
//
//   npx openapi-typescript http://127.0.0.1:5000/schema/ --default-non-nullable=false -o api.d.ts
//   flask realtime types > realtime.ts
//
// Both come from the same schemas; keep them side by side and write them together.
//
//   const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(...)

import type { components } from "./api";

type Schemas = components["schemas"];

/** How the server acknowledges what a client sends: `ok` says which of the two it is. */
export type Acknowledgement<Answer> = ({ ok: true } & Answer) | { ok: false; error: Schemas["APIError"] };
"""


def describe(api: Api) -> None:
    """Write every event, message and acknowledgement into the document of ``api``, and which name belongs to which.

    Call it when the blueprints are registered, so that what they share with events keeps its name.
    """
    for schema in _all_schemas():
        api.spec.components.schema(_name(schema), component={"description": _summary(schema)}, schema=schema)
    api.spec.options["x-realtime"] = {
        "serverToClient": {name: _reference(schema) for name, schema in EVENTS.items()},
        "streams": {name: _reference(schema) for name, schema in _stream_events().items()},
        "clientToServer": {
            name: {"message": _reference(exchange.message), "answer": _reference(exchange.answer)}
            for name, exchange in MESSAGES.items()
        },
    }


def types() -> str:
    """Return ``realtime.ts``: the types of all events and messages, by those that the document's generator writes."""
    server_to_client = (
        (name, _summary(schema), f"(payload: {_type_name(schema)}) => void") for name, schema in EVENTS.items()
    )
    client_to_server = (
        (
            name,
            _summary(exchange.message),
            f"(\n    message: {_type_name(exchange.message)},\n"
            f"    acknowledge: (answer: Acknowledgement<{_type_name(exchange.answer)}>) => void,\n  ) => void",
        )
        for name, exchange in MESSAGES.items()
    )
    streams = ((name, _summary(schema), _type_name(schema)) for name, schema in _stream_events().items())
    return "\n".join(
        (
            TYPES_HEAD,
            _interface("What the server sends over a socket.", "ServerToClientEvents", server_to_client),
            _interface("What clients send over a socket.", "ClientToServerEvents", client_to_server),
            _interface("The data of server-sent events, by the event's name.", "StreamEvents", streams),
        )
    )


def reference(document: Mapping[str, Any]) -> str:
    """Return the reference of all events and messages as Markdown, with the types of the OpenAPI ``document``."""
    schemas = document["components"]["schemas"]
    common = [*LoggedSchema().fields]
    parts = [
        "### From the server\n",
        "What comes from the log of events has these three beside the fields of its table:\n",
        _table(_fields_of(schemas[_name(EVENTS["task_created"])], common)),
    ]
    for name, schema in {**EVENTS, **STREAM_EVENTS}.items():
        is_logged = isinstance(schema, LoggedSchema)
        component = schemas[_name(schema)]
        own = [each for each in component["properties"] if not is_logged or each not in common]
        parts += [_entry(name, schema), _table(_fields_of(component, own)), _example(schema, is_input=False)]
    parts.append("### From clients, over sockets\n")
    for name, exchange in MESSAGES.items():
        parts += [_entry(name, exchange.message), _table(_fields_of(schemas[_name(exchange.message)]))]
        parts += [_example(exchange.message, is_input=True), f"Acknowledged: {_summary(exchange.answer)}\n"]
        parts += [_table(_fields_of(schemas[_name(exchange.answer)]))]
        parts += [_example(exchange.answer, is_input=False, ok=True)]
    return "\n".join(parts)


def replace_reference(page: str, text: str) -> str:
    """Return ``page`` with ``text`` between its two marks; raise ``ValueError`` when it has not each of them once."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ValueError("The page does not have each of the two marks once.")
    return f"{before}{BEGIN}\n\n{text}\n{END}{after}"


def _all_schemas() -> Iterable[Schema]:
    yield from EVENTS.values()
    yield from STREAM_EVENTS.values()
    for exchange in MESSAGES.values():
        yield exchange.message
        yield exchange.answer


def _stream_events() -> dict[str, Schema]:
    return {**STREAM_EVENTS, **{name: schema for name, schema in EVENTS.items() if name not in SOCKET_EVENTS}}


def _name(schema: Schema) -> str:
    return type(schema).__name__.removesuffix("Schema")


def _type_name(schema: Schema) -> str:
    return f'Schemas["{_name(schema)}"]'


def _reference(schema: Schema) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{_name(schema)}"}


def _summary(schema: Schema) -> str:
    return " ".join((type(schema).__doc__ or "").split())


def _interface(summary: str, name: str, members: Iterable[tuple[str, str, str]]) -> str:
    lines = [f"  /** {comment} */\n  {member}: {type_};\n" for member, comment, type_ in members]
    return f"/** {summary} */\nexport interface {name} {{\n{''.join(lines)}}}\n"


def _entry(name: str, schema: Schema) -> str:
    note = " Sockets only." if name in SOCKET_EVENTS else ""
    return f"#### `{name}`\n\n{_summary(schema)}{note}\n"


def _fields_of(component: Mapping[str, Any], names: Iterable[str] | None = None) -> list[tuple[str, str, str]]:
    """Return name, type and description of fields, all or those of ``names``; ``?`` marks what may be left out."""
    required = component.get("required", [])
    return [
        (name if name in required else f"{name}?", _type_of(field), field.get("description", ""))
        for name, field in component["properties"].items()
        if names is None or name in names
    ]


def _table(rows: Iterable[tuple[str, str, str]]) -> str:
    lines = [f"| `{name}` | {_cell(type_)} | {_cell(description)} |" for name, type_, description in rows]
    return "\n".join(("| field | type | |", "|---|---|---|", *lines, ""))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _type_of(field: Mapping[str, Any]) -> str:
    """Return the type of a field as TypeScript would write it, times marked as such."""
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    for union in ("allOf", "anyOf", "oneOf"):
        if union in field:
            return " | ".join(_type_of(each) for each in field[union])
    if "enum" in field:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in field["enum"])
    names = field["type"] if isinstance(field["type"], list) else [field["type"]]
    return " | ".join(_type_of_kind(name, field) for name in names)


def _type_of_kind(name: str, field: Mapping[str, Any]) -> str:
    if name == "array":
        inner = _type_of(field["items"])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    return "time" if field.get("format") == "date-time" and name == "string" else name


def _example(schema: Schema, *, is_input: bool, **extra: Any) -> str:
    """Return an example as JSON, one line a field."""
    fields = {**extra, **example_of(schema, is_input=is_input)}
    lines = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()
    )
    return f"```json\n{{\n{lines}\n}}\n```\n"
