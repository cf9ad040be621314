"""Failures that come again each second while something is away: told at once, and then now and again."""

from __future__ import annotations

import time

import structlog

PAUSE_SECONDS = 60.0

log = structlog.get_logger("nxfs.jobs")


class Complaint:
    """One thing that may fail again and again."""

    def __init__(self, message: str) -> None:
        self._message = message
        self._told_at = float("-inf")

    def tell(self, error: Exception) -> None:
        """Log that it has failed, unless that was done within the last minute."""
        if time.monotonic() - self._told_at < PAUSE_SECONDS:
            return
        self._told_at = time.monotonic()
        log.error(self._message, exc_info=error)
