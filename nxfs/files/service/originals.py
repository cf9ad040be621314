"""The bytes of files as they were kept."""

from __future__ import annotations

import structlog

from nxfs.extensions import db
from nxfs.files import keys
from nxfs.files.errors import StorageUnavailableError, StoredFileNotFoundError
from nxfs.files.models import StoredFile
from nxfs.files.storage.interface import MissingObjectError, Reading, StorageError
from nxfs.files.storage.selection import current_storage

log = structlog.get_logger("nxfs.files")


def open_original(file: StoredFile) -> Reading:
    """Return the bytes of ``file``, opened. Raises ``StoredFileNotFoundError``, ``StorageUnavailableError``."""
    name = file.name
    # A slow reader must not hold a connection of the pool.
    db.session.commit()
    try:
        return current_storage().open(keys.of_original(name))
    except MissingObjectError as error:
        log.error("file is missing; see flask media verify", name=name)
        raise StoredFileNotFoundError from error
    except StorageError as error:
        log.error("file not read", name=name, exc_info=error)
        raise StorageUnavailableError from error
