"""The answer to a request whose work goes on as a background job."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from nxfs.core.api import fields
from nxfs.core.api.schema import Schema
from nxfs.core.jobs.models import STATES

# For ``Blueprint.response(202, QueuedJobSchema, headers=LOCATION)``.
LOCATION = {"Location": {"description": "Where to look how far the job is.", "schema": {"type": "string"}}}


class QueuedJobSchema(Schema):
    """A background job that was queued."""

    id = fields.Identifier(required=True, metadata={"example": 3081})
    kind = ma.fields.String(required=True, metadata={"example": "tasks.export"})
    state = fields.Choice(STATES, required=True, metadata={"example": "queued"})
    url = ma.fields.String(
        required=True, metadata={"example": "/api/jobs/3081/", "description": "Where to look how far it is."}
    )


def queued(job_id: int, kind: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the body (for ``QueuedJobSchema``) and the headers of the answer to who has just queued this job."""
    url = f"/api/jobs/{job_id}/"
    return {"id": job_id, "kind": kind, "state": "queued", "url": url}, {"Location": url}
