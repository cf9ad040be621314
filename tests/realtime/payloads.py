"""What every payload has to be: its schema to the letter, and what the front end's requirements name."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from nxfs.realtime.schemas.events import EVENTS, STREAM_EVENTS
from nxfs.realtime.schemas.messages import MESSAGES

# The requirements, literally: other fields may stand beside these.
REQUIRED: dict[str, dict[str, type]] = {
    "task_updated": {"task_id": int, "task": dict, "updated_by": int},
    "task_created": {"task": dict, "created_by": int},
    "task_deleted": {"task_id": int, "deleted_by": int},
    "user_joined": {"user_id": int, "room": str},
    "user_left": {"user_id": int, "room": str},
    "notification": {"type": str, "message": str, "data": dict},
}


def require_valid(name: str, payload: Any) -> None:
    """Fail unless ``payload`` has exactly the fields of the event's schema, with values of their types."""
    _require_exact((EVENTS | STREAM_EVENTS)[name], payload)
    for field, kind in REQUIRED.get(name, {}).items():
        assert type(payload[field]) is kind, (name, field, payload)


def require_answer(message: str, answer: Any) -> Any:
    """Fail unless ``answer`` acknowledges that all went well, with exactly the fields that are promised; return it."""
    assert answer["ok"] is True, answer
    _require_exact(MESSAGES[message].answer, {key: value for key, value in answer.items() if key != "ok"})
    return answer


def refusal(answer: Any) -> dict[str, Any]:
    """Fail unless ``answer`` refuses with the envelope of the REST API; return its ``error``."""
    assert answer.keys() == {"ok", "error"}, answer
    assert answer["ok"] is False
    return require_envelope(answer["error"])


def require_envelope(body: Any) -> dict[str, Any]:
    """Fail unless ``body`` is the envelope of the REST API; return its ``error``."""
    assert body.keys() == {"error", "timestamp", "request_id"}, body
    assert {"code", "message"} <= body["error"].keys() <= {"code", "message", "details", "field_errors"}, body
    assert body["error"]["message"]
    return body["error"]


def _require_exact(schema: ma.Schema, payload: Any) -> None:
    assert isinstance(payload, dict), payload
    # Every field but those that say only what is different.
    assert {name for name, field in schema.fields.items() if field.required} <= payload.keys(), payload
    assert payload.keys() <= schema.fields.keys(), payload
    # What follows from other fields is not loaded, and objects are looked at one by one.
    loadable = {}
    for name, value in payload.items():
        field = schema.fields[name]
        inner = getattr(field, "inner", field)
        if isinstance(inner, ma.fields.Nested):
            for each in value if isinstance(value, list) else [value]:
                _require_exact(inner.schema, each)
        elif not field.dump_only:
            loadable[name] = value
    assert schema.validate(loadable, partial=True) == {}, payload
