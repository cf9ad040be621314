"""One leader among the processes: a lease in the database, which somebody else takes when it is not renewed."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from sqlalchemy import String, case, delete, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import Moment, insert_into
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.extensions import db

# A leader that was killed is missed after this time. It renews its lease four times in it, as the others look for one
# that is free: they take over within 25 seconds, after a stop in good order within 5.
LEASE = timedelta(seconds=20)
RENEWAL_SECONDS = 5.0
# A leader stops this long before others may begin: their clocks may differ, and what it has just begun takes a moment.
MARGIN = timedelta(seconds=5)

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Lease(db.Model):
    """Who does what only one process may do; ``holder`` names a process."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(100))
    taken_at: Mapped[Moment]
    expires_at: Mapped[Moment]


def process_name() -> str:
    """Return a name for this process that no other one has, on whatever machine and at whatever time."""
    return f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(4)}"


class Leadership:
    """Whether ``holder`` leads in the matter ``name``. It does nothing by itself: ``renew`` has to be called."""

    def __init__(self, name: str, holder: str) -> None:
        self.holder = holder
        self._name = name
        self._taken_at: datetime | None = None
        # By both clocks: the monotonic one stands still while a machine sleeps, the other one may be set back.
        self._leads_until = float("-inf")
        self._leads_until_moment = _LONG_AGO

    @property
    def is_leading(self) -> bool:
        """True as long as no other process can have taken the lease, by this process's own clocks; no database."""
        return monotonic() < self._leads_until and clock.now() < self._leads_until_moment

    def renew(self, write: Callable[[Transaction], object]) -> bool:
        """Keep the lease, or take it if it is free; return whether the holder leads from now on and did not before.

        When it is kept, and nobody else had it meanwhile, ``write`` is called in the same transaction, for what only
        the leader may write. Raises ``SQLAlchemyError`` when the database is away: the holder leads on until its time
        is up.
        """
        # Before anything that may take its time: what is promised to others has to last longer than what is believed.
        started, now = monotonic(), clock.now()
        if not self._is_mine_or_free(now):
            self._lose()
            return False
        with transaction() as tx:
            taken_at = self._take(tx, now)
            if taken_at is not None and taken_at == self._taken_at:
                write(tx)
        if taken_at is None:
            self._lose()
            return False
        was_leading = self.is_leading and taken_at == self._taken_at
        self._taken_at = taken_at
        self._leads_until = started + (LEASE - MARGIN).total_seconds()
        self._leads_until_moment = now + LEASE - MARGIN
        return self.is_leading and not was_leading

    def resign(self, write: Callable[[Transaction], object]) -> None:
        """Give the lease up, if the holder has it, so that another process takes it at its next look.

        ``write`` is called in the same transaction, as by ``renew``. Raises ``SQLAlchemyError``.
        """
        term = self._taken_at
        self._lose()
        with transaction() as tx:
            # Also one that it does not know of, because a connection was lost at the commit.
            is_mine = (Lease.name == self._name) & (Lease.holder == self.holder)
            taken_at = tx.session.scalar(delete(Lease).where(is_mine).returning(Lease.taken_at))
            if taken_at is not None and taken_at == term:
                write(tx)

    def _is_mine_or_free(self, now: datetime) -> bool:
        # Who does not lead looks every few seconds, and shall not wait for those who write.
        columns = select(Lease.holder, Lease.expires_at).where(Lease.name == self._name)
        lease = db.session.execute(columns).one_or_none()
        release_connection()
        return lease is None or lease.holder == self.holder or lease.expires_at <= now

    def _take(self, tx: Transaction, now: datetime) -> datetime | None:
        """Write that the holder has the lease, and return since when; None when it is somebody else's."""
        values = {"name": self._name, "holder": self.holder, "taken_at": now, "expires_at": now + LEASE}
        insertion = insert_into(Lease).values(values)
        new = insertion.excluded
        is_mine, is_over = Lease.holder == self.holder, Lease.expires_at <= now
        statement = insertion.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "holder": new.holder,
                "taken_at": case((is_mine & ~is_over, Lease.taken_at), else_=new.taken_at),
                "expires_at": new.expires_at,
            },
            where=or_(is_mine, is_over),
        )
        return tx.session.scalar(statement.returning(Lease.taken_at))

    def _lose(self) -> None:
        self._taken_at = None
        self._leads_until, self._leads_until_moment = float("-inf"), _LONG_AGO
