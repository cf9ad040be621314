"""Whether the storage and the rows agree: what one has and the other has not, and how that is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import gevent
from sqlalchemy import Column, Select, delete, exists, func, select, update

from nxfs.core import clock
from nxfs.core.transaction import release_connection, transaction
from nxfs.extensions import db
from nxfs.files import keys
from nxfs.files.models import FileDeletion, FileDerivative, FileOwner, StoredFile
from nxfs.files.service import removal
from nxfs.files.service.quota import ADD_OWNER, is_counted_file
from nxfs.files.storage.interface import Storage
from nxfs.files.storage.selection import current_storage

# Between storing a file and the commit of its row lie seconds, with a slow bucket perhaps a minute.
GRACE_SECONDS = 600
ROWS_AT_ONCE = 1000

Progress = Callable[[int], object]

_has_file = select(StoredFile.id).where(StoredFile.sha256 == FileDerivative.sha256).correlate(FileDerivative).exists()


@dataclass
class Findings:
    """What does not fit. ``stray_keys`` have bytes and no row, ``lost`` are names of files with a row and no bytes.

    ``unreferenced`` are ids of files that no object has, ``orphans`` the contents of derivatives that no file has,
    ``leftovers`` interrupted uploads, ``waiting`` keys whose
    deletion has not succeeded yet, ``miscounted`` the owners whose files take another number of bytes than counted.
    ``too_young`` counts what is not judged, because its upload may be under way.
    """

    stray_keys: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unreferenced: list[int] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    miscounted: list[int] = field(default_factory=list)
    too_young: int = 0

    def is_clean(self) -> bool:
        """True when storage and rows agree."""
        found = (self.stray_keys, self.lost, self.unreferenced, self.orphans, self.leftovers, self.waiting)
        return not any(found) and not self.miscounted


def count_files() -> int:
    """Return how many files ``verify`` will look at, about."""
    return db.session.scalar(select(func.count()).select_from(StoredFile)) or 0


def verify(*, grace_seconds: float = GRACE_SECONDS, progress: Progress = lambda count: None) -> Findings:
    """Compare the storage with the rows; ``progress`` is called with numbers of stored files that were looked at.

    What is younger than ``grace_seconds`` is not judged. Raises ``StorageError``.
    """
    storage, findings = current_storage(), Findings()
    # The rows are read after the storage: a file that is stored meanwhile has no row yet, but is young.
    stored = _read_storage(storage, progress)
    originals = {keys.of_original(name): name for name in db.session.scalars(select(StoredFile.name))}
    made = db.session.execute(select(FileDerivative.sha256, FileDerivative.width).where(_has_file))
    derivatives = {keys.of_derivative(sha256, width) for sha256, width in made}
    findings.waiting = list(db.session.scalars(select(FileDeletion.key).order_by(FileDeletion.key)))
    release_connection()
    young = clock.now() - timedelta(seconds=grace_seconds)
    for key in sorted(stored.keys() - originals.keys() - derivatives - set(findings.waiting)):
        if stored[key] > young:
            findings.too_young += 1
        else:
            findings.stray_keys.append(key)
    # Asked once more, one by one: it may have been stored since.
    missing = sorted(originals.keys() - stored.keys())
    findings.lost = [originals[key] for key in missing if not storage.exists(key)]
    findings.unreferenced = _unreferenced(grace_seconds)
    findings.orphans = list(db.session.scalars(select(FileDerivative.sha256).distinct().where(~_has_file)))
    findings.leftovers = list(storage.stale_incoming(grace_seconds))
    findings.miscounted = _miscounted()
    release_connection()
    return findings


def mend(findings: Findings, *, progress: Progress = lambda count: None) -> None:
    """Delete what ``verify`` found to belong to nothing, and count anew. Lost files are left: see ``forget_lost``."""
    storage = current_storage()
    if findings.orphans:
        with transaction() as tx:
            tx.session.execute(delete(FileDerivative).where(~_has_file))
        progress(len(findings.orphans))
    for path in findings.leftovers:
        path.unlink(missing_ok=True)
        progress(1)
    for key in findings.stray_keys:
        storage.delete(key)
        progress(1)
    for start in range(0, len(findings.unreferenced), ROWS_AT_ONCE):
        some = findings.unreferenced[start : start + ROWS_AT_ONCE]
        with transaction() as tx:
            removal.remove_files(tx, set(_unreferenced(0)) & set(some))
        progress(len(some))
    for start in range(0, len(findings.waiting), ROWS_AT_ONCE):
        progress(removal.delete_bytes(findings.waiting[start : start + ROWS_AT_ONCE]))
    for owner_id in findings.miscounted:
        _count_anew(owner_id)
        progress(1)


def forget_lost(names: Iterable[str]) -> int:
    """Delete the rows of files whose bytes are lost, and what refers to them; return how many that were.

    A reference that can be empty is emptied, otherwise the object that has it is deleted, as a picture of a task.
    """
    count = 0
    for name in names:
        with transaction() as tx:
            file_id = tx.session.scalar(select(StoredFile.id).where(StoredFile.name == name))
            if file_id is None:
                continue
            for column in _references():
                table, condition = column.table, column == file_id
                if column.nullable:
                    tx.session.execute(update(table).where(condition).values({column.name: None}))
                else:
                    tx.session.execute(delete(table).where(condition))
            removal.remove_files(tx, [file_id])
            tx.audit("files.lost_file_forgotten", actor_id=None, changes={"name": [name, None]})
            count += 1
    return count


def _read_storage(storage: Storage, progress: Progress) -> dict[str, datetime]:
    """Return the keys of what is stored, and since when."""
    stored = {}
    for item in storage.list():
        stored[item.key] = item.modified
        if len(stored) % ROWS_AT_ONCE == 0:
            progress(ROWS_AT_ONCE)
            gevent.sleep(0)
    progress(len(stored) % ROWS_AT_ONCE)
    return stored


def _references() -> list[Column[int]]:
    """Return the columns of all tables that refer to files."""
    tables = db.metadata.tables.values()
    return [
        foreign_key.parent
        for table in tables
        for foreign_key in table.foreign_keys
        if foreign_key.column.table is StoredFile.__table__
    ]


def _unreferenced(grace_seconds: float) -> list[int]:
    before = clock.now() - timedelta(seconds=grace_seconds)
    unused = [~exists().where(column == StoredFile.id) for column in _references()]
    return list(db.session.scalars(select(StoredFile.id).where(StoredFile.created_at < before, *unused)))


def _select_sizes() -> Select[tuple[int, int]]:
    sizes = select(StoredFile.owner_id, func.sum(StoredFile.size).label("size")).where(is_counted_file())
    return sizes.group_by(StoredFile.owner_id)


def _miscounted() -> list[int]:
    taken = dict(db.session.execute(_select_sizes()).all())
    counted = dict(db.session.execute(select(FileOwner.owner_id, FileOwner.used_bytes)).all())
    return sorted(owner for owner in taken.keys() | counted.keys() if taken.get(owner, 0) != counted.get(owner, 0))


def _count_anew(owner_id: int) -> None:
    with transaction() as tx:
        tx.session.execute(ADD_OWNER, {"owner_id": owner_id})
        # Locked first, so that no upload is counted between the sum and the update.
        owner = tx.session.get_one(FileOwner, owner_id, with_for_update=True, populate_existing=True)
        sizes = select(func.coalesce(func.sum(StoredFile.size), 0)).where(is_counted_file())
        sizes = sizes.where(StoredFile.owner_id == owner_id)
        owner.used_bytes = tx.session.scalar(sizes) or 0
