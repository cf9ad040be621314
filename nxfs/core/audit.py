"""The audit log: who did what to what, from where, written in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import JSON, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core.database import IDS_ARE_NEVER_REUSED, Identifier, Moment
from nxfs.extensions import db

REDACTED = "[redacted]"
_SECRET_WORDS = ("password", "token", "secret", "hash")


@dataclass(frozen=True)
class Origin:
    """Where an action came from; all ``None`` for the command line."""

    request_id: str | None = None
    address: str | None = None
    user_agent: str | None = None


_NOWHERE = Origin()
origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


class AuditEntry(db.Model):
    """One entry of the audit log. ``action`` reads ``tasks.task_updated``, ``outcome`` ``success`` or ``failure``."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_occurred_at", "occurred_at"),
        Index("ix_audit_entries_actor_id", "actor_id"),
        Index("ix_audit_entries_target_type_target_id", "target_type", "target_id"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    occurred_at: Mapped[Moment]
    actor_id: Mapped[int | None] = mapped_column(db.BigInteger)
    action: Mapped[str] = mapped_column(String(80))
    target_type: Mapped[str | None] = mapped_column(String(40))
    target_id: Mapped[int | None] = mapped_column(db.BigInteger)
    changes: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    outcome: Mapped[str] = mapped_column(String(10))
    request_id: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(300))


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """Return ``{field: [before, after]}`` for the fields that differ, secrets redacted."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return {name: _redacted(name, [before.get(name), after.get(name)]) for name in sorted(changed)}


def plain_values(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the named attributes of ``row`` as JSON values, for the audit log and the event log."""
    values = {name: getattr(row, name) for name in names}
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}


def _redacted(name: str, values: list[Any]) -> list[Any]:
    is_secret = any(word in name for word in _SECRET_WORDS)
    return [REDACTED if is_secret and value is not None else value for value in values]
