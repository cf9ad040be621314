"""Facts about jobs that their owners may want to hear of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nxfs.core.events import Event, audience_of
from nxfs.core.transaction import Transaction


@dataclass(frozen=True, kw_only=True)
class JobProgressed(Event):
    """A job was queued, began, got further or ended."""

    type: ClassVar[str] = "job_progressed"
    job_id: int
    user_id: int


def tell_owner(tx: Transaction, job_id: int, owner_id: int | None) -> None:
    """Tell the owner of a job, if it has one, that it is further."""
    if owner_id is not None:
        event = JobProgressed(job_id=job_id, user_id=owner_id, audience=audience_of(user_ids=[owner_id]))
        tx.emit(event, actor_id=owner_id)
