"""Work of tasks in the background, and at intervals."""

from __future__ import annotations

from functools import partial
from typing import Any

from nxfs.core.jobs import queue
from nxfs.core.jobs.kinds import Kind
from nxfs.core.jobs.running import RunningJob
from nxfs.core.messages import Text
from nxfs.core.scheduler import Scheduled
from nxfs.notifications.service.job_notices import tell_job_ended
from nxfs.tasks.service import bulk_jobs, exports, reminders


def _remind(job: RunningJob) -> dict[str, Any]:
    # Begun again it goes on: of whom was reminded stands in the notifications.
    return {"count": reminders.remind()}


JOBS: tuple[Kind, ...] = (
    Kind("tasks.remind", Text("Reminders of due dates", "Påminnelser om frister"), _remind),
    Kind(
        exports.KIND,
        Text("Export of tasks", "Eksport av oppgaver"),
        exports.run,
        most_at_once=2,
        at_end=tell_job_ended,
    ),
    Kind(
        bulk_jobs.UPDATE,
        Text("Change of many tasks", "Endring av mange oppgaver"),
        bulk_jobs.run_update,
        most_at_once=2,
        at_end=tell_job_ended,
        so_far=bulk_jobs.updated_so_far,
    ),
    Kind(
        bulk_jobs.DELETE,
        Text("Deletion of many tasks", "Sletting av mange oppgaver"),
        bulk_jobs.run_deletion,
        most_at_once=2,
        at_end=tell_job_ended,
        so_far=bulk_jobs.deleted_so_far,
    ),
)
SCHEDULE = (
    Scheduled("tasks.remind", partial(queue.enqueue_own, "tasks.remind"), seconds=300),
    Scheduled("tasks.exports_prune", exports.prune, seconds=3600),
)
