"""Files that the server makes itself: written to a path beside the uploads, then stored and kept as those are."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from nxfs.core.threads import run_long_in_thread
from nxfs.core.transaction import release_connection
from nxfs.files import keys
from nxfs.files.errors import StorageUnavailableError
from nxfs.files.formats import FORMATS
from nxfs.files.service.uploads import Received, discarded_unless_kept
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.selection import current_storage

log = structlog.get_logger("nxfs.files")


@contextmanager
def path_to_write() -> Iterator[Path]:
    """Yield the path of a file to make, which does not exist yet and is deleted at the end of the block.

    What a killed process leaves there, or beside it, ``flask media gc`` deletes. Raises ``StorageUnavailableError``.
    """
    try:
        path = current_storage().incoming() / f"{secrets.token_hex(16)}.made"
    except StorageError as error:
        log.error("file not made", exc_info=error)
        raise StorageUnavailableError from error
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def stored(path: Path, format_name: str, *, owner_id: int, filename: str) -> Iterator[Received]:
    """Store the file at ``path``, of ``path_to_write``; what is not kept by the end of the block is deleted again.

    Use it around the transaction that keeps it. Raises ``StorageUnavailableError``.
    """
    release_connection()
    name = f"{secrets.token_hex(16)}.{FORMATS[format_name].extension}"
    try:
        size, digest = run_long_in_thread(_measure, path)
        current_storage().save(keys.of_original(name), path)
    except (StorageError, OSError) as error:
        log.error("file not stored", exc_info=error)
        raise StorageUnavailableError from error
    findings = {"format": format_name, "size": size, "sha256": digest, "width": None, "height": None, "duration": None}
    with discarded_unless_kept(Received(name, filename, owner_id, findings)) as file:
        yield file


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
