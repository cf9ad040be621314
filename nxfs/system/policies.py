"""Who may see how the server itself is doing, and what it does for whom."""

from __future__ import annotations

from sqlalchemy import ColumnElement, true

from nxfs.core.actor import Actor
from nxfs.core.errors import ForbiddenError
from nxfs.core.jobs.models import Job


def require_system_view(actor: Actor) -> None:
    """Raise ``ForbiddenError`` unless the actor may see how the server is doing."""
    if "system.view" not in actor.permissions:
        raise ForbiddenError


def manages_job(actor: Actor) -> ColumnElement[bool]:
    """Return the condition that ``actor`` sees a row of ``jobs``, and may cancel it and try it again."""
    return true() if actor.is_staff else Job.owner_id == actor.id


def sees_result(actor: Actor, *, owner_id: int | None) -> bool:
    """Staff manage everybody's jobs, and see no more of what these found than anywhere else."""
    return actor.is_admin or owner_id in (None, actor.id)
