"""Uploads and parallel downloads, in a process of their own so that they cost the poller no time.

    python -m bench.media_client upload PORT FILE ROUNDS PARALLEL    the Authorization header on standard input
    python -m bench.media_client fetch COUNT URL ...                 COUNT requests at once, the addresses in turn

Prints JSON: of uploads the milliseconds of each and the last answer, of downloads status, digest and milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

BOUNDARY = "----nxfs-bench"
UPLOAD = "/api/blog/media/upload/"
TIMEOUT_SECONDS = 120


def main(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` ask for and return the exit code."""
    if arguments[0] == "upload":
        port, path, rounds, parallel = arguments[1:]
        return _upload(int(port), Path(path).read_bytes(), int(rounds), int(parallel), sys.stdin.read())
    return _fetch(int(arguments[1]), arguments[2:])


def _upload(port: int, content: bytes, rounds: int, parallel: int, authorization: str) -> int:
    body = (
        (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="IMG_2041.jpg"\r\n'
            "Content-Type: image/jpeg\r\n\r\n"
        ).encode()
        + content
        + f"\r\n--{BOUNDARY}--\r\n".encode()
    )
    headers = {"Authorization": authorization, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    times: list[float] = []
    answers: list[Any] = []
    failures: list[str] = []

    def upload(_: int, wait: Callable[[], object]) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        for _ in range(rounds):
            wait()
            began = time.perf_counter()
            connection.request("POST", UPLOAD, body, headers)
            response = connection.getresponse()
            answer = response.read()
            times.append((time.perf_counter() - began) * 1000)
            if response.status == 201:
                answers.append(json.loads(answer))
            else:
                failures.append(f"{response.status} {answer[:200]!r}")
        connection.close()

    _at_once(parallel, upload)
    return _tell({"times": times, "answer": answers[-1] if answers else None}, failures, len(times) - rounds * parallel)


def _fetch(count: int, urls: Sequence[str]) -> int:
    results: list[tuple[int, str, float]] = []

    def fetch(number: int, wait: Callable[[], object]) -> None:
        address = urlsplit(urls[number % len(urls)])
        connection = HTTPConnection(address.netloc, timeout=TIMEOUT_SECONDS)
        connection.connect()
        wait()
        began = time.perf_counter()
        connection.request("GET", f"{address.path}?{address.query}")
        response = connection.getresponse()
        content = response.read()
        took = (time.perf_counter() - began) * 1000
        digest = hashlib.sha256(content + str(response.headers["ETag"]).encode()).hexdigest()
        results.append((response.status, digest, took))
        connection.close()

    _at_once(count, fetch)
    return _tell(results, [], len(results) - count)


def _at_once(count: int, work: Callable[[int, Callable[[], object]], None]) -> None:
    barrier = threading.Barrier(count)
    threads = [threading.Thread(target=work, args=(number, barrier.wait), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _tell(results: Any, failures: Sequence[str], missing: int) -> int:
    print(json.dumps(results))
    print("\n".join(failures), file=sys.stderr, end="")
    return 1 if failures or missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
