"""What a request left behind in the database: rows, events and audit entries."""

from __future__ import annotations

from sqlalchemy import func, select

from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db


def row_counts() -> dict[str, int]:
    """Return the number of rows of every table, those of the event log and the audit log included."""
    db.session.rollback()
    tables = db.metadata.sorted_tables
    counts = {table.name: db.session.scalar(select(func.count()).select_from(table)) for table in tables}
    db.session.rollback()
    return counts


def newest_event_id() -> int:
    """Return the id of the newest event, 0 without any."""
    return _newest(EventRecord)


def newest_audit_id() -> int:
    """Return the id of the newest audit entry, 0 without any."""
    return _newest(AuditEntry)


class Logbook:
    """The events and audit entries that were written since it was opened.

    Who is notified of what has tests of its own: its events are those of ``pushes``, not of ``events``.
    """

    def __init__(self) -> None:
        self._event_id, self._entry_id = newest_event_id(), newest_audit_id()

    def events(self) -> list[EventRecord]:
        """Return the events since then, but for those of ``pushes``."""
        return [event for event in _since(EventRecord, self._event_id) if event.type != "notification_created"]

    def pushes(self) -> list[EventRecord]:
        """Return the events since then that tell of new notifications."""
        return [event for event in _since(EventRecord, self._event_id) if event.type == "notification_created"]

    def entries(self) -> list[AuditEntry]:
        """Return the audit entries since then."""
        return _since(AuditEntry, self._entry_id)

    def types(self) -> tuple[list[str], list[str]]:
        """Return the types of the events and the actions of the entries since then."""
        return [event.type for event in self.events()], [entry.action for entry in self.entries()]


def _newest(model: type[EventRecord] | type[AuditEntry]) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.max(model.id))) or 0


def _since(model: type[EventRecord] | type[AuditEntry], identifier: int) -> list:
    db.session.rollback()
    rows = db.session.scalars(select(model).where(model.id > identifier).order_by(model.id)).all()
    db.session.expunge_all()
    db.session.rollback()
    return list(rows)
