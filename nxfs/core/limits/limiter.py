"""Counting against the named limits of the running application: in Redis if there is one, else in this process."""

from __future__ import annotations

import structlog
from flask import Flask, current_app, g, has_request_context

from nxfs.core.limits.errors import TooManyRequestsError
from nxfs.core.limits.memory import MemoryCounters
from nxfs.core.limits.rules import Counters, Outcome, Quota, Standing, quotas_of
from nxfs.core.limits.shared import AwayError, RedisCounters

EXTENSION = "limits"

log = structlog.get_logger("nxfs.limits")


class Limiter:
    """The limits of one application.

    ``shared`` counts for all processes. While it is away this process counts by itself, with ``share`` percent of each
    quota: together the processes allow about as much as before, and never any number.
    """

    def __init__(
        self,
        quotas: dict[str, tuple[Quota, ...]],
        *,
        share: int,
        local: MemoryCounters | None = None,
        shared: RedisCounters | None = None,
    ) -> None:
        self.quotas = quotas
        self._shared = shared
        self._local = local or MemoryCounters()
        self._is_away = False
        self._parts = {name: tuple(each.part(share) for each in rates) for name, rates in quotas.items()}

    @property
    def is_shared(self) -> bool:
        """True when all processes count together."""
        return self._shared is not None

    @property
    def counters(self) -> Counters:
        """Where units are counted when nothing is away."""
        return self._shared or self._local

    def spend(self, limit: str, subject: str, units: int) -> Outcome:
        """Use ``units`` of the quotas that ``subject`` has by ``limit``, or of none of them. Never fails."""
        if self._shared is None:
            return self._local.spend(subject, self.quotas[limit], units)
        try:
            outcome = self._shared.spend(subject, self.quotas[limit], units)
        except AwayError as error:
            if not self._is_away:
                log.error("Redis is away; limits are counted here, with a share of each quota", exc_info=error)
            self._is_away = True
            return self._local.spend(subject, self._parts[limit], units)
        if self._is_away:
            log.info("Redis is back; limits are counted there again")
            self._is_away = False
        return outcome

    def look(self, subject: str) -> list[Standing]:
        """Return how ``subject`` stands by all limits of which it has used something.

        Raises ``AwayError``.
        """
        quotas = {each.key(subject): each for rates in self.quotas.values() for each in rates}
        return list(self.counters.look(quotas).values())

    def reset(self, subject: str | None) -> int:
        """Forget what ``subject`` has used, or everybody, and return how many counters there were.

        Raises ``AwayError``.
        """
        if subject is None:
            return self.counters.clear_all()
        return self.counters.clear([each.key(subject) for rates in self.quotas.values() for each in rates])


def install(app: Flask) -> None:
    """Give ``app`` its limits, unless they are switched off."""
    if app.config["RATELIMIT_ENABLED"]:
        url = app.config["REDIS_URL"]
        app.extensions[EXTENSION] = Limiter(
            quotas_of(app.config),
            share=app.config["RATELIMIT_FALLBACK_SHARE"],
            shared=RedisCounters(url) if url else None,
        )


def current_limiter() -> Limiter | None:
    """Return the limits of the running application, None when they are switched off."""
    limiter: Limiter | None = current_app.extensions.get(EXTENSION)
    return limiter


def forget(subject: str) -> None:
    """Let ``subject`` begin anew with all its quotas; raises ``AwayError``."""
    limiter = current_limiter()
    if limiter is not None:
        limiter.reset(subject)


def spend(limit: str, subject: str, units: int = 1) -> None:
    """Count ``units`` of ``subject`` (``user:7``, ``address:…``, ``account:…``) against the limit of this name.

    Raises ``TooManyRequestsError``, and counts nothing, when they do not fit into a quota. Call it before anything is
    written. How all quotas stand comes into the headers of the answer, if a request is under way.
    """
    limiter = current_limiter()
    if limiter is None:
        return
    outcome = limiter.spend(limit, subject, units)
    if has_request_context():
        g.standings = [*g.get("standings", ()), *outcome.standings]
    if outcome.refused:
        raise TooManyRequestsError(retry_after=max(each.reset_after for each in outcome.refused))
