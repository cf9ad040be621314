"""One leader among the processes: a lease in the database, which somebody else takes when it is not renewed."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core.database import Moment
from nxfs.extensions import db


class Lease(db.Model):
    """Who does what only one process may do; ``holder`` names a process."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(100))
    taken_at: Mapped[Moment]
    expires_at: Mapped[Moment]
