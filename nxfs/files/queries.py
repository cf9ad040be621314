"""Reads of stored files."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from nxfs.extensions import db
from nxfs.files import links
from nxfs.files.errors import StoredFileNotFoundError
from nxfs.files.models import StoredFile


def file_columns(file: Any = StoredFile, *, prefix: str = "file") -> dict[str, Any]:
    """Return by name the columns of ``file`` (``StoredFile`` or an alias) that the field ``FileLink`` reads."""
    return {
        f"{prefix}_name": file.name,
        f"{prefix}_public_from": file.public_from,
        f"{prefix}_width": file.width,
    }


def labelled_file_columns(file: Any = StoredFile, *, prefix: str = "file") -> list[Any]:
    """Return the columns of ``file_columns`` as the columns of a statement."""
    return [column.label(name) for name, column in file_columns(file, prefix=prefix).items()]


def get_readable_file(name: str, *, expires: int | None, signature: str | None) -> StoredFile:
    """Return the file if it is public or the signature opens it; raise ``StoredFileNotFoundError`` otherwise."""
    file = db.session.scalar(select(StoredFile).where(StoredFile.name == name))
    if file is None or not (links.is_public(file.public_from) or links.is_signed(name, expires, signature)):
        raise StoredFileNotFoundError
    return file
