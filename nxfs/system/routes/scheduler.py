"""``/api/system/scheduler/``: what is due at intervals, and how it went."""

from __future__ import annotations

from typing import Any

from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import ForbiddenError
from nxfs.system import policies
from nxfs.system.queries import scheduler as queries
from nxfs.system.schemas.scheduler import SchedulerSchema

blp = Blueprint("scheduler", __name__, url_prefix="/api/system", description="The server itself, for who runs it.")


@blp.route("/scheduler/", methods=["GET"])
@login_required
@blp.response(200, SchedulerSchema)
@blp.raises(ForbiddenError)
def show_scheduler() -> Any:
    """Show what the server does at intervals.

    When each entry ran last, how that went, and when it is due next. It is as the leading process has written it, every
    five seconds.
    """
    policies.require_system_view(current_actor())
    return queries.get_scheduler()
