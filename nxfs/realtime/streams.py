"""Server-sent events: the same messages as over sockets, for pages and scripts that only read."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from typing import Any

import gevent
import orjson
import structlog
from flask import Flask
from gevent.queue import Empty, Queue

from nxfs.realtime.connections import MOST_WAITING, MOST_WAITING_BYTES, PORTION, TOO_SLOW, Connection, Reason
from nxfs.realtime.hub import Hub
from nxfs.realtime.message import Message
from nxfs.realtime.schemas.events import EVENTS, STREAM_EVENTS
from nxfs.realtime.websockets import LAST_WORDS_SECONDS, cut

HEARTBEAT_SECONDS = 15.0
# Half a minute of proxies' patience, and a restart does not bring all clients back in the same moment.
RETRY_MILLISECONDS = 2_000
HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    # Nginx would collect what is to arrive at once.
    "X-Accel-Buffering": "no",
}

log = structlog.get_logger("nxfs.realtime")


class StreamConnection(Connection):
    """A client that reads one stream."""

    __slots__ = ("_bytes", "_is_ending", "_is_read", "_lines", "_raw_socket")

    def __init__(self, *, raw_socket: socket.socket | None = None, **arrival: Any) -> None:
        super().__init__(**arrival)
        self._raw_socket = raw_socket
        self._is_read = False
        self._lines: Queue[str | None] = Queue()
        self._bytes = 0
        self._is_ending = False

    def is_busy(self) -> bool:
        """True while more than a little waits for the client."""
        return not self._is_ending and self._lines.qsize() > PORTION // 2

    def send(self, message: Message, room: str) -> None:
        """Send ``message``; end the connection when too much waits for it already."""
        self._send(message.form("stream", room, _encode_message))

    def tell(self, name: str, payload: dict[str, Any]) -> None:
        """Send something that is no event of the log."""
        self._send(_encode(name, payload))

    def begin(self, name: str, payload: dict[str, Any], event_id: int) -> None:
        """Send something that says from which event on the client may resume."""
        self._send(_encode(name, payload, event_id))

    def end(self, reason: Reason) -> None:
        """Tell the client ``reason`` if it still listens, and close the connection."""
        if self._is_ending:
            return
        log.info("stream closed", user=self.actor.id, reason=reason.name)
        if reason is TOO_SLOW:
            self._lines.queue.clear()
        self._lines.put(_encode("closing", EVENTS["closing"].dump(self.closing_payload(reason))))
        self.finish()
        gevent.spawn_later(LAST_WORDS_SECONDS, self._cut)

    def finish(self) -> None:
        """End the stream behind what waits for the client."""
        self._is_ending = True
        self._lines.put(None)

    def lines(self) -> Iterator[str]:
        """Yield what the client shall read, as it comes, until the connection ends."""
        try:
            yield f"retry: {RETRY_MILLISECONDS}\n\n"
            while True:
                try:
                    text = self._lines.get(timeout=HEARTBEAT_SECONDS)
                except Empty:
                    yield ": still here\n\n"
                    continue
                if text is None:
                    return
                self._bytes -= len(text)
                yield text
        finally:
            self._is_read = True

    def watch(self) -> None:
        """Finish when the client goes: the next heartbeat would notice it half a minute later."""
        if self._raw_socket is None:
            return
        try:
            has_gone = not self._raw_socket.recv(1, socket.MSG_PEEK)
        except OSError:
            has_gone = True
        # Who sends something has not gone; what it is, the server reads when the stream is over.
        if has_gone:
            self.finish()

    def _cut(self) -> None:
        # A client that does not read holds up the last words, and would stay for ever.
        if not self._is_read and self._raw_socket is not None:
            cut(self._raw_socket)

    def _send(self, text: str) -> None:
        if self._is_ending:
            return
        waiting = self._lines.qsize()
        # A few may be large.
        if waiting >= MOST_WAITING or (waiting > PORTION and self._bytes > MOST_WAITING_BYTES):
            self.end(TOO_SLOW)
            return
        self._bytes += len(text)
        self._lines.put(text)


def follow(
    app: Flask, hub: Hub, connection: StreamConnection, names: Sequence[str], *, since: int | None, is_endless: bool
) -> Iterator[str]:
    """Yield the events of the rooms ``names`` after ``since``, or from now on, as text of a stream.

    Without ``is_endless`` it ends with what was missed. The connection was added to ``hub``, and may enter the rooms.
    """
    joining = gevent.spawn(_join, app, hub, connection, names, since, is_endless)
    watching = gevent.spawn(connection.watch)
    try:
        yield from connection.lines()
    finally:
        # The client has gone, or the connection was ended.
        joining.kill(block=False)
        # Before the server reads the connection's next request.
        watching.kill()
        hub.remove(connection)


def _join(
    app: Flask, hub: Hub, connection: StreamConnection, names: Sequence[str], since: int | None, is_endless: bool
) -> None:
    try:
        if since is not None:
            _tell_ready(connection, names, since)
        with app.app_context():
            joined = hub.join(connection, names, since=since)
        if since is None:
            _tell_ready(connection, names, joined.last_event_id)
        if joined.resync_required:
            payload = {"room": None, "last_event_id": joined.last_event_id}
            connection.begin("resync_required", EVENTS["resync_required"].dump(payload), joined.last_event_id)
        if not is_endless:
            connection.finish()
    except Exception as error:
        # The client connects again, and asks for the same.
        log.error("stream could not begin", exc_info=error)
        connection.finish()


def _tell_ready(connection: StreamConnection, names: Sequence[str], event_id: int) -> None:
    payload = STREAM_EVENTS["ready"].dump({"rooms": names, "last_event_id": event_id})
    connection.begin("ready", payload, event_id)


def _encode_message(message: Message, room: str) -> str:
    return _encode(message.name, message.payload(room), message.event_id)


def _encode(name: str, payload: dict[str, Any], event_id: int | None = None) -> str:
    identifier = f"id: {event_id}\n" if event_id is not None else ""
    return f"{identifier}event: {name}\ndata: {orjson.dumps(payload).decode()}\n\n"
