"""Smaller pictures, made when they are first asked for: once for each content and width, however many ask at once."""

from __future__ import annotations

import secrets
import shutil
from datetime import datetime, timedelta

import gevent
import structlog
from gevent.event import Event
from sqlalchemy import delete, select, update

from nxfs.core import clock
from nxfs.core.errors import ConflictError
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.files import keys
from nxfs.files.errors import InspectionBusyError, StorageUnavailableError, StoredFileNotFoundError
from nxfs.files.links import WIDTHS
from nxfs.files.models import FileDerivative, StoredFile
from nxfs.files.service import inspectors
from nxfs.files.storage.interface import MissingObjectError, Reading, StorageError
from nxfs.files.storage.selection import current_storage

# Longer than an inspector may take: whoever claimed it and is not done by then was killed.
CLAIM_SECONDS = 120
POLL_SECONDS = 0.05

log = structlog.get_logger("nxfs.files")
# Those of this process wait here; only one of them asks the database.
_under_way: dict[tuple[str, int], Event] = {}


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
    event = _under_way.get(task)
    if event is not None:
        event.wait(CLAIM_SECONDS)
        return
    event = _under_way[task] = Event()
    try:
        _make_or_wait(sha256, name, width)
    finally:
        del _under_way[task]
        event.set()


def _make_or_wait(sha256: str, name: str, width: int) -> None:
    """Make the derivative, unless another process has claimed it; then wait until it is there."""
    give_up_at = clock.now() + timedelta(seconds=2 * CLAIM_SECONDS)
    while not _is_ready(sha256, width):
        claimed_at = _claim(sha256, width)
        if claimed_at is not None:
            _make(sha256, name, width, claimed_at)
            return
        if clock.now() > give_up_at:
            raise InspectionBusyError
        gevent.sleep(POLL_SECONDS)


def _is_ready(sha256: str, width: int) -> bool:
    db.session.rollback()
    ready = select(FileDerivative.height).where(FileDerivative.sha256 == sha256, FileDerivative.width == width)
    is_ready = db.session.scalar(ready) is not None
    # Whoever waits next must not hold a connection of the pool meanwhile.
    db.session.rollback()
    return is_ready


def _claim(sha256: str, width: int) -> datetime | None:
    """Return since when the derivative is ours to make, None when it is somebody else's."""
    now = clock.now()
    abandoned = (
        (FileDerivative.sha256 == sha256)
        & (FileDerivative.width == width)
        & FileDerivative.height.is_(None)
        & (FileDerivative.claimed_at < now - timedelta(seconds=CLAIM_SECONDS))
    )
    with transaction() as tx:
        if tx.session.execute(update(FileDerivative).where(abandoned).values(claimed_at=now)).rowcount:
            return now
    try:
        with transaction() as tx:
            tx.session.add(FileDerivative(sha256=sha256, width=width, claimed_at=now))
    except ConflictError:
        return None
    return now


def _make(sha256: str, name: str, width: int, claimed_at: datetime) -> None:
    storage = current_storage()
    ours = (
        (FileDerivative.sha256 == sha256) & (FileDerivative.width == width) & (FileDerivative.claimed_at == claimed_at)
    )
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
    with transaction() as tx:
        tx.session.execute(update(FileDerivative).where(ours).values(done))
    log.info("derivative made", sha256=sha256, width=width)


def _forget(sha256: str, width: int) -> None:
    gone = (FileDerivative.sha256 == sha256) & (FileDerivative.width == width) & FileDerivative.height.is_not(None)
    with transaction() as tx:
        tx.session.execute(delete(FileDerivative).where(gone))
