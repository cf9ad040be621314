"""Smaller pictures, made when they are first asked for: once for each content and width, however many ask at once."""

from __future__ import annotations

import secrets
import shutil
from datetime import datetime, timedelta
from typing import Any

import gevent
import structlog
from gevent.event import AsyncResult
from sqlalchemy import ColumnElement, Row, bindparam, delete, exists, select, text, update

from nxfs.core import clock
from nxfs.core.database import UtcDateTime
from nxfs.core.transaction import release_connection, transaction
from nxfs.extensions import db
from nxfs.files import keys
from nxfs.files.errors import InspectionBusyError, StorageUnavailableError, StoredFileNotFoundError
from nxfs.files.links import WIDTHS
from nxfs.files.models import FileDerivative, StoredFile
from nxfs.files.service import inspectors, removal
from nxfs.files.storage.interface import MissingObjectError, Reading, StorageError
from nxfs.files.storage.selection import current_storage

# Longer than the wait for an inspector, its work, and the storage's reading and writing with all attempts together:
# whoever claimed it and is not done by then was killed.
CLAIM_SECONDS = 240
# How long a request waits for what somebody else makes, before its client is told to come back.
WAITING_SECONDS = 60
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5

_CLAIM = text(
    "INSERT INTO file_derivatives (sha256, width, claimed_at) VALUES (:sha256, :width, :claimed_at) "
    "ON CONFLICT (sha256, width) DO NOTHING"
).bindparams(bindparam("claimed_at", type_=UtcDateTime))

log = structlog.get_logger("nxfs.files")
# Those of this process wait here, and get what the one who makes it gets; only that one asks the database.
_under_way: dict[tuple[str, int], AsyncResult] = {}


def open_derivative(file: StoredFile, width: int) -> Reading:
    """Return the derivative of ``file``, made now if there is none, opened.

    Raises ``StoredFileNotFoundError`` for what is no image or no such width, ``InspectionBusyError``,
    ``StorageUnavailableError``.
    """
    if file.width is None or width not in WIDTHS:
        raise StoredFileNotFoundError
    sha256, name = file.sha256, file.name
    for _ in range(2):
        if not _is_ready(sha256, width):
            _make_once(sha256, name, width)
        try:
            return current_storage().open(keys.of_derivative(sha256, width))
        except MissingObjectError:
            # Deleted by hand, or together with another file that had the same content: made again.
            _forget(sha256, width)
        except StorageError as error:
            raise StorageUnavailableError from error
    raise StorageUnavailableError


def _make_once(sha256: str, name: str, width: int) -> None:
    task = (sha256, width)
    made = _under_way.get(task)
    if made is not None:
        try:
            made.get(timeout=WAITING_SECONDS)
        except gevent.Timeout as timeout:
            raise InspectionBusyError from timeout
        return
    made = _under_way[task] = AsyncResult()
    try:
        _make_or_wait(sha256, name, width)
    except BaseException as error:
        made.set_exception(error if isinstance(error, Exception) else InspectionBusyError())
        raise
    else:
        made.set(None)
    finally:
        del _under_way[task]


def _make_or_wait(sha256: str, name: str, width: int) -> None:
    """Make the derivative, unless another process has claimed it; then wait until it is there."""
    give_up_at = clock.now() + timedelta(seconds=WAITING_SECONDS)
    pause = FIRST_PAUSE
    while not _is_ready(sha256, width):
        claimed_at = _claim(sha256, width)
        if claimed_at is not None:
            _make(sha256, name, width, claimed_at)
            return
        if clock.now() > give_up_at:
            raise InspectionBusyError
        gevent.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


def _is_ready(sha256: str, width: int) -> bool:
    row = _find(sha256, width)
    return row is not None and row.height is not None


def _find(sha256: str, width: int) -> Row[Any] | None:
    release_connection()
    columns = select(FileDerivative.height, FileDerivative.claimed_at)
    row = db.session.execute(columns.where(_is_it(sha256, width))).one_or_none()
    # Whoever waits next must not hold a connection of the pool meanwhile.
    release_connection()
    return row


def _is_it(sha256: str, width: int) -> ColumnElement[bool]:
    return (FileDerivative.sha256 == sha256) & (FileDerivative.width == width)


def _claim(sha256: str, width: int) -> datetime | None:
    """Return since when the derivative is ours to make, None when it is somebody else's."""
    now = clock.now()
    row = _find(sha256, width)
    if row is None:
        with transaction() as tx:
            claimed = tx.session.execute(_CLAIM, {"sha256": sha256, "width": width, "claimed_at": now})
            return now if claimed.rowcount else None
    abandoned = row.height is None and row.claimed_at < now - timedelta(seconds=CLAIM_SECONDS)
    if not abandoned:
        return None
    with transaction() as tx:
        # Nobody else has taken it over in the meantime.
        same = _is_it(sha256, width) & FileDerivative.height.is_(None) & (FileDerivative.claimed_at == row.claimed_at)
        taken = tx.session.execute(update(FileDerivative).where(same).values(claimed_at=now))
        return now if taken.rowcount else None


def _make(sha256: str, name: str, width: int, claimed_at: datetime) -> None:
    storage = current_storage()
    ours = _is_it(sha256, width) & (FileDerivative.claimed_at == claimed_at)
    token = secrets.token_hex(16)
    try:
        incoming = storage.incoming()
        source, target = incoming / f"{token}.original", incoming / f"{token}.webp"
        try:
            reading = storage.open(keys.of_original(name))
            with reading.stream, source.open("xb") as copy:
                shutil.copyfileobj(reading.stream, copy)
            made = inspectors.render(source, target, width=width)
            if made is None:
                raise StoredFileNotFoundError
            size = target.stat().st_size
            storage.save(keys.of_derivative(sha256, width), target)
        finally:
            source.unlink(missing_ok=True)
            target.unlink(missing_ok=True)
    except BaseException as error:
        with transaction() as tx:
            tx.session.execute(delete(FileDerivative).where(ours))
        if isinstance(error, MissingObjectError):
            raise StoredFileNotFoundError from error
        if isinstance(error, StorageError | OSError):
            log.error("derivative not stored", exc_info=error)
            raise StorageUnavailableError from error
        raise
    done = {"actual_width": made["width"], "height": made["height"], "size": size}
    # The last file with this content may have been deleted meanwhile, and its derivatives with it.
    is_needed = exists().where(StoredFile.sha256 == sha256)
    with transaction() as tx:
        is_kept = tx.session.execute(update(FileDerivative).where(ours, is_needed).values(done)).rowcount
        if not is_kept:
            tx.session.execute(delete(FileDerivative).where(ours))
    if not is_kept:
        removal.delete_unneeded(keys.of_derivative(sha256, width))
        raise StoredFileNotFoundError
    log.info("derivative made", name=name, width=width)


def _forget(sha256: str, width: int) -> None:
    gone = _is_it(sha256, width) & FileDerivative.height.is_not(None)
    with transaction() as tx:
        tx.session.execute(delete(FileDerivative).where(gone))
