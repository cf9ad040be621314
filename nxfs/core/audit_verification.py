"""Whether the audit log is what it was: every entry and link computed anew, in the database and in the archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select, union

from nxfs.core.audit import AuditDay, AuditEntry
from nxfs.core.audit_archive import check_archived, read_stored
from nxfs.core.audit_chain import TOO_MANY, BrokenLink, Walk
from nxfs.core.transaction import release_connection
from nxfs.extensions import db

BATCH = 1_000

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Verdict:
    """What was verified, and the first link that is broken, if any; ``head`` is that of the last day."""

    days: int
    entries: int
    head: str | None
    broken: BrokenLink | None


def count_entries(*, since: date | None = None, until: date | None = None) -> int:
    """Return how many entries the days from ``since`` to ``until`` have, those in the archive included."""
    counted = select(func.coalesce(func.sum(AuditDay.entries), 0)).where(*_between(AuditDay.day, since, until))
    return db.session.scalar(counted) or 0


def verify(*, since: date | None = None, until: date | None = None, progress: Progress = lambda count: None) -> Verdict:
    """Verify the days from ``since`` to ``until``, all without them, and stop at the first link that is broken.

    ``progress`` is called with numbers of entries that were verified. What is added meanwhile is not looked at.
    """
    chained = select(AuditDay.day).where(*_between(AuditDay.day, since, until))
    stored = select(AuditEntry.day).where(AuditEntry.day.is_not(None), *_between(AuditEntry.day, since, until))
    # Together, so that a day whose row was deleted is seen by its entries.
    days = sorted(db.session.scalars(union(chained, stored)))
    count, head = 0, None

    def took(number: int) -> None:
        nonlocal count
        count += number
        progress(number)

    for number, day in enumerate(days):
        broken, head = _check_day(day, took)
        if broken:
            return Verdict(number, count, None, broken)
    broken = _find_undated() if since is None and until is None else None
    return Verdict(len(days), count, head, broken)


def _check_day(day: date, took: Progress) -> tuple[BrokenLink | None, str | None]:
    # Before the day's row, which is written in the transaction of each entry: it cannot know of fewer.
    last = db.session.scalar(select(func.max(AuditEntry.position)).where(AuditEntry.day == day)) or 0
    is_unchained = (AuditEntry.day == day) & AuditEntry.position.is_(None)
    unchained = db.session.scalar(select(AuditEntry.id).where(is_unchained).order_by(AuditEntry.id).limit(1))
    release_connection()
    state = db.session.get(AuditDay, day)
    if state is None or unchained is not None:
        return BrokenLink(day, None, unchained, TOO_MANY), None
    db.session.expunge(state)
    if state.archived_at is not None:
        return check_archived(state, took), state.head
    return _check_stored(state, last, took), state.head


def _check_stored(state: AuditDay, last: int, took: Progress) -> BrokenLink | None:
    walk = Walk(state.day)
    while walk.position < state.entries:
        entries = read_stored(state.day, after=walk.position, limit=min(BATCH, state.entries - walk.position))
        release_connection()
        for entry in entries:
            if broken := walk.take(entry):
                return broken
        took(len(entries))
        if not entries:
            break
    return walk.end(entries=state.entries, head=state.head) or _beyond(state, last)


def _beyond(state: AuditDay, last: int) -> BrokenLink | None:
    """Return the first entry that the day's row does not know of, although it was there before that was read."""
    if last <= state.entries:
        return None
    position, entry_id = _first_behind(state)
    return BrokenLink(state.day, position, entry_id, TOO_MANY)


def _first_behind(state: AuditDay) -> Any:
    behind = select(AuditEntry.position, AuditEntry.id)
    behind = behind.where(AuditEntry.day == state.day, AuditEntry.position > state.entries)
    return db.session.execute(behind.order_by(AuditEntry.position).limit(1)).one()


def _find_undated() -> BrokenLink | None:
    undated = select(AuditEntry.id).where(AuditEntry.day.is_(None)).order_by(AuditEntry.id).limit(1)
    entry_id = db.session.scalar(undated)
    return None if entry_id is None else BrokenLink(None, None, entry_id, TOO_MANY)


def _between(column: Any, since: date | None, until: date | None) -> list[Any]:
    conditions = [] if since is None else [column >= since]
    return conditions if until is None else [*conditions, column <= until]
