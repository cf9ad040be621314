"""The audit log: who did what to what, from where, written in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import Flask, current_app
from sqlalchemy import JSON, Date, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core.database import IDS_ARE_NEVER_REUSED, Identifier, Moment
from nxfs.core.messages import Text
from nxfs.extensions import db

REDACTED = "[redacted]"
_SECRET_WORDS = ("password", "token", "secret", "hash", "cookie", "authorization")
_KEY = "nxfs.audit_actions"


@dataclass(frozen=True)
class Origin:
    """Where an action came from; all ``None`` for the command line."""

    request_id: str | None = None
    address: str | None = None
    user_agent: str | None = None


_NOWHERE = Origin()
origin: ContextVar[Origin] = ContextVar("origin", default=_NOWHERE)


class AuditEntry(db.Model):
    """One entry of the audit log. ``action`` reads ``tasks.task_updated``, ``outcome`` ``success`` or ``failure``.

    ``day`` is that of ``occurred_at`` in UTC, ``digest`` stands for the entry's contents. A trigger sets ``position``,
    counted from 1 each day, and ``link``, which stands for all entries of the day up to this one (see ``audit_chain``).
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_occurred_at_id", "occurred_at", "id"),
        Index("ix_audit_entries_actor_id_occurred_at_id", "actor_id", "occurred_at", "id"),
        Index("ix_audit_entries_action_occurred_at_id", "action", "occurred_at", "id"),
        Index("ix_audit_entries_target", "target_type", "target_id", "occurred_at", "id"),
        Index("ix_audit_entries_request_id", "request_id"),
        Index(
            "ix_audit_entries_failures",
            "occurred_at",
            "id",
            postgresql_where=text("outcome = 'failure'"),
            sqlite_where=text("outcome = 'failure'"),
        ),
        Index("uq_audit_entries_day_position", "day", "position", unique=True),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    occurred_at: Mapped[Moment]
    actor_id: Mapped[int | None] = mapped_column(db.BigInteger)
    action: Mapped[str] = mapped_column(String(80))
    target_type: Mapped[str | None] = mapped_column(String(40))
    target_id: Mapped[int | None] = mapped_column(db.BigInteger)
    changes: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    outcome: Mapped[str] = mapped_column(String(10))
    request_id: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(300))
    # Nullable, because SQLite sets the last two after the insert; the trigger refuses an entry without the others.
    day: Mapped[date] = mapped_column(Date, nullable=True)
    digest: Mapped[str] = mapped_column(String(64), nullable=True)
    position: Mapped[int] = mapped_column(Integer, nullable=True)
    link: Mapped[str] = mapped_column(String(64), nullable=True)


class AuditDay(db.Model):
    """A day of the audit log: how many entries it has, and the link of the last. It stays when they are archived."""

    __tablename__ = "audit_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    entries: Mapped[int] = mapped_column(Integer)
    head: Mapped[str] = mapped_column(String(64))
    archived_at: Mapped[Moment | None]


class UnknownActionError(LookupError):
    """Code audits an action that no domain has in its table of actions."""


def install(app: Flask, tables: Iterable[Mapping[str, Text]]) -> None:
    """Let ``app`` know the actions that can be audited: each domain's ACTIONS, names with sentences."""
    app.extensions[_KEY] = {name: sentence for actions in tables for name, sentence in actions.items()}


def all_actions() -> Mapping[str, Text]:
    """Return the actions of the running application with sentences that say what happened."""
    actions: Mapping[str, Text] = current_app.extensions[_KEY]
    return actions


def require_known(action: str) -> None:
    """Raise ``UnknownActionError`` unless ``action`` is one of the running application's."""
    if action not in all_actions():
        raise UnknownActionError(f"'{action}' is in no table of actions, so that nobody could say what it means.")


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[Any]]:
    """Return ``{field: [before, after]}`` for the fields that differ, secrets redacted."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return {name: _redacted(name, [before.get(name), after.get(name)]) for name in sorted(changed)}


def plain_values(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the named attributes of ``row`` as JSON values, for the audit log and the event log."""
    values = {name: getattr(row, name) for name in names}
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}


def redacted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` without secrets: what has the name of one is taken out, however deep it lies."""
    return {name: _redacted(str(name), value) for name, value in values.items()}


def _redacted(name: str, value: Any) -> Any:
    is_secret = any(word in name.lower() for word in _SECRET_WORDS)
    if isinstance(value, Mapping):
        return {each: _redacted(name if is_secret else str(each), inner) for each, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(name, inner) for inner in value]
    # Whether a password has to be changed is no secret.
    return REDACTED if is_secret and value is not None and not isinstance(value, bool) else value
