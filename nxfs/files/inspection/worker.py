"""The child process that looks at files: a question in JSON on each line of its input, an answer on each of its output.

It ends when its input ends, which is when its parent does.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from nxfs.files.errors import Refusal
from nxfs.files.formats import UploadRule
from nxfs.files.inspection.images import limit_pillow
from nxfs.files.inspection.inspect import inspect, render
from nxfs.files.inspection.pdf import limit_qpdf
from nxfs.files.inspection.verdict import Refused

MEGABYTE = 1024 * 1024
NICENESS = 10
# The libraries take 55 MB, an inspection up to 150 MB and the rarest of images 250 MB; a hostile file that finds a way
# around all other limits gets an error long before the machine runs out of memory.
MOST_ADDRESSES = 1024 * MEGABYTE
# An image of 50 megapixels waits in an unnamed file of 200 MB while it is turned.
MOST_FILE_BYTES = 256 * MEGABYTE
MOST_OPEN_FILES = 64
# glibc keeps what it once took in small pieces; large ones go back as soon as they are free.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 4 * MEGABYTE


def main() -> None:
    """Answer until the input ends."""
    _limit_process()
    limit_pillow()
    limit_qpdf()
    answers = _own_output()
    # The parent may be gone before it has its answer.
    with suppress(BrokenPipeError):
        for line in sys.stdin.buffer:
            answers.write(json.dumps(_answer(line)).encode() + b"\n")
            answers.flush()
    os._exit(0)


def _limit_process() -> None:
    os.nice(NICENESS)
    for kind, most in (
        (resource.RLIMIT_AS, MOST_ADDRESSES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, MOST_OPEN_FILES),
        (resource.RLIMIT_FSIZE, MOST_FILE_BYTES),
    ):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        try:
            resource.setrlimit(kind, (most, most))
        except (OSError, ValueError):
            # Not every system knows all of them.
            sys.stderr.write(f"inspection: limit {kind} cannot be set\n")
    _set_malloc()


def _set_malloc() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_TRIM_THRESHOLD, _LARGE_BYTES)


def _give_back() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _own_output() -> IO[bytes]:
    """Return the output for answers; whatever a library prints goes where errors go."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _answer(line: bytes) -> dict[str, Any]:
    _give_back()
    before = _reset_peak()
    try:
        question = json.loads(line)
        answer = {"ok": True, **_ACTIONS[question["do"]](question)}
    except Refused as refused:
        answer = {"ok": False, "refusal": refused.refusal.name}
    except MemoryError:
        answer = {"ok": False, "refusal": Refusal.TOO_DIFFICULT.name}
    # A file that makes a library stumble in a way that nobody has seen yet is not accepted either.
    except Exception:
        sys.stderr.write("inspection: " + repr(traceback.format_exc()) + "\n")
        sys.stderr.flush()
        answer = {"ok": False, "refusal": Refusal.DAMAGED.name}
    return {**answer, "peak_kb": _peak_since(before)}


def _inspect(question: Mapping[str, Any]) -> dict[str, Any]:
    inspected = inspect(
        Path(question["source"]),
        Path(question["target"]),
        filename=question["filename"],
        media_type=question["media_type"],
        rule=UploadRule(tuple(question["formats"]), question["most_bytes"]),
    )
    return asdict(inspected)


def _render(question: Mapping[str, Any]) -> dict[str, Any]:
    width, height = render(Path(question["source"]), Path(question["target"]), width=question["width"])
    return {"width": width, "height": height}


_ACTIONS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {"inspect": _inspect, "render": _render}


def _reset_peak() -> int | None:
    """Let the system measure the peak from now on, and return the memory in use in kB; None where it cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _memory("VmRSS")


def _peak_since(before: int | None) -> int | None:
    peak = None if before is None else _memory("VmHWM")
    return None if before is None or peak is None else max(0, peak - before)


def _memory(field: str) -> int | None:
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    return None


if __name__ == "__main__":
    main()
