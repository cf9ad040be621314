"""When users were last seen: noted in memory by whatever they do, and written together every few seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import gevent
from sqlalchemy import Date, literal, or_, select, update

from nxfs.auth.models import ActiveDay, User
from nxfs.core import clock
from nxfs.core.database import insert_into
from nxfs.core.settings import setting
from nxfs.core.transaction import transaction

# What is stored may be this old; each user costs one write in this time, through however many processes.
PRECISION = timedelta(seconds=30)
ROWS_AT_ONCE = 500
# Far more than are active within seconds; others are noted by what they do next.
MOST_NOTED = 50_000


class Sightings:
    """Who was seen since the last time that it was written."""

    def __init__(self) -> None:
        self._noted: set[int] = set()

    def note(self, user_ids: Iterable[int]) -> None:
        """Remember that the users are active at this moment."""
        if len(self._noted) < MOST_NOTED:
            self._noted.update(user_ids)

    def write(self) -> None:
        """Write that those who were noted were seen, unless that was written within ``PRECISION``."""
        noted, self._noted = sorted(self._noted), set()
        done = 0
        try:
            while done < len(noted):
                _write(noted[done : done + ROWS_AT_ONCE])
                done += ROWS_AT_ONCE
                gevent.sleep(0)
        finally:
            # After a failure it is tried again.
            self.note(noted[done:])


_sightings = Sightings()


def note(user_ids: Iterable[int]) -> None:
    """Remember that the users are active at this moment; no database."""
    _sightings.note(user_ids)


def write() -> None:
    """Write who was noted in this process."""
    _sightings.write()


def _write(user_ids: Sequence[int]) -> None:
    """Write that the users were seen, and on which day. It is no change of the accounts: versions stay."""
    now = clock.now()
    is_due = or_(User.last_seen.is_(None), User.last_seen <= now - PRECISION)
    # In the order of ids, so that processes which write at once do not wait for each other in a circle.
    due = select(User.id).where(User.id.in_(user_ids), is_due).order_by(User.id).with_for_update(key_share=True)
    statement = update(User).where(User.id.in_(due)).values(last_seen=now, updated_at=User.updated_at)
    today = literal(clock.today(setting("TIME_ZONE")), Date)
    seen = select(today, User.id).where(User.id.in_(user_ids)).order_by(User.id)
    days = insert_into(ActiveDay).from_select(["day", "user_id"], seen).on_conflict_do_nothing()
    with transaction() as tx:
        tx.session.execute(statement.execution_options(synchronize_session=False))
        tx.session.execute(days)
