"""Stored files, their derivatives, how much room each owner takes, and what is still to be deleted."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Double, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import IDS_ARE_NEVER_REUSED, BigIdentifier, Identifier, Moment
from nxfs.extensions import db


class StoredFile(db.Model):
    """One accepted upload, or a file that we made. ``name`` is 32 random hexadecimal digits and its format's extension.

    Everybody may read it from ``public_from`` on; until then, or when that is not set, only with a signed link.
    """

    __tablename__ = "files"
    __table_args__ = (
        Index("uq_files_name", "name", unique=True),
        Index("ix_files_sha256", "sha256"),
        Index("ix_files_owner_id", "owner_id"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    name: Mapped[str] = mapped_column(String(40))
    # Not a foreign key: this floor knows no users.
    owner_id: Mapped[int] = mapped_column(BigInteger)
    format: Mapped[str] = mapped_column(String(10))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    original_filename: Mapped[str] = mapped_column(String(255))
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    duration: Mapped[float | None] = mapped_column(Double)
    public_from: Mapped[Moment | None]
    created_at: Mapped[Moment] = mapped_column(default=clock.now)


class FileOwner(db.Model):
    """How many bytes the files of one owner take, exports not counted: in one statement with the check of the quota."""

    __tablename__ = "file_owners"
    __table_args__ = (CheckConstraint("used_bytes >= 0", name="used_bytes"),)

    owner_id: Mapped[int] = mapped_column(BigIdentifier, primary_key=True, autoincrement=False)
    used_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class FileDerivative(db.Model):
    """A smaller picture of all files with one content; ``height`` is not set while somebody is making it."""

    __tablename__ = "file_derivatives"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    width: Mapped[int] = mapped_column(Integer, primary_key=True)
    claimed_at: Mapped[Moment]
    actual_width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    size: Mapped[int | None] = mapped_column(Integer)


class FileDeletion(db.Model):
    """A key that nothing refers to any more and whose bytes are to be deleted from the storage."""

    __tablename__ = "file_deletions"

    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    requested_at: Mapped[Moment] = mapped_column(default=clock.now)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
