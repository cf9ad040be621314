"""Files in a directory of this machine."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from nxfs.core.threads import run_in_thread
from nxfs.files.storage.incoming import stale_files
from nxfs.files.storage.interface import (
    FOLDERS,
    MissingObjectError,
    Reading,
    StorageError,
    StoredObject,
    check_key,
    check_prefix,
    is_key,
)

_SUBFOLDER = re.compile(r"[0-9a-f]{2}")


class LocalStorage:
    """Keeps files in ``directory``, which is made when it is needed; see ``Storage`` for the methods.

    ``directory`` itself may be a symbolic link, what is in it may not.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, key: str, source: Path) -> None:
        check_key(key)
        # A disk may take seconds to say that it has written everything.
        run_in_thread(self._save, key, source)

    def open(self, key: str) -> Reading:
        *folders, name = check_key(key).split("/")
        with _errors_translated(key), self._opened(folders) as descriptors, ExitStack() as on_failure:
            # Without O_NONBLOCK a named pipe would be waited for.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(name, flags, dir_fd=descriptors[-1])
            on_failure.callback(os.close, descriptor)
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise StorageError(f"{key} is not a file")
            on_failure.pop_all()
            return Reading(status.st_size, os.fdopen(descriptor, "rb"))

    def delete(self, key: str) -> None:
        check_key(key)
        run_in_thread(self._delete, key)

    def exists(self, key: str) -> bool:
        try:
            self.open(key).stream.close()
        except MissingObjectError:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        folder, _, subfolder = check_prefix(prefix).rstrip("/").partition("/")
        for each in [folder] if folder else FOLDERS:
            for every in [subfolder] if subfolder else run_in_thread(self._subfolders, each):
                # One subfolder holds a 256th of all: few enough for the memory.
                yield from run_in_thread(self._objects, each, every)

    def incoming(self) -> Path:
        path = self._directory / "incoming"
        try:
            self._make_directory()
            path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError("the directory for incoming files cannot be made") from error
        return path

    def stale_incoming(self, older_than_seconds: float) -> Iterator[Path]:
        return stale_files(self._directory / "incoming", older_than_seconds)

    def _save(self, key: str, source: Path) -> None:
        *folders, name = key.split("/")
        try:
            _write_through(source)
            self._make_directory()
            with self._opened(folders, make=True) as descriptors:
                os.rename(source, name, dst_dir_fd=descriptors[-1])
                # From the inside outwards, each: another save may have made a folder and not have come to this yet.
                for descriptor in reversed(descriptors):
                    os.fsync(descriptor)
        except OSError as error:
            raise StorageError(f"{key} cannot be written") from error

    def _delete(self, key: str) -> None:
        *folders, name = key.split("/")
        with suppress(MissingObjectError), _errors_translated(key), self._opened(folders) as descriptors:
            os.unlink(name, dir_fd=descriptors[-1])

    def _subfolders(self, folder: str) -> Sequence[str]:
        names: list[str] = []
        with suppress(MissingObjectError), _errors_translated(folder), self._opened([folder]) as descriptors:
            names += os.listdir(descriptors[-1])
        return [name for name in names if _SUBFOLDER.fullmatch(name)]

    def _objects(self, folder: str, subfolder: str) -> Sequence[StoredObject]:
        prefix = f"{folder}/{subfolder}/"
        found: list[StoredObject] = []
        with suppress(MissingObjectError), _errors_translated(prefix), self._opened([folder, subfolder]) as descriptors:
            with os.scandir(descriptors[-1]) as entries:
                for entry in entries:
                    if not is_key(prefix + entry.name):
                        continue
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        if stat.S_ISREG(status.st_mode):
                            modified = datetime.fromtimestamp(status.st_mtime, UTC)
                            found.append(StoredObject(prefix + entry.name, status.st_size, modified))
        return found

    def _make_directory(self) -> None:
        missing = [path for path in (self._directory, *self._directory.parents) if not path.exists()]
        if missing:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in missing:
            _synchronise(path.parent)

    @contextmanager
    def _opened(self, folders: Sequence[str], *, make: bool = False) -> Iterator[Sequence[int]]:
        """Yield descriptors of the directory and of the ``folders``, one in another; no symbolic link is taken."""
        flags = os.O_RDONLY | os.O_DIRECTORY
        with ExitStack() as stack:
            descriptors = [os.open(self._directory, flags)]
            stack.callback(os.close, descriptors[-1])
            for folder in folders:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(folder, 0o700, dir_fd=descriptors[-1])
                descriptors.append(os.open(folder, flags | os.O_NOFOLLOW, dir_fd=descriptors[-1]))
                stack.callback(os.close, descriptors[-1])
            yield descriptors


@contextmanager
def _errors_translated(what: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise MissingObjectError(what) from error
    except OSError as error:
        raise StorageError(f"{what} cannot be used") from error


def _write_through(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StorageError(f"{path.name} is not a file")
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _synchronise(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
