"""Streams of a real EventSource, many in one Node process."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.realtime.node import PROGRAMS, NodeProgram


@dataclass(frozen=True)
class ServerEvent:
    """One event of a stream; ``id`` is the last id that the stream has told, as EventSource has it."""

    id: str
    name: str
    data: str

    @property
    def payload(self) -> Any:
        """Return the data as JSON."""
        return json.loads(self.data)


@dataclass(frozen=True)
class StreamError:
    """What EventSource said of an error; ``closed`` if it has given up, else it connects again by itself."""

    status: int | None
    message: str
    closed: bool


@dataclass(frozen=True)
class Request:
    """How EventSource asked for the stream."""

    url: str
    last_event_id: str | None


@dataclass(frozen=True)
class Response:
    """What the server answered; ``body`` is that of a refusal."""

    status: int
    headers: Mapping[str, str]
    body: str | None


class EventSources:
    """The Node process of the streams; a context manager that ends with all of them."""

    def __init__(self) -> None:
        self._streams: dict[int, EventSource] = {}
        self._ids = itertools.count(1)
        self.program = NodeProgram(PROGRAMS / "event_source.mjs", self._hear)

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
        headers: Mapping[str, str] | None = None,
        wait: bool = True,
        timeout: float = 10,
    ) -> EventSource:
        """Ask for the stream at ``url`` and return it, once it is open or refused unless `wait` is false.

        A `token` is sent in the Authorization header, as no browser can; with a ticket in the address leave it out.
        """
        sent = dict(headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        stream = EventSource(self.program, next(self._ids))
        # Before the command: the first events can come before its answer.
        self._streams[stream.id] = stream
        self.program.ask("open", client=stream.id, url=url, headers=sent)
        if wait:
            stream.wait_until(lambda: stream.is_open or stream.errors, timeout)
        return stream

    def _hear(self, message: dict[str, Any]) -> None:
        self._streams[message["client"]].hear(message)


class EventSource:
    """One stream; what has come stands in lists, in the order of arrival."""

    def __init__(self, program: NodeProgram, identifier: int) -> None:
        self.id = identifier
        self.is_open = False
        self._program = program
        self._events: list[ServerEvent] = []
        self._errors: list[StreamError] = []
        self._requests: list[Request] = []
        self._responses: list[Response] = []

    @property
    def events(self) -> list[ServerEvent]:
        """Return the events so far."""
        with self._program.changed:
            return list(self._events)

    @property
    def errors(self) -> list[StreamError]:
        """Return the errors so far."""
        with self._program.changed:
            return list(self._errors)

    @property
    def requests(self) -> list[Request]:
        """Return the requests so far, one for each connection that was tried."""
        with self._program.changed:
            return list(self._requests)

    @property
    def responses(self) -> list[Response]:
        """Return the answers so far."""
        with self._program.changed:
            return list(self._responses)

    def use_token(self, token: str) -> None:
        """Send another token with the next request."""
        self._ask("headers", headers={"Authorization": f"Bearer {token}"})

    def cut(self) -> None:
        """Lose the connection; EventSource then connects again by itself, after the time that the server has told."""
        before = len(self.errors)
        self._ask("cut")
        self.wait_until(lambda: len(self._errors) > before)

    def close(self) -> None:
        """End the stream for good."""
        self._ask("close")
        with self._program.changed:
            self.is_open = False

    def wait_for(
        self, name: str, condition: Callable[[ServerEvent], Any] | None = None, timeout: float = 10, *, after: int = 0
    ) -> ServerEvent:
        """Return the first event of that name that fulfils ``condition``, once it has come.

        Events that came before count; `after` (an earlier ``len(stream.events)``) leaves out the first ones. Raises
        TimeoutError with what came instead.
        """

        def found() -> ServerEvent | None:
            matching = (
                event
                for event in self._events[after:]
                if event.name == name and (condition is None or condition(event))
            )
            return next(matching, None)

        return self._program.wait_until(found, timeout, lambda: f"no such {name}; {self._state()}")

    def wait_until(self, condition: Callable[[], Any], timeout: float = 10) -> Any:
        """Wait until ``condition`` returns something true, and return it; it is asked whenever something happened."""
        return self._program.wait_until(condition, timeout, lambda: f"the condition does not hold; {self._state()}")

    def hear(self, message: dict[str, Any]) -> None:
        """Take note of what has happened; called by the reader of the process."""
        match message["happened"]:
            case "event":
                self._events.append(ServerEvent(message["event_id"], message["name"], message["data"]))
            case "open":
                self.is_open = True
            case "error":
                self.is_open = False
                self._errors.append(StreamError(message["status"], message["message"], message["closed"]))
            case "request":
                self._requests.append(Request(message["url"], message["last_event_id"]))
            case "response":
                self._responses.append(Response(message["status"], message["headers"], message["body"]))

    def _ask(self, command: str, **values: Any) -> Any:
        return self._program.ask(command, client=self.id, **values)

    def _state(self) -> str:
        return f"open: {self.is_open}; errors: {self._errors}; last: {self._events[-10:]}"
