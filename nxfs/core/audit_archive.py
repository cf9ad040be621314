"""The archive of the audit log: a file for each old day, whose entries leave the database when it is whole."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import delete, or_, select, update

from nxfs.core import clock
from nxfs.core.audit import AuditDay, AuditEntry
from nxfs.core.audit_chain import CONTENTS, BrokenLink, Walk
from nxfs.core.messages import Text
from nxfs.core.settings import setting
from nxfs.core.threads import run_in_thread
from nxfs.core.transaction import release_connection, transaction
from nxfs.core.turns import let_others_run
from nxfs.extensions import db

# So many hold the loop for some milliseconds.
BATCH = 250
UNREADABLE = Text(
    "The day's file in the archive is missing or cannot be read.", "Dagens fil i arkivet mangler eller kan ikke leses."
)
_COLUMNS = ("id", *CONTENTS, "day", "position", "digest", "link")
_SELECTED = tuple(getattr(AuditEntry, name) for name in _COLUMNS)

log = structlog.get_logger("nxfs.audit")


def archive_old_days() -> int:
    """Move the days before the last ``AUDIT_RETENTION_DAYS`` to the archive; return how many were moved.

    A day goes when its file is whole and agrees with the chain; one whose chain is broken stays. What was interrupted
    is done again.
    """
    boundary = clock.now().astimezone(UTC).date() - timedelta(days=setting("AUDIT_RETENTION_DAYS"))
    stored = select(AuditEntry.day).where(AuditEntry.day < boundary).distinct()
    wanted = select(AuditDay).where(AuditDay.day < boundary)
    wanted = wanted.where(or_(AuditDay.archived_at.is_(None), AuditDay.day.in_(stored)))
    days = db.session.scalars(wanted.order_by(AuditDay.day)).all()
    db.session.expunge_all()
    release_connection()
    return sum(_archive(day) for day in days)


def read_stored(day: date, *, after: int, limit: int) -> Sequence[dict[str, Any]]:
    """Return the next entries of ``day`` behind the position ``after``, in their order."""
    wanted = select(*_SELECTED).where(AuditEntry.day == day, AuditEntry.position > after)
    rows = db.session.execute(wanted.order_by(AuditEntry.position).limit(limit))
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def read_archived(day: date) -> Iterator[dict[str, Any]]:
    """Yield the entries of the day's file. Raises ``OSError``, ``EOFError`` or ``ValueError`` when it cannot."""
    with gzip.open(file_of(day), "rt", encoding="ascii") as lines:
        for line in lines:
            entry = json.loads(line)
            if not isinstance(entry, dict) or entry.keys() != set(_COLUMNS):
                raise ValueError("This line is no entry.")
            yield entry


def file_of(day: date) -> Path:
    """Return where the day's file is, or will be."""
    return Path(setting("AUDIT_ARCHIVE")) / f"audit-{day.isoformat()}.jsonl.gz"


def check_archived(state: AuditDay, took: Any = lambda count: None) -> BrokenLink | None:
    """Return where the chain of the day's file is broken, if anywhere; ``took`` is called with numbers of entries."""
    walk = Walk(state.day)
    try:
        for number, entry in enumerate(read_archived(state.day), 1):
            if broken := walk.take(entry):
                return broken
            if number % BATCH == 0:
                took(BATCH)
    # What a file may hold that is none of ours, zlib's complaints included, which are OSErrors with gzip.
    except (OSError, EOFError, ValueError, zlib.error):
        return BrokenLink(state.day, walk.position + 1, None, UNREADABLE)
    took(walk.position % BATCH)
    return walk.end(entries=state.entries, head=state.head)


def _archive(state: AuditDay) -> bool:
    """Archive a day; return whether it is by now."""
    if state.archived_at is None:
        broken = _write(state) or check_archived(state, lambda count: let_others_run())
        if broken:
            # It stays where it is. Who verifies the log hears of it as well.
            log.error(
                "audit log cannot be archived", day=str(state.day), position=broken.position, why=broken.sentence.en
            )
            return False
        if not _mark(state):
            return False
    _delete_entries(state)
    return True


def _write(state: AuditDay) -> BrokenLink | None:
    """Write the day's file, and return where its chain is broken, if anywhere; then there is no file."""
    path = file_of(state.day)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may do it at the same time, for a moment; the files are the same.
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    walk = Walk(state.day)
    try:
        with unfinished.open("xb") as file:
            with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
                while entries := read_stored(state.day, after=walk.position, limit=BATCH):
                    release_connection()
                    for entry in entries:
                        if broken := walk.take(entry):
                            return broken
                        packed.write(_line(entry))
                    let_others_run()
            file.flush()
            run_in_thread(os.fsync, file.fileno())
        if broken := walk.end(entries=state.entries, head=state.head):
            return broken
        unfinished.replace(path)
        run_in_thread(_sync_directory, path.parent)
        return None
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


def _line(entry: dict[str, Any]) -> bytes:
    values = {**entry, "occurred_at": clock.to_wire(entry["occurred_at"]), "day": entry["day"].isoformat()}
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mark(state: AuditDay) -> bool:
    """Note that the day is archived, if nothing was added to it meanwhile."""
    unchanged = (AuditDay.day == state.day, AuditDay.head == state.head, AuditDay.archived_at.is_(None))
    with transaction() as tx:
        marked = update(AuditDay).where(*unchanged).values(archived_at=clock.now())
        result = tx.session.execute(marked.execution_options(synchronize_session=False))
        if not result.rowcount:  # type: ignore[attr-defined]
            return False
        changes = {"day": state.day.isoformat(), "entries": state.entries, "head": state.head}
        tx.audit("audit.archived", actor_id=None, changes=changes)
    return True


def _delete_entries(state: AuditDay) -> None:
    for last in range(BATCH, state.entries + BATCH, BATCH):
        with transaction() as tx:
            doomed = delete(AuditEntry).where(AuditEntry.day == state.day, AuditEntry.position <= last)
            tx.session.execute(doomed.execution_options(synchronize_session=False))
        let_others_run()
