"""How many requests each endpoint answered, how, and how fast: counted in memory, and added up together."""

from __future__ import annotations

import atexit
from dataclasses import dataclass
from datetime import datetime, timedelta

import gevent
from flask import Flask
from sqlalchemy import BigInteger, Double, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import Moment, insert_into
from nxfs.core.settings import setting
from nxfs.core.transaction import release_connection, transaction
from nxfs.core.turns import let_others_run
from nxfs.extensions import db

# The route of what is asked for at addresses that do not exist.
NO_ROUTE = "-"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
ROWS_AT_ONCE = 500
# Far more than there are endpoints. When the database is away for days, only what is known already goes on to be
# counted.
MOST_COUNTED = 20_000
HOURS_AT_ONCE = timedelta(hours=24)
# A process that stops gives up after this long.
FAREWELL_SECONDS = 3.0

Key = tuple[datetime, str, str]


class RequestCount(db.Model):
    """What one endpoint answered within an hour, in UTC. ``milliseconds`` is what it took altogether."""

    __tablename__ = "request_counts"

    hour: Mapped[Moment] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(String(10), primary_key=True)
    route: Mapped[str] = mapped_column(String(200), primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)
    client_errors: Mapped[int] = mapped_column(BigInteger)
    server_errors: Mapped[int] = mapped_column(BigInteger)
    milliseconds: Mapped[float] = mapped_column(Double)


@dataclass
class _Count:
    requests: int = 0
    client_errors: int = 0
    server_errors: int = 0
    milliseconds: float = 0.0

    def add(self, other: _Count) -> None:
        self.requests += other.requests
        self.client_errors += other.client_errors
        self.server_errors += other.server_errors
        self.milliseconds += other.milliseconds


class RequestCounts:
    """What this process has answered since the last time that it was written."""

    def __init__(self) -> None:
        self._counted: dict[Key, _Count] = {}

    def note(self, *, method: str, route: str | None, status: int, milliseconds: float) -> None:
        """Count a request that was answered at this moment; ``route`` is None when its address does not exist."""
        hour = clock.now().replace(minute=0, second=0, microsecond=0)
        # What clients make up is one row, however much they make up.
        key = (hour, method if method in METHODS else OTHER_METHOD, (route or NO_ROUTE)[:200])
        self._add(key, _Count(1, int(400 <= status < 500), int(status >= 500), milliseconds))

    def write(self) -> None:
        """Add what was counted to what all processes have written. What fails is tried again the next time."""
        counted, self._counted = sorted(self._counted.items()), {}
        done = 0
        try:
            while done < len(counted):
                _write(counted[done : done + ROWS_AT_ONCE])
                done += ROWS_AT_ONCE
                let_others_run()
        finally:
            for key, count in counted[done:]:
                self._add(key, count)

    def _add(self, key: Key, count: _Count) -> None:
        known = self._counted.get(key)
        if known is not None:
            known.add(count)
        elif len(self._counted) < MOST_COUNTED:
            self._counted[key] = count


_counts = RequestCounts()


def note(*, method: str, route: str | None, status: int, milliseconds: float) -> None:
    """Count a request that was answered at this moment; no database."""
    _counts.note(method=method, route=route, status=status, milliseconds=milliseconds)


def write() -> None:
    """Write what was counted in this process."""
    _counts.write()


def start(app: Flask) -> None:
    """Write what is counted also when the process ends."""
    atexit.register(_write_at_the_end, app)


def prune() -> int:
    """Delete what is older than ``REQUEST_COUNT_RETENTION_DAYS``, a day at a time; return how many rows that were."""
    before = clock.now() - timedelta(days=setting("REQUEST_COUNT_RETENTION_DAYS"))
    total = 0
    while True:
        # Most runs find nothing, and shall not wait for those who write.
        first = db.session.scalar(select(func.min(RequestCount.hour)))
        release_connection()
        if first is None or first >= before:
            return total
        doomed = delete(RequestCount).where(RequestCount.hour < min(first + HOURS_AT_ONCE, before))
        with transaction() as tx:
            total += tx.session.execute(doomed.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]
        let_others_run()


def _write_at_the_end(app: Flask) -> None:
    # The database may be away; the process is not to wait for it.
    with gevent.Timeout(FAREWELL_SECONDS, False), app.app_context():
        write()


def _write(counted: list[tuple[Key, _Count]]) -> None:
    # In the order of the keys, so that processes which write at once do not wait for each other in a circle.
    rows = [{"hour": hour, "method": method, "route": route, **vars(count)} for (hour, method, route), count in counted]
    statement = insert_into(RequestCount).values(rows)
    added = {name: RequestCount.__table__.c[name] + statement.excluded[name] for name in vars(_Count())}
    keys = [RequestCount.hour, RequestCount.method, RequestCount.route]
    with transaction() as tx:
        tx.session.execute(statement.on_conflict_do_update(index_elements=keys, set_=added))
