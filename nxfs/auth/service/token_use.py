"""When API tokens were last used, and from where: noted in memory, and written together every few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from cachetools import LRUCache
from sqlalchemy import bindparam, update

from nxfs.auth.models import APIToken
from nxfs.core import audit, clock
from nxfs.core.transaction import transaction

# What is stored may be this old; each token costs one write in this time, in each process.
PRECISION = timedelta(minutes=1)
MOST_KNOWN = 10_000

# By the token's id: when it was noted last; what is still to be written, with the address that it was used from.
_known: LRUCache[int, datetime] = LRUCache(MOST_KNOWN)
_noted: dict[int, tuple[datetime, str | None]] = {}


def note(token_id: int) -> None:
    """Remember that the token is used by the present request, unless it was a moment ago; no database."""
    now = clock.now()
    if token_id in _known and now - _known[token_id] < PRECISION:
        return
    _known[token_id] = now
    _noted[token_id] = (now, audit.origin.get().address)


def write() -> None:
    """Write what was noted in this process."""
    uses = dict(_noted)
    if not uses:
        return
    _write(uses)
    for token_id, use in uses.items():
        # What was noted in the meantime is for the next time, and after a failure all is.
        if _noted.get(token_id) == use:
            del _noted[token_id]


def _write(uses: Mapping[int, tuple[datetime, str | None]]) -> None:
    # In the order of ids, so that processes which write at once do not wait for each other in a circle.
    values = [
        {"token_id": token_id, "moment": moment, "address": address}
        for token_id, (moment, address) in sorted(uses.items())
    ]
    columns = APIToken.__table__.c
    statement = update(APIToken.__table__).where(columns.id == bindparam("token_id"))
    written = statement.values(last_used_at=bindparam("moment"), last_used_address=bindparam("address"))
    with transaction() as tx:
        # Not by the mapper, which would miss a token whose owner was deleted in the meantime.
        tx.session.connection().execute(written, values)
