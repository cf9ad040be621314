"""Jobs: what is to be done in the background, how far it is, and what came of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import IDS_ARE_NEVER_REUSED, BigIdentifier, Identifier, Moment
from nxfs.extensions import db

STATES = ("queued", "running", "succeeded", "failed", "cancelled")
UNFINISHED = ("queued", "running")


class Job(db.Model):
    """One job.

    Whoever runs it holds a lease: ``lease_token`` is his, until ``lease_until``. ``checkpoint`` is what a job that is
    taken over goes on from. ``key`` is set as long as a second job of the same matter may not be queued. ``error`` is a
    sentence for its owner, ``failure`` what the operator needs to know.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state_run_at", "state", "run_at"),
        Index("ix_jobs_owner_id_id", "owner_id", "id"),
        Index("ix_jobs_finished_at", "finished_at"),
        Index("uq_jobs_key", "key", unique=True),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    kind: Mapped[str] = mapped_column(String(60))
    state: Mapped[str] = mapped_column(String(10), default="queued")
    # Not a foreign key: this floor knows no users. None: the server's own.
    owner_id: Mapped[int | None] = mapped_column(BigInteger)
    language: Mapped[str] = mapped_column(String(2), default="en")
    key: Mapped[str | None] = mapped_column(String(100))
    arguments: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    checkpoint: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    done: Mapped[int] = mapped_column(Integer, default=0)
    total: Mapped[int | None] = mapped_column(Integer)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    run_at: Mapped[Moment] = mapped_column(default=clock.now)
    lease_token: Mapped[str | None] = mapped_column(String(32))
    lease_until: Mapped[Moment | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False, server_default=false())
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[str | None] = mapped_column(Text)
    failure: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[Moment] = mapped_column(default=clock.now)
    started_at: Mapped[Moment | None]
    finished_at: Mapped[Moment | None]


class JobPart(db.Model):
    """A part of a long result, written together with the work that it tells of, and gone when the job ends."""

    __tablename__ = "job_parts"

    job_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    items: Mapped[list[Any]] = mapped_column(JSON)
