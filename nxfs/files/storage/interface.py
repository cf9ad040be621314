"""What every storage of files offers, whatever it keeps them in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

FOLDERS = ("originals", "derivatives")

_KEY = re.compile(rf"({'|'.join(FOLDERS)})/[0-9a-f]{{2}}/[0-9a-f]{{32,64}}(-[0-9]{{1,5}})?\.[a-z0-9]{{1,8}}")
_PREFIX = re.compile(rf"(({'|'.join(FOLDERS)})/([0-9a-f]{{2}}/)?)?")


class MissingObjectError(Exception):
    """Nothing is stored under this key."""


class StorageError(Exception):
    """The disk, the network or the server of the storage failed; the cause is chained."""


@dataclass(frozen=True)
class Reading:
    """A stored file that was opened: ``stream`` is readable and seekable, and whoever opened it closes it.

    Reading from ``stream`` raises ``StorageError`` or ``OSError`` when the storage fails meanwhile.
    """

    size: int
    stream: BinaryIO


@dataclass(frozen=True)
class StoredObject:
    """What the storage knows about a file; ``modified`` is aware and UTC."""

    key: str
    size: int
    modified: datetime


class Storage(Protocol):
    """Keeps files under keys such as ``originals/ab/ab12….jpg`` or ``derivatives/ab/ab12…-320.webp``.

    The name of a file is 32 to 64 hexadecimal digits, then perhaps a number, then an extension; it lies in a folder of
    two hexadecimal digits. Any other key raises ``ValueError``. Every method may let other greenlets run, so none may
    be called inside a transaction.
    """

    def save(self, key: str, source: Path) -> None:
        """Store the file ``source``, which lies in ``incoming()``, under ``key``, and remove it from there.

        When this returns the file is stored for good. A file that was stored under ``key`` is replaced at once. Raise
        ``StorageError``: then nothing, or the whole file, is stored, and ``source`` may still be there.
        """
        ...

    def open(self, key: str) -> Reading:
        """Return the file under ``key``, opened. Raise ``MissingObjectError`` or ``StorageError``."""
        ...

    def delete(self, key: str) -> None:
        """Delete the file under ``key``, if there is one. Raise ``StorageError``."""
        ...

    def exists(self, key: str) -> bool:
        """Return whether a file is stored under ``key``. Raise ``StorageError``."""
        ...

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield the stored files of the folder ``prefix`` (``originals/`` or ``originals/ab/``), or all, in any order.

        Files that are stored or deleted meanwhile may be left out. Raise ``StorageError``, and ``ValueError`` for
        another prefix, both at the first item.
        """
        ...

    def incoming(self) -> Path:
        """Return a local directory, made if need be, for files before ``save``. Raise ``StorageError``."""
        ...

    def stale_incoming(self, older_than_seconds: float) -> Iterator[Path]:
        """Yield the files in ``incoming()`` that nobody wrote to for so long. Raise ``StorageError``."""
        ...


def check_key(key: str) -> str:
    """Return ``key``; raise ``ValueError`` if no file may be stored under it."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"{key[:200]!r} is no key of a file")
    return key


def is_key(text: str) -> bool:
    """Return whether a file may be stored under ``text``."""
    return _KEY.fullmatch(text) is not None


def check_prefix(prefix: str) -> str:
    """Return ``prefix``; raise ``ValueError`` if it is neither empty nor a folder of keys with a slash at its end."""
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"{prefix[:200]!r} is no folder of files")
    return prefix
