"""Exports of tasks: queued here, made by a job in its owner's name, kept as files until the job is forgotten."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete

from nxfs.auth.queries import require_actor
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.errors import BusinessRuleError, InvalidInputError
from nxfs.core.jobs.queue import enqueue
from nxfs.core.jobs.running import RunningJob
from nxfs.core.settings import setting
from nxfs.core.transaction import release_connection, transaction
from nxfs.core.turns import let_others_run
from nxfs.files.service import making, removal
from nxfs.tasks.errors import TooManyExportsError, TooManyTasksError
from nxfs.tasks.models import TaskExport
from nxfs.tasks.queries import exports as queries
from nxfs.tasks.queries.tasks import find_wanted
from nxfs.tasks.service.export_writers import MOST_ROWS, WRITERS, Writer

# Of one person, so that nobody fills the disk; they go with their jobs.
MOST_KEPT = 100
RETRY_AFTER_SECONDS = 3600
KIND = "tasks.export"
# So many rows are read at a time, and for so long it is written: nobody is held up for longer.
ROWS_AT_ONCE = 200
SECONDS_AT_ONCE = 0.01
PRUNED_AT_ONCE = 100
_DATES = ("due_date_start", "due_date_end")


def queue_export(*, actor: Actor, format: str, filters: dict[str, Any]) -> int:
    """Queue the export of what ``actor`` sees with ``filters`` (see ``TaskFilterSchema``), and return the job's id.

    Raises ``InvalidInputError`` on ``filters.category`` or ``filters.project`` for one that does not exist or is not
    visible, ``TooManyJobsError``, ``TooManyExportsError``.
    """
    try:
        find_wanted(actor=actor, filters=filters)
    except InvalidInputError as error:
        sentences = (error.field_errors or {}).items()
        raise InvalidInputError(field_errors={f"filters.{name}": each for name, each in sentences}) from error
    arguments = {"format": format, "filters": _to_json(filters)}
    with transaction() as tx:
        if queries.count_kept(actor.id) >= MOST_KEPT:
            raise TooManyExportsError(retry_after=RETRY_AFTER_SECONDS, most=MOST_KEPT)
        job_id = enqueue(tx, KIND, owner_id=actor.id, arguments=arguments, language=actor.language)
        tx.audit("tasks.export_queued", actor_id=actor.id, changes={"job_id": job_id, **arguments})
    return job_id


def run(job: RunningJob) -> Mapping[str, Any]:
    """Write what the job's owner sees now into a file, and return the job's result: what the file is, and its name.

    Raises ``JobStopped``, ``BusinessRuleError`` when the filters mean nothing any more, ``TooManyTasksError``,
    ``StorageUnavailableError``.
    """
    if "result" in job.checkpoint:
        # The file was kept, but whoever did it could not say so any more.
        return job.checkpoint["result"]
    actor = require_actor(job.owner_id)
    format_name = job.arguments["format"]
    task_ids = _find(actor, _from_json(job.arguments["filters"]), format_name)
    file_name = f"tasks-{clock.today(setting('TIME_ZONE')).isoformat()}.{format_name}"
    with making.path_to_write() as path:
        row_count = _write(job, actor, task_ids, path)
        with making.stored(path, format_name, owner_id=actor.id, filename=file_name) as file, transaction() as tx:
            kept = file.keep(tx)
            tx.session.add(TaskExport(job_id=job.id, file_id=kept.id))
            result = {
                "row_count": row_count,
                "format": format_name,
                "file": kept.name,
                "file_name": file_name,
                "size": kept.size,
            }
            changes = {"job_id": job.id, "format": format_name, "row_count": row_count}
            tx.audit("tasks.exported", actor_id=actor.id, changes=changes)
            job.save(tx, done=len(task_ids), total=len(task_ids), checkpoint={"result": result})
    return result


def prune() -> int:
    """Delete the exports whose jobs ended more than ``JOB_RETENTION_DAYS`` ago, and return how many they were."""
    total = 0
    while True:
        before = clock.now() - timedelta(days=setting("JOB_RETENTION_DAYS"))
        ended = queries.list_ended(before=before, most=PRUNED_AT_ONCE)
        release_connection()
        if not ended:
            return total
        with transaction() as tx:
            tx.session.execute(delete(TaskExport).where(TaskExport.job_id.in_([each.job_id for each in ended])))
            removal.remove_files(tx, [each.file_id for each in ended])
        total += len(ended)
        let_others_run()


def _find(actor: Actor, filters: dict[str, Any], format_name: str) -> Sequence[int]:
    try:
        task_ids = queries.list_ids(actor=actor, filters=filters)
    except InvalidInputError as error:
        # Deleted since, or not visible any more: there is no form in which a field could be marked.
        sentence, *_ = next(iter((error.field_errors or {}).values()))
        raise BusinessRuleError(sentence) from error
    release_connection()
    most = MOST_ROWS.get(format_name)
    if most is not None and len(task_ids) > most:
        raise TooManyTasksError(most=most, format=format_name.upper())
    return task_ids


def _write(job: RunningJob, actor: Actor, task_ids: Sequence[int], path: Path) -> int:
    """Write the tasks into the file ``path`` and return how many; those that are gone meanwhile are left out."""
    total, count = len(task_ids), 0
    with closing(WRITERS[job.arguments["format"]](path, job.language, setting("TIME_ZONE"))) as writer:
        for start in range(0, total, ROWS_AT_ONCE):
            # Asked again for each part: what is taken away meanwhile, is.
            actor = require_actor(actor.id)
            names = queries.Names(actor, job.language)
            named = names.name(queries.list_rows(actor, task_ids[start : start + ROWS_AT_ONCE]))
            # Not held while others run; on SQLite it would keep the log of writes from being cut, too.
            release_connection()
            job.report(done=start, total=total)
            _write_some(writer, named)
            count += len(named)
        writer.finish()
    return count


def _write_some(writer: Writer, named: Sequence[queries.NamedTask]) -> None:
    let_others_run()
    began = time.monotonic()
    for task in named:
        writer.write(task)
        if time.monotonic() - began > SECONDS_AT_ONCE:
            let_others_run()
            began = time.monotonic()


def _to_json(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if name in _DATES else value for name, value in filters.items()}


def _from_json(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: date.fromisoformat(value) if name in _DATES else value for name, value in filters.items()}
