"""The event log: what happened, in one order, from which everything that is delivered is read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gevent.event import Event as Signal
from sqlalchemy import JSON, Index, String, func, insert, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from nxfs.core.database import IDS_ARE_NEVER_REUSED, Identifier, Moment
from nxfs.extensions import db

# What PostgreSQL notifies those who listen on, whenever something was logged.
CHANNEL = "nxfs_events"

# Set whenever a transaction of this process has logged something.
logged_here = Signal()

# PostgreSQL hands out ids when rows are written and shows rows when they are committed: a reader could step over an id
# that commits late. So whoever logs holds this lock until the commit; nothing is locked after it. A transaction that
# notifies would wait for others that do at its commit anyway.
_APPEND = text("SELECT pg_advisory_xact_lock(hashtext('nxfs event log')), pg_notify(:channel, '')")


class EventRecord(db.Model):
    """One line of the event log. Ids grow in the order of the commits."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_occurred_at", "occurred_at"), IDS_ARE_NEVER_REUSED)

    id: Mapped[Identifier]
    type: Mapped[str] = mapped_column(String(60))
    actor_id: Mapped[int | None] = mapped_column(db.BigInteger)
    audience: Mapped[list[str]] = mapped_column(JSON)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    occurred_at: Mapped[Moment]


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event as the log has it; ``payload`` are its own fields, ``audience`` who may hear of it."""

    id: int
    type: str
    actor_id: int | None
    audience: Sequence[str]
    payload: dict[str, Any]
    occurred_at: datetime


_COLUMNS = (
    EventRecord.id,
    EventRecord.type,
    EventRecord.actor_id,
    EventRecord.audience,
    EventRecord.payload,
    EventRecord.occurred_at,
)


def append(session: Session, events: Sequence[dict[str, Any]]) -> None:
    """Write ``events`` (columns of the log) as the last thing before the commit; later commits get larger ids."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(_APPEND, {"channel": CHANNEL})
    session.execute(insert(EventRecord), events)


def read_after(position: int, *, limit: int, until: int | None = None) -> list[LoggedEvent]:
    """Return the first ``limit`` events with ids above ``position``, and not above ``until``, in their order."""
    statement = select(*_COLUMNS).where(EventRecord.id > position).order_by(EventRecord.id).limit(limit)
    if until is not None:
        statement = statement.where(EventRecord.id <= until)
    return [LoggedEvent(*row) for row in db.session.execute(statement)]


def read_newest(types: Collection[str], *, until: int, limit: int) -> list[LoggedEvent]:
    """Return the last ``limit`` events of these types with ids not above ``until``, in their order."""
    statement = select(*_COLUMNS).where(EventRecord.id <= until, EventRecord.type.in_(types))
    rows = db.session.execute(statement.order_by(EventRecord.id.desc()).limit(limit)).all()
    return [LoggedEvent(*row) for row in reversed(rows)]


def last_id() -> int:
    """Return the id of the newest event, 0 when there was none yet; pruning always leaves the newest."""
    return db.session.scalar(select(func.max(EventRecord.id))) or 0


def first_id() -> int:
    """Return the id of the oldest event that is still there, 1 when there was none yet."""
    return db.session.scalar(select(func.min(EventRecord.id))) or 1
