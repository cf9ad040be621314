"""Server processes, who is present in which room through them, and tickets for event streams."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import BigIdentifier, Moment
from nxfs.extensions import db


class ServerProcess(db.Model):
    """A process that holds connections. One that has not been seen for a while is gone, and its people with it."""

    __tablename__ = "server_processes"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    started_at: Mapped[Moment] = mapped_column(default=clock.now)
    seen_at: Mapped[Moment]


class Presence(db.Model):
    """A user who is in a room through one process, with however many connections."""

    __tablename__ = "presence"
    __table_args__ = (Index("ix_presence_process_id", "process_id"),)

    room: Mapped[str] = mapped_column(String(40), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    process_id: Mapped[str] = mapped_column(ForeignKey("server_processes.id", ondelete="CASCADE"), primary_key=True)
    since: Mapped[Moment] = mapped_column(default=clock.now)


class EventTicket(db.Model):
    """What opens one event stream, once, within a minute; only the SHA-256 of it is kept."""

    __tablename__ = "event_tickets"
    __table_args__ = (Index("ix_event_tickets_expires_at", "expires_at"),)

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("user_sessions.id", ondelete="CASCADE"))
    expires_at: Mapped[Moment]
