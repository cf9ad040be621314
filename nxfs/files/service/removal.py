"""Files that nothing refers to any more: their rows go in the transaction of the cause, their bytes after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import gevent
import structlog
from sqlalchemy import bindparam, delete, select, text, update

from nxfs.core import clock
from nxfs.core.database import UtcDateTime
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.extensions import db
from nxfs.files import keys
from nxfs.files.models import FileDeletion, FileDerivative, StoredFile
from nxfs.files.service import quota
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.selection import current_storage

MOST_AT_ONCE = 500
PATIENCE_SECONDS = 2

# The key of a derivative comes again with its content, perhaps before its former bytes are deleted.
_REQUEST = text(
    "INSERT INTO file_deletions (key, requested_at, attempts) VALUES (:key, :requested_at, 0) "
    "ON CONFLICT (key) DO UPDATE SET requested_at = excluded.requested_at"
).bindparams(bindparam("requested_at", type_=UtcDateTime))

log = structlog.get_logger("nxfs.files")


def remove_files(tx: Transaction, file_ids: Iterable[int]) -> None:
    """Delete these files, whose referring rows are deleted already, and their derivatives.

    The bytes are deleted after the commit, and again by a job as long as that fails.
    """
    wanted = select(StoredFile).where(StoredFile.id.in_(list(file_ids))).order_by(StoredFile.id).with_for_update()
    tx.session.flush()
    files = tx.session.scalars(wanted).all()
    if not files:
        return
    tx.session.execute(delete(StoredFile).where(StoredFile.id.in_([file.id for file in files])))
    for file in files:
        if quota.is_counted(file.format):
            quota.give_back(tx, file.owner_id, file.size)
        tx.session.expunge(file)
    unneeded = [keys.of_original(file.name) for file in files]
    unneeded += _forget_derivatives(tx, {file.sha256 for file in files})
    tx.session.execute(_REQUEST, [{"key": key, "requested_at": clock.now()} for key in unneeded])
    tx.after_commit(lambda: _delete_soon(unneeded))


def _delete_soon(unneeded: Sequence[str]) -> None:
    """Delete the bytes if the storage is quick; whoever asked for the deletion does not wait for one that hangs."""
    with gevent.Timeout(PATIENCE_SECONDS, False):
        delete_bytes(unneeded)


def delete_bytes(unneeded: Sequence[str]) -> int:
    """Delete what is stored under these keys of the list of deletions, and return how many of them are done.

    The first that fails ends it: the storage is away then, and the next run of the job tries again.
    """
    storage = current_storage()
    done = []
    for key in unneeded:
        try:
            storage.delete(key)
        except StorageError as error:
            log.warning("file not deleted yet", key=key, exc_info=error)
            _count_attempt(key)
            break
        done.append(key)
    if done:
        with transaction() as tx:
            tx.session.execute(delete(FileDeletion).where(FileDeletion.key.in_(done)))
    return len(done)


def delete_unneeded(key: str) -> None:
    """Delete what is stored under ``key``, which no row refers to, or let the job do so later."""
    with transaction() as tx:
        tx.session.execute(_REQUEST, {"key": key, "requested_at": clock.now()})
        tx.after_commit(lambda: _delete_soon([key]))


def delete_what_is_left() -> int:
    """Delete the bytes whose deletion failed or was interrupted, and return how many files that were."""
    left = select(FileDeletion.key).order_by(FileDeletion.attempts, FileDeletion.requested_at).limit(MOST_AT_ONCE)
    found = db.session.scalars(left).all()
    # Not held while the storage works.
    release_connection()
    return delete_bytes(found) if found else 0


def _forget_derivatives(tx: Transaction, contents: set[str]) -> list[str]:
    """Delete the rows of the derivatives of ``contents`` that no file has any more, and return their keys."""
    # Locked before the files are counted: of two that go at once, the second then sees that the first is gone.
    made = select(FileDerivative.sha256, FileDerivative.width).where(FileDerivative.sha256.in_(contents))
    tx.session.execute(made.order_by(FileDerivative.sha256, FileDerivative.width).with_for_update()).all()
    kept = set(tx.session.scalars(select(StoredFile.sha256).where(StoredFile.sha256.in_(contents))))
    gone = FileDerivative.sha256.in_(contents - kept)
    rows = tx.session.execute(select(FileDerivative.sha256, FileDerivative.width).where(gone)).all()
    tx.session.execute(delete(FileDerivative).where(gone))
    return [keys.of_derivative(row.sha256, row.width) for row in rows]


def _count_attempt(key: str) -> None:
    with transaction() as tx:
        tx.session.execute(
            update(FileDeletion).where(FileDeletion.key == key).values(attempts=FileDeletion.attempts + 1)
        )
