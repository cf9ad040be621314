"""``/api/events/``: streams of server-sent events and their tickets; ``/api/realtime/``: who is where."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Response, current_app, g, request

from nxfs.auth.guards import bearer_token, current_actor, login_or_ticket, login_required
from nxfs.auth.service import authentication, tokens
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.errors import BusinessRuleError, NotFoundError, RateLimitExceededError, ServiceUnavailableError
from nxfs.core.transaction import release_connection
from nxfs.realtime import streams, tickets
from nxfs.realtime.hub import current_hub
from nxfs.realtime.schemas.presence import PresenceQuerySchema, PresenceSchema
from nxfs.realtime.schemas.streams import StreamQuerySchema, TicketSchema
from nxfs.realtime.streams import StreamConnection

events = Blueprint("events", __name__, url_prefix="/api/events", description="Server-sent events and their tickets.")
realtime = Blueprint("realtime", __name__, url_prefix="/api/realtime", description="Who is where.")


@events.route("/", methods=["GET"])
@login_or_ticket
@events.streams
@events.arguments(StreamQuerySchema, location="query")
@events.raises(NotFoundError, BusinessRuleError, RateLimitExceededError, ServiceUnavailableError)
def show_events(query: dict[str, Any]) -> Response:
    """Follow what happens in rooms.

    The same payloads as over Socket.IO, see `docs/realtime.md`. The stream ends with the access token, or with the
    session when it was opened with a ticket; `closing` says why.
    """
    connection, hub = _connect(query), current_hub()
    hub.require_rooms(connection, query["rooms"])
    hub.add(connection)
    # The stream may last for days.
    release_connection()
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    lines = streams.follow(app, hub, connection, query["rooms"], since=_since(query), is_endless=query["follow"])
    response = Response(lines, mimetype="text/event-stream", headers=streams.HEADERS)
    # Also when nobody reads a line of it.
    response.call_on_close(lambda: hub.remove(connection))
    return response


@events.route("/ticket/", methods=["POST"])
@login_required
@events.answers_secret
@events.response(201, TicketSchema)
def create_ticket() -> Any:
    """Get a ticket for one stream.

    For a browser's EventSource, which cannot send an Authorization header. It is valid once, within a minute.
    """
    return tickets.issue(actor=current_actor())


@realtime.route("/presence/", methods=["GET"])
@login_required
@realtime.arguments(PresenceQuerySchema, location="query")
@realtime.response(200, PresenceSchema)
@realtime.raises(NotFoundError)
def show_presence(query: dict[str, Any]) -> Any:
    """Show who is in a room, over all processes of the server."""
    return current_hub().show_presence(current_actor(), **query)


def _connect(query: dict[str, Any]) -> StreamConnection:
    expires_at = None
    if "ticket" in query:
        g.actor = tickets.redeem(query["ticket"])
    else:
        token = bearer_token()
        g.actor = authentication.authenticate(token)
        expires_at = tokens.decode_access_token(token).expires_at
    authentication.require_own_password(g.actor)
    raw_socket = request.environ.get("gunicorn.socket")
    connection_id = secrets.token_hex(10)
    return StreamConnection(connection_id=connection_id, actor=g.actor, expires_at=expires_at, raw_socket=raw_socket)


def _since(query: dict[str, Any]) -> int | None:
    """Return the event after which the client wants to hear; a header that is no number is like an event long gone."""
    header = request.headers.get("Last-Event-ID", "").strip()
    if not header:
        return query.get("last_event_id")
    is_number = header.isascii() and header.isdecimal() and len(header) < 20
    return min(int(header), LARGEST_IDENTIFIER) if is_number else 0
