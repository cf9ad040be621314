"""A real Chromium, whose pages are driven as a person would."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.realtime.node import MODULES, PROGRAMS, NodeProgram

# The browser's own build of the client, for `Page.add_script`.
SOCKET_IO_CLIENT = MODULES / "socket.io-client" / "dist" / "socket.io.min.js"
START_SECONDS = 60


@dataclass(frozen=True)
class ConsoleMessage:
    """One line of a page's console; ``kind`` is "log", "warn", "error" ..."""

    kind: str
    text: str


class Browser:
    """The browser; a context manager that ends with all its pages."""

    def __init__(self) -> None:
        self._pages: dict[int, Page] = {}
        self._ids = itertools.count(1)
        self.program = NodeProgram(PROGRAMS / "browser.mjs", self._hear)
        self.version = ""

    def __enter__(self) -> Self:
        self.program.__enter__()
        try:
            # The very first time it is unpacked.
            self.version = self.program.ask("start", timeout=START_SECONDS)["version"]
        except BaseException as error:
            self.program.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.__exit__(kind, error, trace)

    def page(self, timeout: float = 10) -> Page:
        """Return a new page with cookies and stores of its own; `timeout` is that of all it does."""
        page = Page(self.program, next(self._ids), timeout)
        self._pages[page.id] = page
        self.program.ask("open", page=page.id, timeout_ms=int(timeout * 1000), timeout=timeout + 5)
        return page

    def _hear(self, message: dict[str, Any]) -> None:
        self._pages[message["page"]].hear(message)


class Page:
    """One page. Selectors are those of CSS; what is to be filled or clicked is waited for."""

    def __init__(self, program: NodeProgram, identifier: int, timeout: float) -> None:
        self.id = identifier
        self._program = program
        self._timeout = timeout
        self._console: list[ConsoleMessage] = []
        self._errors: list[str] = []
        self._failed_requests: list[tuple[str, str]] = []

    @property
    def console(self) -> list[ConsoleMessage]:
        """Return the console so far. Chromium notes there too what the content policy has stopped."""
        with self._program.changed:
            return list(self._console)

    @property
    def errors(self) -> list[str]:
        """Return the exceptions of the page so far that nobody caught."""
        with self._program.changed:
            return list(self._errors)

    @property
    def failed_requests(self) -> list[tuple[str, str]]:
        """Return the requests so far that got no answer, as (address, reason)."""
        with self._program.changed:
            return list(self._failed_requests)

    def goto(self, url: str) -> int | None:
        """Open an address and return the status of the answer, once the page is loaded."""
        return self._ask("goto", url=url)

    def fill(self, selector: str, text: str) -> None:
        """Fill a field or choose an option."""
        self._ask("fill", selector=selector, text=text)

    def click(self, selector: str) -> None:
        """Click on something."""
        self._ask("click", selector=selector)

    def text(self, selector: str) -> str:
        """Return the text of the first match."""
        return self._ask("text", selector=selector)

    def wait_for_text(self, selector: str, text: str, timeout: float | None = None) -> None:
        """Wait until a match of ``selector`` contains ``text``; raise NodeError with what it has instead."""
        seconds = self._timeout if timeout is None else timeout
        self._ask("wait_for_text", seconds, selector=selector, text=text, timeout_ms=int(seconds * 1000))

    def evaluate(self, script: str) -> Any:
        """Return the value, as JSON knows it, of a JavaScript expression in the page; a promise is awaited."""
        return self._ask("evaluate", script=script)

    def add_script(self, path: Path) -> None:
        """Run a file in the page, whatever the content policy of the page says."""
        self._ask("evaluate", script=f"{path.read_text()}\n;null")

    def screenshot(self, path: Path) -> None:
        """Write a picture (PNG) of the whole page."""
        self._ask("screenshot", path=str(path))

    def close(self) -> None:
        """Close the page, with its cookies and stores."""
        self._ask("close")

    def hear(self, message: dict[str, Any]) -> None:
        """Take note of what has happened; called by the reader of the process."""
        match message["happened"]:
            case "console":
                self._console.append(ConsoleMessage(message["kind"], message["text"]))
            case "error":
                self._errors.append(message["text"])
            case "request_failed":
                self._failed_requests.append((message["url"], message["text"]))

    def _ask(self, command: str, seconds: float | None = None, **values: Any) -> Any:
        # The program's own time runs out first, and says more.
        timeout = (self._timeout if seconds is None else seconds) + 5
        return self._program.ask(command, page=self.id, timeout=timeout, **values)
