"""Reading jobs. What may be long is left out: arguments, checkpoint and, but for one job, the result."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select, true

from nxfs.core.jobs.errors import JobNotFoundError
from nxfs.core.jobs.models import Job
from nxfs.extensions import db

_LEFT_OUT = frozenset({"arguments", "checkpoint", "result", "lease_token"})
JOB_COLUMNS = tuple(column for column in Job.__table__.columns if column.name not in _LEFT_OUT)


def select_jobs() -> Select[Any]:
    """Return the SELECT of jobs' rows, without conditions or an order."""
    return select(*JOB_COLUMNS)


def find_jobs(ids: Collection[int]) -> Sequence[Row[Any]]:
    """Return the rows of those of these jobs that there are, by their ids."""
    return db.session.execute(select_jobs().where(Job.id.in_(ids)).order_by(Job.id)).all()


def list_newest(*, state: str | None = None, kind: str | None = None, most: int) -> Sequence[Row[Any]]:
    """Return the rows of at most ``most`` jobs, those queued last first, with this state and kind if given."""
    is_wanted = true() if state is None else Job.state == state
    if kind is not None:
        is_wanted &= Job.kind == kind
    return db.session.execute(select_jobs().where(is_wanted).order_by(Job.id.desc()).limit(most)).all()


def get_job(condition: ColumnElement[bool], job_id: int) -> Row[Any]:
    """Return the row of the job with its ``result``, if it meets ``condition``. Raises ``JobNotFoundError``."""
    row = db.session.execute(select_jobs().add_columns(Job.result).where(Job.id == job_id, condition)).first()
    if row is None:
        raise JobNotFoundError
    return row
