"""The one way in: an upload is inspected, stored, and kept by the transaction of its cause, or leaves nothing."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import gevent
import structlog
from sqlalchemy import exists, select

from nxfs.core.transaction import Transaction, after_transaction, release_connection
from nxfs.core.uploads import Upload
from nxfs.extensions import db
from nxfs.files import keys
from nxfs.files.errors import Refusal, StorageUnavailableError, refused
from nxfs.files.formats import FORMATS, MEGABYTE, UploadRule
from nxfs.files.models import StoredFile
from nxfs.files.service import inspectors, quota
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.selection import current_storage

LONGEST_FILENAME = 255
COPIED_AT_ONCE = 1024 * 1024

log = structlog.get_logger("nxfs.files")


@dataclass
class Received:
    """A file that was inspected, or made here, and whose bytes are stored, but which is nobody's yet."""

    name: str
    original_filename: str
    owner_id: int
    findings: dict[str, Any]
    is_kept: bool = False

    def keep(self, tx: Transaction, *, public_from: datetime | None = None) -> StoredFile:
        """Make it a file of its owner when ``tx`` commits, and return that.

        The commit raises ``QuotaExceededError`` when the owner has no room for it.
        """
        columns = ("format", "size", "sha256", "width", "height", "duration")
        file = StoredFile(
            name=self.name,
            owner_id=self.owner_id,
            original_filename=self.original_filename,
            public_from=public_from,
            **{column: self.findings[column] for column in columns},
        )
        tx.session.add(file)
        tx.session.flush()
        if quota.is_counted(file.format):
            quota.take(tx, self.owner_id, file.size)
        self.is_kept = True
        tx.after_rollback(lambda: _discard(self))
        return file


@contextmanager
def received(upload: Upload, rule: UploadRule, *, owner_id: int) -> Iterator[Received]:
    """Inspect and store ``upload``; what is not kept by the end of the block, or by a failed transaction, is deleted.

    Use it around the transaction that keeps it. Raises the error of the refusal (400, 413, 415) under the upload's
    field, ``QuotaExceededError``, ``InspectionBusyError``, ``StorageUnavailableError``.
    """
    with discarded_unless_kept(_receive(upload, rule, owner_id)) as file:
        yield file


@contextmanager
def discarded_unless_kept(file: Received) -> Iterator[Received]:
    """Delete the bytes of ``file`` when the block, or the transaction that keeps it, ends without keeping it."""
    try:
        yield file
    finally:
        if not file.is_kept:
            after_transaction(lambda: _discard(file))


def clean_filename(filename: str) -> str:
    """Return a client's name for a file as text to show: no folders, no control characters, not too long."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", filename))[-1]
    # Cc control, Cf invisible (also what turns the direction of writing), Cs surrogates, Zl and Zp line ends.
    shown = "".join(letter for letter in last if unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Zl", "Zp"))
    stem, dot, extension = shown.strip().rpartition(".")
    if not stem.strip(". "):
        stem = "file"
    return f"{stem[: LONGEST_FILENAME - len(dot + extension[:20])]}{dot}{extension[:20]}"


def _receive(upload: Upload, rule: UploadRule, owner_id: int) -> Received:
    storage = current_storage()
    token = secrets.token_hex(16)
    try:
        incoming = storage.incoming()
        source, target = incoming / f"{token}.upload", incoming / f"{token}.inspected"
        try:
            quota.require_room(owner_id, _copy(upload, source, rule))
            # No connection of the pool is held while a child works.
            release_connection()
            findings = inspectors.inspect(source, target, upload=upload, rule=rule)
            name = f"{token}.{FORMATS[findings['format']].extension}"
            storage.save(keys.of_original(name), target)
        finally:
            source.unlink(missing_ok=True)
            target.unlink(missing_ok=True)
    except (StorageError, OSError) as error:
        log.error("file not stored", exc_info=error)
        raise StorageUnavailableError from error
    return Received(name, clean_filename(upload.filename), owner_id, findings)


def _copy(upload: Upload, source: Path, rule: UploadRule) -> int:
    """Write the upload's bytes into the file ``source``, no more than ``rule`` allows, and return how many they are."""
    size = 0
    upload.stream.seek(0)
    with source.open("xb") as copy:
        while part := upload.stream.read(COPIED_AT_ONCE):
            size += len(part)
            if size > rule.most_bytes:
                raise refused(Refusal.TOO_LARGE, upload.field, most=rule.most_bytes // MEGABYTE)
            copy.write(part)
            gevent.sleep(0)
    return size


def _discard(file: Received) -> None:
    """Delete the stored bytes, unless the row is there all the same: a commit may fail after it has succeeded.

    Outside of transactions.
    """
    release_connection()
    if db.session.scalar(select(exists().where(StoredFile.name == file.name))):
        return
    try:
        current_storage().delete(keys.of_original(file.name))
    except StorageError as error:
        log.warning("file left behind; flask media gc deletes it", name=file.name, exc_info=error)
