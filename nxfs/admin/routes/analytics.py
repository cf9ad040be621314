"""``/api/admin/analytics/``: how the service is used, and taking it away as tables."""

from __future__ import annotations

from typing import Any

from flask import Response

from nxfs.admin.schemas.analytics import AnalyticsExportQuerySchema, AnalyticsQuerySchema, AnalyticsSchema
from nxfs.admin.service import analytics as service
from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.blueprint import Blueprint, View, document
from nxfs.core.errors import ForbiddenError

blp = Blueprint("analytics", __name__, url_prefix="/api/admin/analytics", description="How the service is used.")

CSV = "text/csv"
EXAMPLE = "start,end,created,completed\r\n2026-01-03,2026-01-03,210,180\r\n"


def _sends_table(view: View) -> View:
    """Write into the document that the view answers with a table."""
    view.media_types = (CSV,)  # type: ignore[attr-defined]
    content = {CSV: {"schema": {"type": "string"}, "example": EXAMPLE}}
    return document(view, responses={"200": {"description": "The table.", "content": content}})


@blp.route("/", methods=["GET"])
@login_required
@blp.arguments(AnalyticsQuerySchema, location="query")
@blp.response(200, AnalyticsSchema)
@blp.raises(ForbiddenError)
def show_analytics(values: dict[str, Any]) -> Any:
    """Show how the service is used.

    For those with the permission `analytics.view`. Days are those of the server's time zone. It may be a minute old.
    """
    return service.show(actor=current_actor(), **values)


@blp.route("/export/", methods=["GET"])
@login_required
@_sends_table
@blp.arguments(AnalyticsExportQuerySchema, location="query")
@blp.raises(ForbiddenError)
def export_analytics(values: dict[str, Any]) -> Response:
    """Export a table of how the service is used as CSV.

    For those with the permission `analytics.view`.
    """
    response = Response(service.export(actor=current_actor(), **values), mimetype=CSV)
    response.headers["Content-Disposition"] = f'attachment; filename="analytics-{values["section"]}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response
