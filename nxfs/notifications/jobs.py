"""Work of notifications that is due at intervals."""

from __future__ import annotations

from nxfs.core.scheduler import Job
from nxfs.notifications.service import retention

JOBS = (Job("notifications.prune", retention.prune, seconds=3600),)
