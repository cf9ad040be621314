"""Work of administration that is due at intervals."""

from __future__ import annotations

from nxfs.core import request_counts
from nxfs.core.scheduler import Scheduled

SCHEDULE = (
    Scheduled("requests.count", request_counts.write, seconds=10, in_every_process=True),
    Scheduled("requests.prune", request_counts.prune, seconds=3600),
)
