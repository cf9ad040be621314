"""What the database holds of bulk updates after a kill: whether each was done as a whole, and once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from bench.remains import find_broken_file
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.core.jobs.models import Job
from nxfs.extensions import db
from nxfs.tasks.models import Task, task_categories

ENTRY, EVENT, KIND = "tasks.tasks_bulk_updated", "tasks_bulk_updated", "tasks.bulk_update"


@dataclass
class Batch:
    """One bulk update. No other has its ``due_date``, by which all that it left is known.

    ``answer`` is the status and the body that came, None when none came.
    """

    key: str
    task_ids: list[int]
    due_date: str
    priority: str
    category: list[int]
    is_job: bool = False
    answer: tuple[int, bytes] | None = None

    def updates(self) -> dict[str, Any]:
        """Return the new values as they are sent."""
        return {"due_date": self.due_date, "priority": self.priority, "category": self.category}


@dataclass(frozen=True)
class Stored:
    """What the database has. ``entries`` and ``events`` are the tasks that each one names, by the batch's due date."""

    tasks: dict[int, dict[str, Any]]
    entries: dict[str, list[list[int]]]
    events: dict[str, list[list[int]]]
    jobs: dict[int, dict[str, Any]]
    damage: list[str]

    def done_ids(self, batch: Batch) -> list[int]:
        """Return the tasks that the batch has changed, by the audit log; one that is there twice was changed twice."""
        return sorted(task_id for ids in self.entries.get(batch.due_date, ()) for task_id in ids)


def find_halves(batches: Sequence[Batch], stored: Stored) -> Iterator[str]:
    """Find what is half done or done twice; ``batches`` are in the order in which each task is changed by them.

    A batch may be there or not as long as it has no answer, and jobs may be under way.
    """
    for batch in batches:
        done_ids = stored.done_ids(batch)
        told_ids = sorted(task_id for ids in stored.events.get(batch.due_date, ()) for task_id in ids)
        if done_ids != told_ids:
            counts = f"{len(done_ids)} tasks in the audit log, {len(told_ids)} in the event log"
            yield f"Batch {batch.due_date} has {counts}."
        if len(done_ids) != len(set(done_ids)):
            yield f"Batch {batch.due_date} has changed tasks twice."
        if not set(done_ids) <= set(batch.task_ids):
            yield f"Batch {batch.due_date} has changed tasks of others."
        if not batch.is_job and done_ids and len(done_ids) != len(batch.task_ids):
            yield f"Batch {batch.due_date} has changed {len(done_ids)} of {len(batch.task_ids)} tasks."
    known = {batch.due_date for batch in batches}
    # Jobs are queued one after the other; of the last one it may not be known yet whether it was.
    for (job_id, job), batch in zip(
        sorted(stored.jobs.items()), (batch for batch in batches if batch.is_job), strict=False
    ):
        count = len(stored.done_ids(batch))
        if job["done"] != count:
            yield f"Job {job_id} is at {job['done']}, and has changed {count} tasks."
    yield from (f"Batch {name} was sent by nobody." for name in (stored.entries | stored.events).keys() - known)
    yield from _find_other_tasks(batches, stored)
    yield from stored.damage


def find_undone(batches: Sequence[Batch], stored: Stored) -> Iterator[str]:
    """Find batches that are not done, although each of them should be, and jobs that nobody has queued."""
    for batch in batches:
        count = len(stored.done_ids(batch))
        if count != len(batch.task_ids):
            yield f"Lost: batch {batch.due_date} has changed {count} of {len(batch.task_ids)} tasks."
    queued = sum(batch.is_job for batch in batches)
    if len(stored.jobs) != queued:
        yield f"There are {len(stored.jobs)} jobs, and {queued} were queued."
    for job_id, job in stored.jobs.items():
        if job["state"] != "succeeded" or job["done"] != job["total"]:
            yield f"Job {job_id} is {job['state']} with {job['done']} of {job['total']}."
        elif job["result"] != {"updated_count": job["total"], "failed_updates": []}:
            yield f"Job {job_id} has the result {job['result']}."


def _find_other_tasks(batches: Sequence[Batch], stored: Stored) -> Iterator[str]:
    """Find tasks that are not as the batches left them that the audit log has."""
    counts: Counter[int] = Counter()
    last: dict[int, Batch] = {}
    for batch in batches:
        for task_id in stored.done_ids(batch):
            counts[task_id] += 1
            last[task_id] = batch
    wrong: dict[str, list[int]] = defaultdict(list)
    for task_id, task in stored.tasks.items():
        wanted = {"version": 1 + counts[task_id]}
        if task_id in last:
            wanted |= last[task_id].updates()
        for name, value in wanted.items():
            if task[name] != value:
                wrong[f"the {name} {task[name]} instead of {value}"].append(task_id)
    for sentence, task_ids in wrong.items():
        yield f"{len(task_ids)} tasks, {task_ids[0]} the first, have {sentence}."


def read() -> Stored:
    """Read what the database has; nobody may write meanwhile."""
    categories: dict[int, list[int]] = defaultdict(list)
    for task_id, category_id in db.session.execute(select(task_categories).order_by(*task_categories.c)):
        categories[task_id].append(category_id)
    rows = db.session.execute(select(Task.id, Task.due_date, Task.priority, Task.version))
    tasks = {
        row.id: {
            "due_date": row.due_date and row.due_date.isoformat(),
            "priority": row.priority,
            "version": row.version,
            "category": categories[row.id],
        }
        for row in rows
    }
    entries: dict[str, list[list[int]]] = defaultdict(list)
    for changes in db.session.scalars(select(AuditEntry.changes).where(AuditEntry.action == ENTRY)):
        entries[changes["updates"]["due_date"]].append(changes["task_ids"])
    events: dict[str, list[list[int]]] = defaultdict(list)
    for payload in db.session.scalars(select(EventRecord.payload).where(EventRecord.type == EVENT)):
        told_ids = [task_id for group in payload["groups"] for task_id in group["task_ids"]]
        events[payload["updates"]["due_date"]].append(told_ids)
    chosen = select(Job.id, Job.state, Job.done, Job.total, Job.result).where(Job.kind == KIND)
    jobs = {row.id: dict(row._mapping) for row in db.session.execute(chosen)}
    return Stored(tasks, entries, events, jobs, find_broken_file())
