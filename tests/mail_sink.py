"""A small SMTP server for tests, which keeps the letters that it gets."""

from __future__ import annotations

import queue
import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Self


class MailSink:
    """An SMTP server in a thread; a context manager. ``refusal`` is what it answers to every recipient instead."""

    def __init__(self, refusal: str | None = None) -> None:
        self.recipients: list[str] = []
        self._letters: queue.Queue[EmailMessage] = queue.Queue()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler_of(self, refusal))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The address to set as ``SMTP_URL``."""
        return f"smtp://127.0.0.1:{self._server.server_address[1]}"

    @property
    def is_empty(self) -> bool:
        """True when no letter waits to be taken."""
        return self._letters.empty()

    def take(self, seconds: float = 5) -> EmailMessage:
        """Return the oldest letter that was not taken, waiting for it if need be."""
        return self._letters.get(timeout=seconds)

    def put(self, data: bytes) -> None:
        """Keep a letter."""
        self._letters.put(message_from_bytes(data, policy=policy.default))  # type: ignore[arg-type]


def _handler_of(sink: MailSink, refusal: str | None) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._answer("220 sink")
            while line := self.rfile.readline().decode().strip():
                command = line.split()[0].upper()
                if command == "RCPT":
                    sink.recipients.append(line.partition("<")[2].partition(">")[0])
                    self._answer(refusal or "250 ok")
                elif command == "DATA":
                    self._answer("354 go on")
                    sink.put(self._read_letter())
                    self._answer("250 ok")
                elif command == "QUIT":
                    self._answer("221 bye")
                    return
                else:
                    self._answer("250 sink")

        def _read_letter(self) -> bytes:
            lines = iter(self.rfile.readline, b".\r\n")
            return b"".join(line.removeprefix(b".") if line.startswith(b"..") else line for line in lines)

        def _answer(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    return Handler
