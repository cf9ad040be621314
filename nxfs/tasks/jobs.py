"""Work of tasks in the background, and at intervals."""

from __future__ import annotations

from nxfs.core.jobs.kinds import Kind
from nxfs.core.scheduler import Scheduled
from nxfs.tasks.service import reminders

JOBS: tuple[Kind, ...] = ()
SCHEDULE = (Scheduled("tasks.remind", reminders.remind, seconds=300),)
