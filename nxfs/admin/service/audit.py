"""Who may read the audit log, what reading it leaves in it, and how it is written into files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from nxfs.admin.queries import audit as queries
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.csv_cells import guarded
from nxfs.core.errors import ForbiddenError
from nxfs.core.transaction import transaction

HEADINGS = (
    "id",
    "occurred_at",
    "actor_id",
    "username",
    "action",
    "description",
    "target_type",
    "target_id",
    "changes",
    "outcome",
    "request_id",
    "address",
    "user_agent",
    "day",
    "position",
    "digest",
    "link",
)


def require_audit_view(actor: Actor) -> None:
    """Raise ``ForbiddenError`` unless the actor may read the audit log."""
    if "audit.view" not in actor.permissions:
        raise ForbiddenError


def note_view(*, actor: Actor, filters: Mapping[str, Any]) -> None:
    """Leave in the log that ``actor`` has read what passes ``filters``. Raises ``ForbiddenError``."""
    require_audit_view(actor)
    _note("audit.viewed", actor.id, filters)


def export(*, actor: Actor, filters: Mapping[str, Any], format_name: str) -> Iterator[str]:
    """Leave in the log that ``actor`` exports what passes ``filters``, and return it line by line.

    Raises ``ForbiddenError``.
    """
    require_audit_view(actor)
    return begin_export(actor_id=actor.id, filters=filters, format_name=format_name, language=actor.language)


def begin_export(*, actor_id: int | None, filters: Mapping[str, Any], format_name: str, language: str) -> Iterator[str]:
    """Leave in the log that it is exported, by the command line if ``actor_id`` is None; return the lines."""
    _note("audit.exported", actor_id, {**filters, "format": format_name})
    return _write(filters, format_name, language)


def _note(action: str, actor_id: int | None, filters: Mapping[str, Any]) -> None:
    given = {name: value for name, value in filters.items() if name != "cursor"}
    with transaction() as tx:
        tx.audit(action, actor_id=actor_id, changes=json.loads(json.dumps(given, default=_plain)))


def _write(filters: Mapping[str, Any], format_name: str, language: str) -> Iterator[str]:
    items = (queries.item_of(row, language) for row in queries.iterate(filters))
    if format_name == "jsonl":
        for item in items:
            yield json.dumps(item, default=_plain, ensure_ascii=False, separators=(",", ":")) + "\n"
        return
    yield _csv_line(HEADINGS)
    for item in items:
        yield _csv_line([_cell(value) for value in _flat(item)])


def _flat(item: dict[str, Any]) -> list[Any]:
    actor, target = item["actor"] or {}, item["target"] or {}
    nested = {
        "actor_id": actor.get("id"),
        "username": actor.get("username"),
        "target_type": target.get("type"),
        "target_id": target.get("id"),
    }
    return [nested[name] if name in nested else item[name] for name in HEADINGS]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, dict):
        return guarded(json.dumps(value, ensure_ascii=False))
    return _plain(value) if isinstance(value, date) else str(value)


def _csv_line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue()


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return clock.to_wire(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form.")
