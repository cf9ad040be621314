"""Work of the event log and of delivery that is due at intervals."""

from __future__ import annotations

from nxfs.core import event_retention
from nxfs.core.scheduler import Scheduled
from nxfs.realtime import tickets

SCHEDULE = (
    Scheduled("events.prune", event_retention.prune, seconds=600),
    Scheduled("realtime.tickets", tickets.purge, seconds=300),
)
