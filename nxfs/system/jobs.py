"""What the server does for itself at intervals."""

from __future__ import annotations

from nxfs.core import audit_archive, idempotency, planner_statistics
from nxfs.core.jobs import retention
from nxfs.core.scheduler import Scheduled

SCHEDULE = (
    Scheduled("idempotency.purge", idempotency.purge, seconds=600),
    Scheduled("jobs.prune", retention.prune, seconds=3600),
    Scheduled("database.refresh_statistics", planner_statistics.refresh, seconds=86400),
    Scheduled("audit.archive", audit_archive.archive_old_days, seconds=86_400),
)
