"""Socket.IO: the connections of browsers and apps, and the messages that they send."""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import socket
import time
from collections.abc import Mapping
from typing import Any

import gevent
import marshmallow as ma
import orjson
import structlog
from engineio.exceptions import EngineIOError
from engineio.packet import MESSAGE
from engineio.packet import Packet as EnginePacket
from flask import Flask
from flask_socketio import Namespace
from socketio.exceptions import ConnectionRefusedError as Refusal
from socketio.packet import EVENT
from socketio.packet import Packet as SocketPacket

from nxfs.core import audit, clock, errors
from nxfs.core.api import parser
from nxfs.core.errors import (
    AuthenticationRequiredError,
    InvalidInputError,
    RateLimitExceededError,
    ServiceUnavailableError,
)
from nxfs.core.http import address_of, error_for_clients
from nxfs.core.limits import limiter
from nxfs.core.limits.requests import limit_of_stranger, subject_of_address, subject_of_user
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.extensions import socketio
from nxfs.realtime import websockets
from nxfs.realtime.arrivals import Arrival, Arrivals
from nxfs.realtime.connections import (
    MOST_WAITING,
    MOST_WAITING_BYTES,
    TOO_MANY_EVENTS,
    TOO_SLOW,
    Connection,
    Reason,
)
from nxfs.realtime.errors import UnknownMessageError
from nxfs.realtime.hub import Hub
from nxfs.realtime.message import Message
from nxfs.realtime.roll import MOST_SHOWN
from nxfs.realtime.schemas.events import EVENTS
from nxfs.realtime.schemas.messages import MESSAGES
from nxfs.realtime.websockets import LAST_WORDS_SECONDS
from nxfs.tasks.queries import tasks as task_queries
from nxfs.tasks.service import tasks as task_service

NAMESPACE = "/"
# What clients send comes under this name, with theirs behind it: "connect" and "disconnect" are the library's.
CLIENT_MESSAGE = "client message"
LARGEST_MESSAGE = 256 * 1024
# What a client may send: so many at once, and then so many a second.
BURST = 40
EVENTS_A_SECOND = 20.0
# How often a client may overstep it before its connection is closed.
MOST_VIOLATIONS = 200
# What waits is weighed only when it is more than a few.
FEW_WAITING = 50

log = structlog.get_logger("nxfs.realtime")


class Json:
    """JSON as the REST API writes it."""

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        """Return ``value`` as JSON."""
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text: str, **_: Any) -> Any:
        """Return what the JSON ``text`` says; raise ``ValueError`` when it is none."""
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            # Half of an emoji, as of a text that was cut: it means nothing, but its sender waits for an answer.
            name, *_ = json.loads(text)
            return [name, None]


class SocketConnection(Connection):
    """A client of Socket.IO."""

    __slots__ = ("_allowance", "_is_ending", "_replenished_at", "_violations", "address", "engine_id", "user_agent")

    def __init__(self, connection_id: str, engine_id: str, environ: Mapping[str, Any], **arrival: Any) -> None:
        super().__init__(connection_id, **arrival)
        self.engine_id = engine_id
        self.address = address_of(environ.get("REMOTE_ADDR"))
        self.user_agent = (environ.get("HTTP_USER_AGENT") or "")[:300].replace("\x00", "") or None
        self._is_ending = False
        self._allowance = float(BURST)
        self._replenished_at = time.monotonic()
        self._violations = 0

    def is_busy(self) -> bool:
        """True while more than a little waits for the client."""
        engine = socketio.server.eio.sockets.get(self.engine_id)
        return engine is not None and not engine.closed and engine.queue.qsize() > FEW_WAITING // 2

    def send(self, message: Message, room: str) -> None:
        """Send ``message``; end the connection when too much waits for it already."""
        self._send(message.form("socket", room, _encode_message))

    def tell(self, name: str, payload: dict[str, Any]) -> None:
        """Send something that is no event of the log."""
        self._send(_encode(name, payload))

    def end(self, reason: Reason) -> None:
        """Tell the client ``reason`` if it still listens, and close the connection."""
        if self._is_ending:
            return
        log.info("socket closed", user=self.actor.id, reason=reason.name)
        if reason is TOO_SLOW:
            # Nothing of it is lost: the client asks for what it missed when it comes back.
            self._drop_waiting()
        self._send(_encode("closing", EVENTS["closing"].dump(self.closing_payload(reason))))
        self._is_ending = True
        gevent.spawn(self._close, reason)

    def take_turn(self) -> None:
        """Count a message of the client; raise ``RateLimitExceededError`` when it sends too many."""
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._replenished_at) * EVENTS_A_SECOND)
        self._replenished_at = now
        if self._allowance < 1:
            self._violations += 1
            if self._violations >= MOST_VIOLATIONS:
                self.end(TOO_MANY_EVENTS)
            raise RateLimitExceededError
        self._allowance -= 1

    def _send(self, packet: EnginePacket) -> None:
        engine = socketio.server.eio.sockets.get(self.engine_id)
        if engine is None or engine.closed or self._is_ending:
            return
        waiting = engine.queue.queue
        if len(waiting) >= MOST_WAITING or (
            len(waiting) > FEW_WAITING and sum(len(each.data or "") for each in waiting if each) > MOST_WAITING_BYTES
        ):
            self.end(TOO_SLOW)
            return
        # It may have closed since the last line.
        with contextlib.suppress(EngineIOError):
            engine.send(packet)

    def _drop_waiting(self) -> None:
        engine = socketio.server.eio.sockets.get(self.engine_id)
        if engine is not None:
            engine.queue.queue.clear()

    def _close(self, reason: Reason) -> None:
        if not reason.reconnect:
            # Clients connect again by themselves unless they are told that it is the server's wish.
            socketio.server.disconnect(self.id, namespace=NAMESPACE)
        _cut(self.engine_id)


class Sockets(Namespace):
    """The server's side of all Socket.IO clients."""

    def __init__(self, app: Flask, hub: Hub) -> None:
        super().__init__(NAMESPACE)
        self._app = app
        self._hub = hub
        self._arrivals = Arrivals(app)
        self._strangers: set[str] = set()
        hub.access.checks.append(self.expel_strangers)

    def trigger_event(self, event: str, *args: Any) -> Any:
        """Handle what a client does, one thing after the other for each client, and return the acknowledgement."""
        with self._app.app_context():
            if event == "connect":
                return self._connect(*args)
            connection = self._hub.find(args[0])
            if connection is None:
                return None
            assert isinstance(connection, SocketConnection)
            if event == CLIENT_MESSAGE:
                return self._answer(connection, args[1:])
            self._hub.remove(connection)
            log.info("socket disconnected", user=connection.actor.id, reason=args[1] if len(args) > 1 else None)
            return None

    def expel_strangers(self) -> None:
        """Close what was opened a while ago and has not said who it is, and forget whose connection is gone."""
        sockets = {each.engine_id: each for each in self._hub.connections() if isinstance(each, SocketConnection)}
        for engine_id in sockets.keys() - socketio.server.eio.sockets.keys():
            self._hub.remove(sockets[engine_id])
        strangers = socketio.server.eio.sockets.keys() - sockets.keys()
        for engine_id in strangers & self._strangers:
            gevent.spawn(_cut, engine_id)
        self._strangers = strangers

    def _connect(self, connection_id: str, environ: dict[str, Any], auth: Any = None) -> None:
        engine_id = socketio.server.manager.eio_sid_from_sid(connection_id, NAMESPACE)
        try:
            arrival = self._admit(auth, environ)
            connection = SocketConnection(
                connection_id, engine_id, environ, actor=arrival.actor, expires_at=arrival.expires_at
            )
            engine = socketio.server.eio.sockets.get(engine_id)
            if engine is None or engine.closed:
                # The client went while we looked who it is: nobody would tell of its end any more.
                raise ServiceUnavailableError
            self._hub.add(connection)
        except Exception as error:
            known = error_for_clients(error)
            if known.status >= 500:
                # Who is refused stays away; whose connection breaks comes back, in a while or to the next process.
                socketio.server.eio.disconnect(engine_id)
            language = "no" if environ.get("HTTP_ACCEPT_LANGUAGE", "").startswith(("nb", "nn", "no")) else "en"
            body = errors.envelope(known, language=language, request_id=None)
            raise Refusal(body["error"]["message"], body) from error
        log.info("socket connected", user=arrival.actor.id)

    def _admit(self, auth: Any, environ: Mapping[str, Any]) -> Arrival:
        """Return who connects; who is refused is counted by address, as requests are."""
        try:
            arrival = self._arrivals.admit(_token(auth, environ))
        except AuthenticationRequiredError as refusal:
            limiter.spend(limit_of_stranger(refusal), subject_of_address(address_of(environ.get("REMOTE_ADDR"))))
            raise
        limiter.spend("socket_connect", subject_of_user(arrival.actor.id))
        return arrival

    def _answer(self, connection: SocketConnection, sent: tuple[Any, ...]) -> dict[str, Any]:
        """Handle what a client has sent, a name and a payload if it is well-formed, and return the acknowledgement."""
        name = sent[0] if sent and isinstance(sent[0], str) else ""
        request_id = secrets.token_hex(12)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        audit.origin.set(audit.Origin(request_id, connection.address, connection.user_agent))
        began = time.perf_counter()
        code = None
        try:
            connection.take_turn()
            limiter.spend("socket_event", subject_of_user(connection.actor.id))
            return {"ok": True, **self._handle(connection, name, sent[1:])}
        except Exception as error:
            known = error_for_clients(error)
            code = known.code
            body = errors.envelope(known, language=connection.actor.language, request_id=request_id)
            return {"ok": False, "error": body}
        finally:
            elapsed = round((time.perf_counter() - began) * 1000, 1)
            log.info("socket event", name=name[:40], user=connection.actor.id, ms=elapsed, error=code)

    def _handle(self, connection: SocketConnection, name: str, args: tuple[Any, ...]) -> dict[str, Any]:
        exchange = MESSAGES.get(name)
        if exchange is None:
            raise UnknownMessageError(field_errors={"event": [UnknownMessageError.message]})
        if len(args) != 1:
            raise InvalidInputError(field_errors={"body": [parser.BODY_MUST_BE_OBJECT]})
        parser.require_plain_object(args[0])
        try:
            values = exchange.message.load(args[0])
        except ma.ValidationError as error:
            raise InvalidInputError(field_errors=parser.flatten(error.messages)) from error
        answer: dict[str, Any] = getattr(self, f"_{name}")(connection, values)
        return answer

    def _join_room(self, connection: SocketConnection, values: dict[str, Any]) -> dict[str, Any]:
        room = values.get("room")
        names = values["rooms"] if room is None else [room]
        new = [name for name in names if name not in connection.rooms]
        joined = self._hub.join(connection, names, since=values["since"])
        try:
            members, count = self._hub.roll.call(room) if room is not None else ([], 0)
            if values["presence"]:
                self._show_presence(connection, names, joined.last_event_id)
        except BaseException:
            # The client takes the rooms for such that it is not in.
            for name in new:
                self._hub.leave(connection, name)
            raise
        return {
            "room": room,
            "rooms": names,
            "last_event_id": joined.last_event_id,
            "resync_required": joined.resync_required,
            "members": members,
            "member_count": count,
        }

    def _show_presence(self, connection: SocketConnection, names: list[str], version: int) -> None:
        for name in names:
            if name in connection.rooms:
                connection.presence_rooms |= {name}
                members, count = self._hub.roll.call(name, most=MOST_SHOWN)
                state = {"room": name, "version": version, "count": count, "members": members}
                connection.tell("presence_state", state)

    def _leave_room(self, connection: SocketConnection, values: dict[str, Any]) -> dict[str, Any]:
        self._hub.leave(connection, values["room"])
        return {"room": values["room"]}

    def _task_update(self, connection: SocketConnection, values: dict[str, Any]) -> dict[str, Any]:
        seen = values["if_match"]
        task_service.update_task(
            actor=connection.actor,
            task_id=values["task_id"],
            values=values["updates"],
            precondition=NO_PRECONDITION if seen is None else Precondition(frozenset({seen})),
        )
        task = task_queries.get_written_task(task_id=values["task_id"])
        answer: dict[str, Any] = MESSAGES["task_update"].answer.dump({"task": task})
        return answer

    def _authenticate(self, connection: SocketConnection, values: dict[str, Any]) -> dict[str, Any]:
        arrival = self._arrivals.admit(values["token"])
        if arrival.actor.id != connection.actor.id:
            raise AuthenticationRequiredError
        self._hub.access.require_live(arrival.actor)
        connection.prolong(arrival.actor, arrival.expires_at)
        return {"expires_at": clock.to_wire(arrival.expires_at)}


def install(app: Flask, hub: Hub) -> None:
    """Serve Socket.IO with ``app`` at ``SOCKETIO_PATH``."""
    origins = app.config["CORS_ORIGINS"]
    logger = logging.getLogger("nxfs.socketio")
    logger.setLevel(logging.ERROR)

    def is_allowed(origin: str, environ: Mapping[str, Any]) -> bool:
        own = f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST', '')}"
        return origin in origins or origin == own or "*" in origins

    # A second application has its own server and its own handlers.
    socketio.namespace_handlers = [Sockets(app, hub)]
    socketio.init_app(
        app,
        path=app.config["SOCKETIO_PATH"],
        async_mode="gevent",
        cors_allowed_origins=is_allowed,
        json=Json,
        logger=logger,
        engineio_logger=logger,
        manage_session=False,
        max_http_buffer_size=LARGEST_MESSAGE,
        # What one client sends is handled in order.
        async_handlers=False,
    )
    server = socketio.server
    handle = server._handle_event

    def handle_client_message(engine_id: str, namespace: str | None, number: int | None, data: Any) -> Any:
        sent = data if isinstance(data, list) else []
        return handle(engine_id, namespace, number, [CLIENT_MESSAGE, *sent])

    read = server._handle_eio_message

    def read_packet(engine_id: str, packet: Any) -> None:
        try:
            read(engine_id, packet)
        except Exception as error:
            # It is no packet of Socket.IO: no client that can be talked to sends such.
            log.info("malformed packet", error=type(error).__name__)
            gevent.spawn(_cut, engine_id)

    server._handle_event = handle_client_message
    server.eio.on("message", read_packet)
    websockets.install(server.eio, largest_message=LARGEST_MESSAGE)


def _token(auth: Any, environ: Mapping[str, Any]) -> str:
    """Return the access token of ``auth: {token}`` or of the Authorization header."""
    token = auth.get("token") if isinstance(auth, dict) else None
    if token is None:
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        token = token if scheme.lower() == "bearer" else None
    if not isinstance(token, str) or not token.strip():
        raise AuthenticationRequiredError
    return token.strip()


def _cut(engine_id: str) -> None:
    """Close a client's connection, and cut it a moment later, in case that the client does not read the last words."""
    engine = socketio.server.eio.sockets.get(engine_id)
    if engine is None:
        return
    raw_socket: socket.socket | None = getattr(engine, "raw_socket", None)
    if raw_socket is None:
        # A client that polls may be about to ask, and finds nothing once it is closed.
        with contextlib.suppress(gevent.Timeout), gevent.Timeout(LAST_WORDS_SECONDS):
            while not engine.queue.empty():
                gevent.sleep(LAST_WORDS_SECONDS / 50)
    engine.close(wait=False)
    if raw_socket is not None:
        gevent.sleep(LAST_WORDS_SECONDS)
        websockets.cut(raw_socket)


def _encode_message(message: Message, room: str) -> EnginePacket:
    return _encode(message.name, message.payload(room))


def _encode(name: str, payload: dict[str, Any]) -> EnginePacket:
    return EnginePacket(MESSAGE, SocketPacket(EVENT, namespace=NAMESPACE, data=[name, payload]).encode())
