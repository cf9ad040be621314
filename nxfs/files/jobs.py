"""Work of files that is due at intervals."""

from __future__ import annotations

from nxfs.core.scheduler import Job
from nxfs.files.service import removal

JOBS = (Job("files.delete", removal.delete_what_is_left, seconds=60),)
