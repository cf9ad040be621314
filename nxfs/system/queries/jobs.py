"""Reading background jobs, as their owners and staff see them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sqlalchemy import select

from nxfs.auth.models import STAFF_ROLES, User
from nxfs.core.actor import Actor
from nxfs.core.jobs import queries
from nxfs.core.jobs.kinds import all_kinds
from nxfs.core.jobs.models import Job
from nxfs.core.messages import translate
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db
from nxfs.files import addresses, links
from nxfs.system import policies


def list_jobs(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of the jobs that ``actor`` sees and that pass all ``filters`` (see ``JobQuerySchema``)."""
    conditions = [policies.manages_job(actor)]
    if "state" in filters:
        conditions.append(Job.state.in_(filters["state"]))
    if "kind" in filters:
        conditions.append(Job.kind.in_(filters["kind"]))
    if "owner" in filters:
        conditions.append(Job.owner_id == filters["owner"])
    (_, is_newest_first), *_ = filters.get("ordering") or [("created_at", True)]
    # Ids are handed out in that order, and have an index with the owner.
    rows = queries.select_jobs().where(*conditions).order_by(Job.id.desc() if is_newest_first else Job.id)
    counted = select(Job.id).where(*conditions)
    page = fetch_page(rows, counted=counted, page=filters["page"], page_size=filters["page_size"])
    return replace(page, items=[_item(row, language=actor.language, is_staff=actor.is_staff) for row in page.items])


def get_job(*, actor: Actor, job_id: int) -> dict[str, Any]:
    """Return a job, with its result for its owner and administrators.

    Raises ``JobNotFoundError`` when there is none or ``actor`` may not see it.
    """
    row = queries.get_job(policies.manages_job(actor), job_id)
    result = row.result if policies.sees_result(actor, owner_id=row.owner_id) else None
    file = (result or {}).get("file")
    return {
        **_item(row, language=actor.language, is_staff=actor.is_staff),
        "result": result,
        "download_url": addresses.absolute(links.path_of(file, None)) if file is not None else None,
    }


def find_pushed(job_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return by id what the owners of the jobs are told of them, each in the owner's language: what a list has."""
    owner = (User.language.label("reader_language"), User.role.in_(STAFF_ROLES).label("is_staff"))
    found = queries.select_jobs().add_columns(*owner).join(User, User.id == Job.owner_id).where(Job.id.in_(job_ids))
    rows = db.session.execute(found).all()
    return {row.id: _item(row, language=row.reader_language, is_staff=row.is_staff) for row in rows}


def _item(row: Any, *, language: str, is_staff: bool) -> dict[str, Any]:
    """Return a row as clients see it."""
    kind = all_kinds().get(row.kind)
    is_waiting_again = row.state == "queued" and row.attempts > 0
    return {
        "id": row.id,
        "kind": row.kind,
        # A kind that an older version of the program had has no other name any more.
        "title": row.kind if kind is None else translate(kind.title, language),
        "state": row.state,
        "progress": _progress(row),
        "done": row.done,
        "total": row.total,
        "attempts": row.attempts,
        "error": row.error,
        "failure": row.failure if is_staff else None,
        "owner_id": row.owner_id,
        "cancel_requested": row.cancel_requested,
        "created_at": row.created_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "next_attempt_at": row.run_at if is_waiting_again else None,
    }


def _progress(row: Any) -> int | None:
    """Return how much of the job is done, in percent rounded down; None when nobody knows how much there is to do."""
    if row.state == "succeeded":
        return 100
    if row.total is None:
        return None
    return min(100, 100 * row.done // row.total) if row.total else 0
