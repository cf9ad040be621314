"""Work of files in the background, and at intervals."""

from __future__ import annotations

from nxfs.core.jobs.kinds import Kind
from nxfs.core.scheduler import Scheduled
from nxfs.files.service import removal

JOBS: tuple[Kind, ...] = ()
SCHEDULE = (Scheduled("files.delete", removal.delete_what_is_left, seconds=60),)
