"""What WebSockets need here beyond their library: bounds, whole messages, and as little memory for each as can be."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

import gevent
import simple_websocket
from engineio import packet
from engineio.async_drivers.gevent import WebSocketWSGI
from engineio.server import Server as Engine
from engineio.socket import Socket as EngineSocket
from gevent.lock import RLock
from wsproto.utilities import LocalProtocolError

# Time for the last words before a connection is cut.
LAST_WORDS_SECONDS = 1.0


class WholeSocket:
    """A socket that sends all it is given, one message after the other.

    The library calls ``send``, from two greenlets, and does not look at how much was sent: a client that reads slowly
    would get torn messages.
    """

    __slots__ = ("_sending", "_socket", "close", "recv")

    def __init__(self, raw_socket: socket.socket) -> None:
        self._socket = raw_socket
        self._sending = RLock()
        self.recv = raw_socket.recv
        self.close = raw_socket.close

    def send(self, data: bytes) -> int:
        """Send ``data`` to its end; wait while the client does not read."""
        with self._sending:
            # Nearly always all of it; sendall alone asks the system first how much it takes, for each message.
            sent = self._socket.send(data)
            if sent < len(data):
                self._socket.sendall(memoryview(data)[sent:])
        return len(data)

    def cut(self) -> None:
        """End the connection, whoever waits for it."""
        cut(self._socket)


class NoThread:
    """Stands for the library's reading thread, which is not needed: whoever waits for a message reads it."""

    name = ""

    def __init__(self, target: Callable[[], None]) -> None:
        """Take ``target``, and never call it."""

    def start(self) -> None:
        """Begin nothing."""


class WebSocket(simple_websocket.Server):
    """A WebSocket that is read by the greenlet that waits for its messages: one greenlet less, and nothing piles up."""

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Return the next message; raise ``ConnectionClosed`` when there will be none. ``timeout`` is not heeded."""
        while self.connected and not self.input_buffer:
            try:
                data = self.sock.recv(self.receive_bytes)
                if not data:
                    raise ConnectionResetError
                self.ws.receive_data(data)
                self.connected = self._handle_events()
            except (OSError, LocalProtocolError):
                self.connected = False
        if self.input_buffer:
            message: str | bytes = self.input_buffer.pop(0)
            return message
        self.sock.close()
        raise simple_websocket.ConnectionClosed(self.close_reason, self.close_message)

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Say that the connection ends, and end it a moment later if the client does not."""
        try:
            super().close(reason, message)
        finally:
            # Whoever waits for a message of a client that is no longer there would wait for ever.
            gevent.spawn_later(LAST_WORDS_SECONDS, self.sock.cut)


class BoundedWebSocket(WebSocketWSGI):
    """Opens WebSockets that read no endless messages and do not compress, which would cost 300 kB a client."""

    largest_message = 0

    def __init__(self, handler: Callable[..., Any], server: Any) -> None:
        super().__init__(handler, server)
        self._engine_socket: EngineSocket = handler.__self__  # type: ignore[attr-defined]

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        # So that a client that reads nothing can be cut off.
        self._engine_socket.raw_socket = environ["gunicorn.socket"]  # type: ignore[attr-defined]
        environ["gunicorn.socket"] = WholeSocket(environ["gunicorn.socket"])
        options = self.server_args | {"thread_class": NoThread, "max_message_size": self.largest_message}
        self.ws = WebSocket(environ, **options)
        self.app(self)
        # How gunicorn is told that there is nothing to answer any more.
        raise StopIteration


def install(engine: Engine, *, largest_message: int) -> None:
    """Let ``engine`` open WebSockets as described here, for messages of at most ``largest_message`` bytes."""
    kind = type("BoundedWebSocket", (BoundedWebSocket,), {"largest_message": largest_message})
    engine._async = {**engine._async, "websocket": kind}
    start = engine.start_background_task

    def start_background_task(target: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        if getattr(target, "__func__", None) is EngineSocket._send_ping:
            # A timer instead of a greenlet that sleeps until the next ping.
            return gevent.spawn_later(engine.ping_interval, _ping, target.__self__)  # type: ignore[attr-defined]
        return start(target, *args, **keywords)

    def disconnect(engine_id: str) -> None:
        # The library's own waits until the client has read everything, which one that sends nonsense may never do.
        closed = engine.sockets.pop(engine_id, None)
        if closed is not None:
            closed.close(wait=False)

    engine.start_background_task = start_background_task
    engine.disconnect = disconnect


def cut(raw_socket: socket.socket) -> None:
    """End the connection, whoever waits for it; it may have ended already."""
    with contextlib.suppress(OSError):
        raw_socket.shutdown(socket.SHUT_RDWR)


def _ping(engine_socket: EngineSocket) -> None:
    if not engine_socket.closing and not engine_socket.closed:
        engine_socket.last_ping = time.time()
        engine_socket.send(packet.Packet(packet.PING))
