"""Work of tasks that is due at intervals."""

from __future__ import annotations

from nxfs.core.scheduler import Job
from nxfs.tasks.service import reminders

JOBS = (Job("tasks.remind", reminders.remind, seconds=300),)
