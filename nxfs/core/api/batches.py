"""How requests about many objects at once are read and answered, at once or as a background job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import marshmallow as ma
from flask import Response, current_app, request

from nxfs.core.api import fields
from nxfs.core.api.blueprint import document
from nxfs.core.api.jobs import queued
from nxfs.core.api.schema import Schema
from nxfs.core.batches import MOST_AT_ONCE, Failure, in_words
from nxfs.core.errors import ConflictError, InvalidInputError, RateLimitExceededError
from nxfs.core.limits.requests import count_units, limited_as
from nxfs.core.messages import Text

View = TypeVar("View", bound=Callable[..., Any])

# A hundred thousand ids of the longest kind, as texts with a blank between them, and the rest.
LARGEST_BODY = 4 * 1024 * 1024
RESPOND_ASYNC = "respond-async"
PREFER = {
    "in": "header",
    "name": "Prefer",
    "required": False,
    "description": f"`{RESPOND_ASYNC}` queues a job, as `async=true` does.",
    "schema": {"type": "string"},
    "example": RESPOND_ASYNC,
}
TOO_MANY_AT_ONCE = Text(
    "At most {most} at once; more need a background job.", "Høyst {most} på én gang; flere krever en bakgrunnsjobb."
)
JOB_IN_PARTS = Text(
    "A job works in parts and cannot be all or nothing.",
    "En jobb arbeider i deler og kan ikke være alt eller ingenting.",
)


class BatchQuerySchema(Schema):
    """How a batch is done."""

    atomic = fields.Boolean(
        load_default=False,
        metadata={
            "description": "All or nothing: when one of them fails, nothing changes, and 409 names those that do."
        },
    )
    dry_run = fields.Boolean(
        load_default=False, metadata={"description": "Answers what would be answered, and changes nothing."}
    )


class LargeBatchQuerySchema(BatchQuerySchema):
    """How a batch is done that may be a job."""

    is_async = fields.Boolean(
        data_key="async",
        metadata={
            "description": f"`true` queues a job; `false` refuses more than {MOST_AT_ONCE:,} ids, else they become one."
        },
    )


class FailureSchema(Schema):
    """One of a batch that was left as it was."""

    id = fields.Identifier(required=True, metadata={"example": 413})
    error = ma.fields.String(
        required=True, metadata={"example": "This task does not exist.", "description": "A sentence to show."}
    )


class BatchUpdatedSchema(Schema):
    """What became of a batch of changes; both together are all that were asked for."""

    updated_count = ma.fields.Integer(
        required=True, metadata={"example": 1, "description": "Those that have the values already among them."}
    )
    failed_updates = ma.fields.List(ma.fields.Nested(FailureSchema), required=True)


class BatchDeletedSchema(Schema):
    """What became of a batch of deletions; both together are all that were asked for."""

    deleted_count = ma.fields.Integer(required=True, metadata={"example": 1})
    failed_deletes = ma.fields.List(
        ma.fields.Integer(metadata={"example": 413}),
        required=True,
        metadata={"description": "Ids of those that do not exist or that you may not delete."},
    )


def is_batch(view: View) -> View:
    """Count requests to the view as batches, and document what it may answer besides; below the guard."""
    return document(limited_as("bulk")(view), errors=(ConflictError,))


def is_large_batch(view: View) -> View:
    """Let the view, a batch that may be a job, take a body of a hundred thousand ids; below the guard."""
    view.largest_body = LARGEST_BODY  # type: ignore[attr-defined]
    return document(is_batch(view), errors=(RateLimitExceededError,), parameters=[PREFER])


def is_job(ids: Collection[int], options: Mapping[str, Any], *, named: str) -> bool:
    """Return whether the request for these ids, with ``options`` of ``LargeBatchQuerySchema``, becomes a job.

    Counts the ids. Raises ``InvalidInputError``, on the field ``named`` for too many ids without a job, and for a job
    that is atomic, and ``TooManyRequestsError``.
    """
    is_wanted = options.get("is_async")
    is_large = len(ids) > MOST_AT_ONCE
    if is_large and is_wanted is False:
        raise InvalidInputError(field_errors={named: [TOO_MANY_AT_ONCE.fill(most=MOST_AT_ONCE)]})
    # A preference that cannot be met is no demand (RFC 7240).
    becomes_job = is_large or (_is_preferred() and not options["atomic"] if is_wanted is None else is_wanted)
    if becomes_job and options["atomic"]:
        raise InvalidInputError(field_errors={"atomic": [JOB_IN_PARTS]})
    count_ids(ids)
    return becomes_job


def count_ids(ids: Collection[int]) -> None:
    """Count the ids of a batch against what its sender may change in a while; raises ``TooManyRequestsError``."""
    count_units("bulk_ids", len(ids))


def queued_answer(job_id: int, kind: str) -> Response:
    """Return the answer 202 to who has asked for a batch that is a job now."""
    body, headers = queued(job_id, kind)
    if _is_preferred():
        headers["Preference-Applied"] = RESPOND_ASYNC
    response = current_app.json.response(body)
    response.status_code = 202
    response.headers.extend(headers)
    return response


def deleted(ids: Collection[int], failures: Collection[Failure]) -> dict[str, Any]:
    """Return what became of the deletion of these ids, for ``BatchDeletedSchema``."""
    return {"deleted_count": len(ids) - len(failures), "failed_deletes": [failure.id for failure in failures]}


def updated(ids: Collection[int], failures: Collection[Failure], *, language: str) -> dict[str, Any]:
    """Return what became of the change of these ids, for ``BatchUpdatedSchema``, with sentences in ``language``."""
    return {"updated_count": len(ids) - len(failures), "failed_updates": in_words(failures, language=language)}


def _is_preferred() -> bool:
    preferences = ",".join(request.headers.getlist("Prefer")).split(",")
    return any(preference.partition(";")[0].strip().lower() == RESPOND_ASYNC for preference in preferences)
