"""Work of files in the background, and at intervals."""

from __future__ import annotations

from functools import partial
from typing import Any

from nxfs.core.jobs import queue
from nxfs.core.jobs.kinds import Kind
from nxfs.core.jobs.running import RunningJob
from nxfs.core.messages import Text
from nxfs.core.scheduler import Scheduled
from nxfs.files.service import garbage, removal


def _collect_garbage(job: RunningJob) -> dict[str, Any]:
    return garbage.collect(lambda done, total: job.report(done=done, total=total))


JOBS: tuple[Kind, ...] = (
    Kind("files.collect_garbage", Text("Clean-up of stored files", "Opprydding i lagrede filer"), _collect_garbage),
)
SCHEDULE = (
    Scheduled("files.delete", removal.delete_what_is_left, seconds=60),
    Scheduled("files.collect_garbage", partial(queue.enqueue_own, "files.collect_garbage"), seconds=86_400),
)
