"""Background jobs, as the domains queue them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from nxfs.auth.models import User
from nxfs.core.jobs import queue
from nxfs.core.jobs.models import Job
from nxfs.core.transaction import transaction


def create_job(owner: User | None, kind: str = "tasks.remind", **columns: Any) -> int:
    """Queue a job of ``owner``, or of the server itself, and return its id; ``columns`` are set afterwards."""
    owner_id, language = (owner.id, owner.language) if owner is not None else (None, "en")
    with transaction() as tx:
        job_id = queue.enqueue(tx, kind, owner_id=owner_id, arguments={}, language=language)
        assert job_id is not None
        if columns:
            tx.session.execute(update(Job).where(Job.id == job_id).values(columns))
    return job_id
