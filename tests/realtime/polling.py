"""A client of Socket.IO made of plain HTTP requests: it sends what a well-behaved client would not."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import requests

SEPARATOR = "\x1e"
# The server reads no more packets in one request.
PACKETS_AT_ONCE = 16
TIMEOUT = 20


class Polling:
    """One connection; packets are those of Engine.IO and Socket.IO, as text. Without a token it says not who it is."""

    def __init__(self, url: str, token: str | None, *, headers: Mapping[str, str] | None = None) -> None:
        self._http = requests.Session()
        self._http.headers.update(headers or {})
        self._url = f"{url}/socket.io/?EIO=4&transport=polling"
        handshake = self._http.get(self._url, timeout=TIMEOUT)
        handshake.raise_for_status()
        self._url += f"&sid={json.loads(handshake.text[1:])['sid']}"
        self._waiting: list[str] = []
        if token is not None:
            self.post("40" + json.dumps({"token": token}))
            self.receive("40")

    def post(self, *packets: str) -> None:
        """Send packets, as many in one request as the server reads."""
        for start in range(0, len(packets), PACKETS_AT_ONCE):
            body = SEPARATOR.join(packets[start : start + PACKETS_AT_ONCE]).encode()
            self._http.post(self._url, data=body, timeout=TIMEOUT).raise_for_status()

    def receive(self, prefix: str) -> str:
        """Return the next packet that begins with ``prefix``, without it; leave out others before it."""
        while True:
            while self._waiting:
                packet = self._waiting.pop(0)
                if packet.startswith(prefix):
                    return packet.removeprefix(prefix)
                if packet == "2":
                    self.post("3")
            answer = self._http.get(self._url, timeout=TIMEOUT)
            answer.raise_for_status()
            self._waiting = answer.content.decode().split(SEPARATOR)

    def acknowledgements(self, count: int) -> list[tuple[int, Any]]:
        """Return the next acknowledgements as (number, answer), in the order of arrival."""
        answers = []
        for _ in range(count):
            number, _, rest = self.receive("43").partition("[")
            answers.append((int(number), json.loads(f"[{rest}")[0]))
        return answers

    def emit(self, name: str, *values: Any) -> Any:
        """Send an event and return its acknowledgement."""
        return self.emit_text(json.dumps([name, *values]))

    def emit_text(self, text: str) -> Any:
        """Send an event that is written already as the JSON of its name and values, and return its acknowledgement."""
        self.post(f"421{text}")
        return self.acknowledgements(1)[0][1]

    def emit_bytes(self, name: str, attachment_in_base64: str) -> Any:
        """Send an event whose value is binary, and return its acknowledgement."""
        placeholder = json.dumps([name, {"_placeholder": True, "num": 0}])
        self.post(f"451-1{placeholder}", f"b{attachment_in_base64}")
        return self.acknowledgements(1)[0][1]

    def emit_many(self, name: str, values: Sequence[Any]) -> list[tuple[int, Any]]:
        """Send events without waiting for an answer in between, and return their acknowledgements as they came."""
        self.post(*(f"42{number}{json.dumps([name, value])}" for number, value in enumerate(values)))
        return self.acknowledgements(len(values))

    def close(self) -> None:
        """Say goodbye; the server may have closed the connection already."""
        with contextlib.suppress(requests.RequestException):
            self.post("1")
        self._http.close()
