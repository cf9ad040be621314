"""Who sends bulk updates with keys while the server may be killed at any moment."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

from bench.bulk_remains import Batch

PATH = "/api/tasks/bulk-update/"
TIMEOUT_SECONDS = 60


class Client(threading.Thread):
    """Sends batches, one after the other, until there are no more or the connection breaks."""

    def __init__(self, port: int, token: str, batches: Iterator[Batch]) -> None:
        super().__init__(daemon=True)
        self.is_doomed = False
        self.sent: list[Batch] = []
        self.failure: str | None = None
        self._sender = Sender(port, token)
        self._batches = batches

    def run(self) -> None:
        try:
            for batch in self._batches:
                self.sent.append(batch)
                status, body, is_replayed = self._sender.send(batch)
                if status != status_of(batch) or is_replayed:
                    self.failure = f"Batch {batch.due_date} was answered {status}: {body[:300]!r}"
                    return
                batch.answer = status, body
        except (OSError, HTTPException) as error:
            # After the kill this is the end; whether the last batch was done is for the check to find out.
            if not self.is_doomed:
                self.failure = f"The connection broke before the kill: {error!r}"
        finally:
            self._sender.close()


class Sender:
    """One connection to the server that sends batches with their keys."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def send(self, batch: Batch) -> tuple[int, bytes, bool]:
        """Return the status and the body of the answer, and whether it is one that was given before."""
        headers = {**self._headers, "Idempotency-Key": batch.key}
        if batch.is_job:
            headers["Prefer"] = "respond-async"
        body = json.dumps({"task_ids": batch.task_ids, "updates": batch.updates()})
        self._connection.request("POST", PATH, body, headers)
        response = self._connection.getresponse()
        return response.status, response.read(), response.headers.get("Idempotency-Replayed") == "true"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def status_of(batch: Batch) -> int:
    """Return the status that the batch must be answered."""
    return 202 if batch.is_job else 200
