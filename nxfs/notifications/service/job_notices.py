"""Telling people how their background jobs ended."""

from __future__ import annotations

from nxfs.core.jobs.kinds import EndedJob
from nxfs.core.transaction import Transaction
from nxfs.notifications.service.notifying import notify

_TYPES = {"succeeded": "job_finished", "failed": "job_failed"}


def tell_job_ended(tx: Transaction, ended: EndedJob) -> None:
    """Tell the owner, when ``tx`` commits, that a job is finished or has failed; for ``at_end`` of kinds of jobs.

    Whoever cancelled a job knows that it has ended.
    """
    type_ = _TYPES.get(ended.state)
    if type_ is None:
        return
    # The title in both languages: the sentence is made when it is read.
    data = {"job_id": ended.id, "kind": ended.kind, "title": ended.title.en, "title_nb": ended.title.nb}
    # The owner is told though it is the owner's own work: it was done while nobody looked.
    notify(tx, type_, [ended.owner_id], actor_id=None, data=data, key=f"{type_}:{ended.id}")
