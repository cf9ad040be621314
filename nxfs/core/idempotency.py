"""One execution for each ``Idempotency-Key``: what was answered is kept in the transaction of the effect."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Index, LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core.database import Moment
from nxfs.extensions import db


class IdempotencyRecord(db.Model):
    """What was answered to the first request with a key; ``id`` is a digest of the user, the route and the key."""

    __tablename__ = "idempotency_records"
    __table_args__ = (Index("ix_idempotency_records_expires_at", "expires_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    # Of the request, keyed with the server's secret: a body may hold what must not be found out.
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Moment]
