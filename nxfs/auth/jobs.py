"""Work of accounts that is due at intervals."""

from __future__ import annotations

from nxfs.auth.service import last_seen, token_use
from nxfs.core.scheduler import Scheduled

SCHEDULE = (
    Scheduled("auth.last_seen", last_seen.write, seconds=10, in_every_process=True),
    Scheduled("auth.token_use", token_use.write, seconds=10, in_every_process=True),
)
