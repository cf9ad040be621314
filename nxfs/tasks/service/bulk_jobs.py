"""Changes to many tasks by background jobs: part by part, each a transaction that also says how far the job is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nxfs.auth.queries import require_actor
from nxfs.core.actor import Actor
from nxfs.core.batches import Failure, in_words
from nxfs.core.errors import InvalidInputError
from nxfs.core.jobs.queue import enqueue
from nxfs.core.jobs.running import RunningJob
from nxfs.core.transaction import Transaction, transaction
from nxfs.core.turns import let_others_run
from nxfs.extensions import db
from nxfs.tasks.service.bulk import MOST_SINGLE_EVENTS, write_deletion, write_updates
from nxfs.tasks.service.bulk_plan import plan_deletion, plan_updates
from nxfs.tasks.service.bulk_references import settle_updates, values_from_wire

UPDATE = "tasks.bulk_update"
DELETE = "tasks.bulk_delete"
# On SQLite a part holds up the whole process, on PostgreSQL only what it asks of it.
TASKS_AT_ONCE = {"sqlite": 25, "postgresql": 50}

Part = Callable[[Transaction, Actor, Sequence[int]], Sequence[Failure]]


def queue_update(*, actor: Actor, task_ids: Sequence[int], values: Mapping[str, Any], dry_run: bool = False) -> int:
    """Queue a job that does what ``bulk.update_tasks`` does, and return its id.

    Raises ``InvalidInputError`` as that does, here and not in the job, and ``TooManyJobsError``.
    """
    with transaction() as tx:
        updates = settle_updates(actor, values, holds=False).to_wire()
        return _queue(tx, actor, UPDATE, task_ids, {"updates": updates, "dry_run": dry_run})


def queue_deletion(*, actor: Actor, task_ids: Sequence[int], dry_run: bool = False) -> int:
    """Queue a job that does what ``bulk.delete_tasks`` does, and return its id. Raises ``TooManyJobsError``."""
    with transaction() as tx:
        return _queue(tx, actor, DELETE, task_ids, {"dry_run": dry_run})


def run_update(job: RunningJob) -> dict[str, Any]:
    """Change the tasks of a job, going on from where it is; return what ``bulk-update/`` answers."""
    values = values_from_wire(job.arguments["updates"])

    def change(tx: Transaction, actor: Actor, task_ids: Sequence[int]) -> Sequence[Failure]:
        is_real = not job.arguments["dry_run"]
        updates = settle_updates(actor, values, holds=is_real)
        plan = plan_updates(actor, task_ids, updates, locks=is_real)
        if is_real:
            write_updates(tx, actor, plan, updates, with_single_events=_is_small(job), batch=f"job {job.id}")
        return plan.failures

    return updated_so_far(len(job.arguments["task_ids"]), _work(job, change))


def run_deletion(job: RunningJob) -> dict[str, Any]:
    """Delete the tasks of a job, going on from where it is; return what ``bulk-delete/`` answers."""

    def remove(tx: Transaction, actor: Actor, task_ids: Sequence[int]) -> Sequence[Failure]:
        is_real = not job.arguments["dry_run"]
        plan = plan_deletion(actor, task_ids, locks=is_real)
        if is_real:
            write_deletion(tx, actor, plan, with_single_events=_is_small(job))
        return plan.failures

    return deleted_so_far(len(job.arguments["task_ids"]), _work(job, remove))


def updated_so_far(done: int, failed: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a job that has changed the first ``done`` tasks, but for those that ``failed``."""
    return {"updated_count": done - len(failed), "failed_updates": failed}


def deleted_so_far(done: int, failed: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a job that has deleted the first ``done`` tasks, but for those that ``failed``."""
    return {"deleted_count": done - len(failed), "failed_deletes": [failure["id"] for failure in failed]}


def _queue(tx: Transaction, actor: Actor, kind: str, task_ids: Sequence[int], arguments: dict[str, Any]) -> int:
    # In the order in which all transactions lock tasks, though a part has them all at once.
    arguments["task_ids"] = sorted(task_ids)
    job_id = enqueue(tx, kind, owner_id=actor.id, arguments=arguments, language=actor.language, total=len(task_ids))
    changes = {
        "job_id": job_id,
        "count": len(task_ids),
        **{name: arguments[name] for name in arguments if name != "task_ids"},
    }
    tx.audit(f"{kind}_queued", actor_id=actor.id, changes=changes)
    return job_id


def _work(job: RunningJob, do_part: Part) -> list[dict[str, Any]]:
    """Do all parts that are left, and return the failures of all, as the wire has them."""
    task_ids = job.arguments["task_ids"]
    at_once = TASKS_AT_ONCE[db.engine.dialect.name]
    while job.done < len(task_ids):
        end = job.done + at_once
        with transaction() as tx:
            # Anew for each part: who may no longer do it is stopped in the middle.
            actor = require_actor(_owner_of(job))
            failures = _do(do_part, tx, actor, task_ids[job.done : end])
            items = in_words(failures, language=job.language)
            job.save(tx, done=min(end, len(task_ids)), items=items)
        let_others_run()
    return job.read_items()


def _do(do_part: Part, tx: Transaction, actor: Actor, task_ids: Sequence[int]) -> Sequence[Failure]:
    try:
        return do_part(tx, actor, task_ids)
    except InvalidInputError as error:
        # A job has no fields to show it at: what was there when it was queued is gone.
        sentences = [sentence for several in (error.field_errors or {}).values() for sentence in several]
        raise InvalidInputError(sentences[0]) from error


def _owner_of(job: RunningJob) -> int:
    if job.owner_id is None:
        raise RuntimeError(f"Job {job.id} has no owner on whose behalf it could be done.")
    return job.owner_id


def _is_small(job: RunningJob) -> bool:
    return len(job.arguments["task_ids"]) <= MOST_SINGLE_EVENTS
