"""Connections of the real socket.io-client, many in one Node process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.realtime.node import PROGRAMS, NodeProgram

WEBSOCKET = ("websocket",)
POLLING = ("polling",)


@dataclass(frozen=True)
class ConnectError:
    """A connection that did not come about: what the server or the network said."""

    message: str
    data: Any


class Refused(Exception):
    """The server did not let the client connect; ``error`` is what it said."""

    def __init__(self, error: ConnectError) -> None:
        super().__init__(f"{error.message}: {error.data}")
        self.error = error


class SocketClients:
    """The Node process of the connections; a context manager that ends with all of them."""

    def __init__(self) -> None:
        self._clients: dict[int, SocketClient] = {}
        self._ids = itertools.count(1)
        self.program = NodeProgram(PROGRAMS / "socket_client.mjs", self._hear)

    def __enter__(self) -> Self:
        self.program.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.__exit__(kind, error, trace)

    def open(
        self,
        url: str,
        *,
        token: str | None = None,
        auth: Mapping[str, Any] | None = None,
        transports: Sequence[str] | None = None,
        reconnection: bool = False,
        reconnection_delay: float = 0.05,
        wait: bool = True,
        timeout: float = 10,
        **options: Any,
    ) -> SocketClient:
        """Connect to the server at ``url`` and return the client, once it is connected unless `wait` is false.

        `auth` is what the server is told, by default the token alone. Without `transports` the client begins with
        polling and upgrades, as it does by default. Further `options` are socket.io-client's own (``path``,
        ``extraHeaders``). Raises Refused if the connection fails, TimeoutError if nothing happens.
        """
        if auth is None:
            auth = {} if token is None else {"token": token}
        options |= {"reconnection": reconnection, "reconnectionDelay": int(reconnection_delay * 1000)}
        if transports:
            options["transports"] = list(transports)
        client = SocketClient(self.program, next(self._ids))
        # Before the command: the first events can come before its answer.
        self._clients[client.id] = client
        self.program.ask("open", client=client.id, url=url, auth=auth, options=options)
        if wait:
            client.wait_until_connected(timeout)
        return client

    def _hear(self, message: dict[str, Any]) -> None:
        self._clients[message["client"]].hear(message)


class SocketClient:
    """One client; what it has received stands in lists, in the order of arrival."""

    def __init__(self, program: NodeProgram, identifier: int) -> None:
        self.id = identifier
        self.is_connected = False
        self.socket_ids: list[str] = []
        self.transport: str | None = None
        self._program = program
        self._events: list[tuple[str, Any]] = []
        self._disconnects: list[str] = []
        self._errors: list[ConnectError] = []

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Return the events so far, as (name, payload)."""
        with self._program.changed:
            return list(self._events)

    @property
    def disconnects(self) -> list[str]:
        """Return the reasons of the ends of its connections."""
        with self._program.changed:
            return list(self._disconnects)

    @property
    def errors(self) -> list[ConnectError]:
        """Return the connections that did not come about."""
        with self._program.changed:
            return list(self._errors)

    def payloads(self, name: str) -> list[Any]:
        """Return the payloads of the events of that name."""
        return [payload for event, payload in self.events if event == name]

    def join(self, room: str, since: int | None = None, presence: bool = False) -> Any:
        """Join a room and return the acknowledgement."""
        payload: dict[str, Any] = {"room": room}
        if since is not None:
            payload["since"] = since
        if presence:
            payload["presence"] = True
        return self.emit("join_room", payload)

    def leave(self, room: str) -> Any:
        """Leave a room and return the acknowledgement."""
        return self.emit("leave_room", {"room": room})

    def emit(self, name: str, *values: Any, timeout: float = 10) -> Any:
        """Emit an event and return its acknowledgement.

        Raises TimeoutError if none comes, ConnectionError if the connection ends before.
        """
        answer = self._ask("emit", name=name, values=values, timeout_ms=int(timeout * 1000), timeout=timeout + 5)
        if answer.get("missing") == "operation has timed out":
            raise TimeoutError(f"After {timeout} s: {name} was not acknowledged")
        if "missing" in answer:
            raise ConnectionError(f"{name}: {answer['missing']}")
        return _payload(answer["values"])

    def send(self, name: str, *values: Any) -> None:
        """Emit an event without asking for an acknowledgement."""
        self._ask("send", name=name, values=values)

    def use_token(self, token: str) -> None:
        """Take another token for the next connection, an automatic one too."""
        self.use_auth({"token": token})

    def use_auth(self, auth: Mapping[str, Any]) -> None:
        """Tell the server something else at the next connection, an automatic one too."""
        self._ask("auth", auth=auth)

    def close(self) -> None:
        """Disconnect as a client does that is done; return when it is."""
        self._ask("close")
        self.wait_until(lambda: not self.is_connected)

    def cut(self) -> None:
        """Lose the connection without a word to the server; return when the client knows.

        With `reconnection` it connects again by itself.
        """
        before = len(self.disconnects)
        self._ask("cut")
        self.wait_for_disconnect(after=before)

    def reopen(self, timeout: float = 10) -> None:
        """Connect again, and return when it is."""
        errors = len(self.errors)
        self._ask("reopen")
        self.wait_until_connected(timeout, after_errors=errors)

    def stall(self) -> None:
        """Read nothing more from the connection, which stands; for clients that use WebSocket alone."""
        self._ask("stall")

    def resume(self) -> None:
        """Read again."""
        self._ask("resume")

    def wait_for(
        self, name: str, condition: Callable[[Any], Any] | None = None, timeout: float = 10, *, after: int = 0
    ) -> Any:
        """Return the payload of the first event of that name that fulfils ``condition``, once it has come.

        Events that came before count; `after` (an earlier ``len(client.events)``) leaves out the first ones. Raises
        TimeoutError with what came instead.
        """

        def found() -> tuple[Any] | None:
            matching = (
                (payload,)
                for event, payload in self._events[after:]
                if event == name and (condition is None or condition(payload))
            )
            return next(matching, None)

        return self._program.wait_until(found, timeout, lambda: f"no such {name}; {self._state()}")[0]

    def wait_until(self, condition: Callable[[], Any], timeout: float = 10) -> Any:
        """Wait until ``condition`` returns something true, and return it; it is asked whenever something happened."""
        return self._program.wait_until(condition, timeout, lambda: f"the condition does not hold; {self._state()}")

    def wait_for_disconnect(self, timeout: float = 10, *, after: int = 0) -> str:
        """Wait until a connection has ended, not counting the first ``after`` ones, and return the newest reason."""
        self.wait_until(lambda: len(self._disconnects) > after, timeout)
        return self.disconnects[-1]

    def wait_until_connected(self, timeout: float = 10, *, after_errors: int = 0) -> None:
        """Wait until the client is connected; raise Refused if it is turned away instead."""
        self.wait_until(lambda: self.is_connected or len(self._errors) > after_errors, timeout)
        if not self.is_connected:
            raise Refused(self.errors[-1])

    def hear(self, message: dict[str, Any]) -> None:
        """Take note of what has happened; called by the reader of the process."""
        match message["happened"]:
            case "event":
                self._events.append((message["name"], _payload(message["values"])))
            case "connect":
                self.is_connected = True
                self.transport = message["transport"]
                self.socket_ids.append(message["socket_id"])
            case "upgrade":
                self.transport = message["transport"]
            case "disconnect":
                self.is_connected = False
                self._disconnects.append(message["reason"])
            case "connect_error":
                self._errors.append(ConnectError(message["message"], message["data"]))

    def _ask(self, command: str, **values: Any) -> Any:
        return self._program.ask(command, client=self.id, **values)

    def _state(self) -> str:
        last = ", ".join(f"{name} {payload}" for name, payload in self._events[-10:])
        return f"connected: {self.is_connected}; disconnects: {self._disconnects}; errors: {self._errors}; last: {last}"


def _payload(values: Sequence[Any]) -> Any:
    if len(values) == 1:
        return values[0]
    return list(values) or None
