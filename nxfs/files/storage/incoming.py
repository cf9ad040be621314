"""The local directory in which files wait until they are stored."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from nxfs.core import clock
from nxfs.files.storage.interface import StorageError


def make_incoming_directory(path: Path) -> Path:
    """Return ``path``, a directory that only this account can enter, made if need be.

    Raise ``StorageError`` when that cannot be had: the directory may lie where others can write too, and one of them
    may have been first.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise StorageError(f"{path} is not a directory of this account")
        if status.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise StorageError(f"{path} cannot be made") from error
    return path


def stale_files(directory: Path, older_than_seconds: float) -> Iterator[Path]:
    """Yield the files in ``directory`` that were last written to longer ago than that. Raise ``StorageError``."""
    latest = clock.now().timestamp() - older_than_seconds
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                # The upload may end meanwhile.
                with suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime < latest:
                        yield Path(entry)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{directory} cannot be read") from error
