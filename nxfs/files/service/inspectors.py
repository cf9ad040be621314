"""The child processes that look at uploads and make derivatives: bounded in number, time and memory."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import gevent
import structlog
from gevent.lock import BoundedSemaphore

from nxfs.config import PROJECT_ROOT
from nxfs.core.uploads import Upload
from nxfs.files.errors import InspectionBusyError, Refusal, refused
from nxfs.files.formats import MEGABYTE, UploadRule

COMMAND = (sys.executable, "-m", "nxfs.files.inspection.worker")
# One a core: more would only take the processor from each other.
MOST_CHILDREN = os.cpu_count() or 1
# The slowest legal file takes five seconds, on a busy machine several times as long; a hostile one shall not hold a
# child for longer.
SECONDS = 45
# How long a request waits for a child before its client is told to come back.
WAITING_SECONDS = 30
MOST_WAITING = 200
# A new child now and then, so that what a library leaks does not add up.
MOST_REQUESTS = 200

log = structlog.get_logger("nxfs.files")


class InspectorGoneError(Exception):
    """The child ended or took too long while it worked on a file."""


class Inspector:
    """One child process. It ends when this process does, however that happens: its standard input ends then."""

    def __init__(self) -> None:
        # Nothing of our environment: what handles hostile files has no use for our secrets.
        environment = {
            name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ
        }
        self._process = Popen(COMMAND, stdin=PIPE, stdout=PIPE, cwd=PROJECT_ROOT, env=environment)
        self.requests = 0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the child's answer to ``request``; raise ``InspectorGoneError`` when there is none in time."""
        self.requests += 1
        try:
            with gevent.Timeout(SECONDS):
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                self._process.stdin.flush()
                answer = self._process.stdout.readline()
        except (gevent.Timeout, OSError) as error:
            raise InspectorGoneError(f"no answer within {SECONDS} s") from error
        if not answer:
            raise InspectorGoneError("the child ended")
        return json.loads(answer)

    def is_running(self) -> bool:
        """Return whether the child is there and young enough for another request."""
        return self._process.poll() is None and self.requests < MOST_REQUESTS

    def end(self) -> None:
        """End the child at once."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


class Inspectors:
    """The children of this process, started when they are needed."""

    def __init__(self) -> None:
        self._idle: list[Inspector] = []
        self._free = BoundedSemaphore(MOST_CHILDREN)
        self._waiting = 0

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a child's answer to ``request``. Raise ``InspectionBusyError``, ``InspectorGoneError``."""
        with self._turn():
            inspector = self._idle.pop() if self._idle else Inspector()
            try:
                answer = inspector.ask(request)
            except BaseException:
                # Also when the client went away: the child is in the middle of something.
                inspector.end()
                raise
            if inspector.is_running():
                self._idle.append(inspector)
            else:
                inspector.end()
            return answer

    def end(self) -> None:
        """End the children that have nothing to do."""
        while self._idle:
            self._idle.pop().end()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if self._waiting >= MOST_WAITING:
            raise InspectionBusyError
        self._waiting += 1
        try:
            has_turn = self._free.acquire(timeout=WAITING_SECONDS)
        finally:
            self._waiting -= 1
        if not has_turn:
            raise InspectionBusyError
        try:
            yield
        finally:
            self._free.release()


inspectors = Inspectors()


def inspect(source: Path, target: Path, *, upload: Upload, rule: UploadRule) -> dict[str, Any]:
    """Let a child inspect the upload whose bytes are in ``source``, and write what is to be kept into ``target``.

    Return its findings: ``format``, ``size``, ``sha256``, ``width``, ``height``, ``duration``. Raise the error of the
    refusal under the upload's field, or ``InspectionBusyError``.
    """
    request = {
        "do": "inspect",
        "source": str(source),
        "target": str(target),
        "filename": upload.filename,
        "media_type": upload.media_type,
        "formats": list(rule.formats),
        "most_bytes": rule.most_bytes,
    }
    answer = _ask(request)
    if not answer["ok"]:
        refusal = Refusal[answer["refusal"]]
        log.info("upload refused", reason=refusal.name, media_type=upload.media_type)
        raise refused(refusal, upload.field, most=rule.most_bytes // MEGABYTE)
    return answer


def render(source: Path, target: Path, *, width: int) -> dict[str, Any] | None:
    """Let a child make the derivative of the image ``source``; return its ``width`` and ``height``, None if it cannot.

    Raise ``InspectionBusyError``.
    """
    answer = _ask({"do": "render", "source": str(source), "target": str(target), "width": width})
    return answer if answer["ok"] else None


def _ask(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return inspectors.ask(request)
    except InspectorGoneError as error:
        log.warning("inspection given up", do=request["do"], reason=str(error))
        return {"ok": False, "refusal": Refusal.TOO_DIFFICULT.name}
