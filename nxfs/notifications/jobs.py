"""Work of notifications that is due at intervals."""

from __future__ import annotations

from nxfs.core.scheduler import Scheduled
from nxfs.notifications.service import retention

SCHEDULE = (Scheduled("notifications.prune", retention.prune, seconds=3600),)
