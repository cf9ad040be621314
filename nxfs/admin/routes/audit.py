"""``/api/admin/audit/``: who did what to what, and taking it away as a file."""

from __future__ import annotations

from typing import Any

from flask import Response, stream_with_context

from nxfs.admin.queries import audit as queries
from nxfs.admin.schemas.audit import AuditEntrySchema, AuditExportQuerySchema, AuditQuerySchema, Cursor
from nxfs.admin.service import audit as service
from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.blueprint import Blueprint, View, document
from nxfs.core.errors import ForbiddenError
from nxfs.core.pagination import Page

blp = Blueprint("audit", __name__, url_prefix="/api/admin/audit", description="Who did what, for administrators.")

MEDIA_TYPES = {"jsonl": "application/x-ndjson", "csv": "text/csv"}
TEXT = {"schema": {"type": "string"}}
EXPORTED = {"200": {"description": "The entries.", "content": dict.fromkeys(MEDIA_TYPES.values(), TEXT)}}
NEXT_CURSOR = Cursor(
    required=True,
    allow_none=True,
    metadata={"example": None, "description": "`cursor` of what follows this page; null at the end."},
)


def _sends_lines(view: View) -> View:
    """Write into the document that the view answers with lines of text."""
    view.media_types = tuple(MEDIA_TYPES.values())  # type: ignore[attr-defined]
    return document(view, responses=EXPORTED)


@blp.route("/", methods=["GET"])
@login_required
@blp.paginated(AuditEntrySchema, AuditQuerySchema, next_cursor=NEXT_CURSOR)
@blp.raises(ForbiddenError)
def list_audit_entries(filters: dict[str, Any]) -> Page:
    """List the audit log, the newest entries first.

    For those with the permission `audit.view`. Reading leaves an entry itself.
    """
    service.require_audit_view(current_actor())
    page = queries.list_entries(filters=filters, language=current_actor().language)
    service.note_view(actor=current_actor(), filters=filters)
    return page


@blp.route("/export/", methods=["GET"])
@login_required
@_sends_lines
@blp.arguments(AuditExportQuerySchema, location="query")
@blp.raises(ForbiddenError)
def export_audit_entries(filters: dict[str, Any]) -> Response:
    """Export the audit log as JSON lines or CSV.

    For those with the permission `audit.view`. It is sent as it is read, the newest entries first.
    """
    format_name = filters.pop("format")
    lines = service.export(actor=current_actor(), filters=filters, format_name=format_name)
    response = Response(stream_with_context(lines), mimetype=MEDIA_TYPES[format_name])
    response.headers["Content-Disposition"] = f'attachment; filename="audit.{format_name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
