"""Revisions of what many readers ask for: a number that changes with it, so that 304 needs no rows."""

from __future__ import annotations

from sqlalchemy import BigInteger, String, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from nxfs.core import clock
from nxfs.extensions import db

# Also larger than any former one after the database was restored from a backup.
_COUNT_UP = text(
    "INSERT INTO revisions (name, value) VALUES (:name, :now) ON CONFLICT (name) DO UPDATE "
    "SET value = CASE WHEN revisions.value < :now THEN :now ELSE revisions.value + 1 END"
)


class Revision(db.Model):
    """The present revision of one subject, such as the published posts."""

    __tablename__ = "revisions"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


def count_up(session: Session, name: str) -> None:
    """Give the subject ``name`` a new revision. Its row is locked, so this has to be a transaction's last step."""
    session.execute(_COUNT_UP, {"name": name, "now": int(clock.now().timestamp() * 1_000_000)})


def revisions_of(*names: str) -> str:
    """Return a text that differs whenever the revision of one of the subjects ``names`` does."""
    rows = db.session.execute(select(Revision.name, Revision.value).where(Revision.name.in_(names)))
    found = dict(rows.all())
    return ".".join(str(found.get(name, 0)) for name in names)
