"""A way to a server that can be shut, so that the server seems to be away, and opened again."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Gate:
    """Hands connections on to the server at ``url`` while it is open; a context manager that begins open."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._target = (address.hostname, address.port)
        self._connections: set[socket.socket] = set()
        self._is_open = True
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        self._server.shutdown()
        self._server.server_close()

    def open(self) -> None:
        """Hand on the connections from now on."""
        self._is_open = True

    def shut(self) -> None:
        """Break all connections, and every new one at once."""
        self._is_open = False
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def hand_on(self, near: socket.socket) -> None:
        """Carry bytes both ways until one side ends."""
        if not self._is_open:
            return
        with socket.create_connection(self._target) as far:
            pair = {near, far}
            self._connections |= pair
            back = threading.Thread(target=_carry, args=(far, near))
            back.start()
            _carry(near, far)
            back.join()
            self._connections -= pair


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def _handler_of(gate: Gate) -> type[socketserver.BaseRequestHandler]:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            gate.hand_on(self.request)

    return Handler


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
