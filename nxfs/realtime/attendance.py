"""Who is in which room, as the database has it: a row for each process, an event for the first to come and last to go.

Each function is a transaction that one process at a time makes, so that of all processes exactly one finds a user to be
the first or the last. Joins minus leaves of a user and a room, as the event log has them, are therefore 0 or 1.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, text, tuple_, update

from nxfs.core import clock
from nxfs.core.database import insert_into
from nxfs.core.transaction import Transaction, transaction
from nxfs.realtime.events import UserJoined, UserLeft
from nxfs.realtime.models import Presence, ServerProcess

# A room and the id of a user in it.
Key = tuple[str, int]

ROWS_AT_ONCE = 500
# A process that was not seen for this long is dead.
UNSEEN = timedelta(seconds=30)
# Those who were connected to a process that ends in good order have this time to connect to another one.
RESTART = timedelta(seconds=15)
# When a process was seen whose people are being taken away, which may take several transactions.
_CONDEMNED = datetime(1970, 1, 1, tzinfo=UTC)
# SQLite has one writer anyway.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('nxfs presence'))")
_KEY = tuple_(Presence.room, Presence.user_id)


def write(process_id: str, *, here: Sequence[Key], gone: Sequence[Key]) -> bool:
    """Write who is in a room through this process and who is no longer, at most ``ROWS_AT_ONCE`` together.

    Emits ``UserJoined`` and ``UserLeft`` for those who are in the room through no other process. Returns False when the
    database did not know the process: whatever it wrote before was taken away.
    """
    with _alone() as tx:
        is_known = _see(tx, process_id)
        elsewhere = _find_since(tx, [*here, *gone], Presence.process_id != process_id)
        for room, user_id in _insert(tx, process_id, here, elsewhere):
            if (room, user_id) not in elsewhere:
                tx.emit(UserJoined(user_id=user_id, room=room), actor_id=user_id)
        for key in _delete(tx, gone, Presence.process_id == process_id):
            if key not in elsewhere:
                _emit_left(tx, key)
    return is_known


def keep_alive(process_id: str) -> bool:
    """Write that the process is alive; return as ``write`` does."""
    with _alone() as tx:
        return _see(tx, process_id)


def retire(process_id: str) -> None:
    """Write that the process ends: its people stay for the time of a restart."""
    with _alone() as tx:
        seen_at = clock.now() - UNSEEN + RESTART
        tx.session.execute(update(ServerProcess).where(ServerProcess.id == process_id).values(seen_at=seen_at))


def sweep(process_id: str) -> bool:
    """Take away ``ROWS_AT_ONCE`` people of processes that are dead; return whether there may be more.

    Emits ``UserLeft`` for those who are in the room through no other process. ``process_id`` is who sweeps.
    """
    with _alone() as tx:
        is_dead = (ServerProcess.seen_at <= clock.now() - UNSEEN) & (ServerProcess.id != process_id)
        # Should such a process be alive after all, it learns that it has to write its people again.
        condemned = update(ServerProcess).where(is_dead).values(seen_at=_CONDEMNED).returning(ServerProcess.id)
        process_ids = tx.session.scalars(condemned.execution_options(synchronize_session=False)).all()
        if not process_ids:
            return False
        columns = (Presence.room, Presence.user_id, Presence.process_id)
        some = select(*columns).where(Presence.process_id.in_(process_ids)).limit(ROWS_AT_ONCE)
        statement = delete(Presence).where(tuple_(*columns).in_(some)).returning(Presence.room, Presence.user_id)
        gone = tx.session.execute(statement.execution_options(synchronize_session=False)).all()
        keys = {(row.room, row.user_id) for row in gone}
        for key in sorted(keys - _find_since(tx, keys).keys()):
            _emit_left(tx, key)
        if len(gone) < ROWS_AT_ONCE:
            tx.session.execute(delete(ServerProcess).where(ServerProcess.id.in_(process_ids)))
    return len(gone) == ROWS_AT_ONCE


@contextmanager
def _alone() -> Iterator[Transaction]:
    with transaction() as tx:
        if tx.session.get_bind().dialect.name == "postgresql":
            tx.session.execute(_LOCK)
        yield tx


def _see(tx: Transaction, process_id: str) -> bool:
    """Write that the process is alive; return False if it was not known, or is taken for dead."""
    now = clock.now()
    is_known = (ServerProcess.id == process_id) & (ServerProcess.seen_at > _CONDEMNED)
    if tx.session.execute(update(ServerProcess).where(is_known).values(seen_at=now)).rowcount:
        return True
    statement = insert_into(ServerProcess)
    values = {"id": process_id, "started_at": now, "seen_at": now}
    tx.session.execute(statement.values(values).on_conflict_do_update(index_elements=["id"], set_={"seen_at": now}))
    return False


def _find_since(tx: Transaction, keys: Collection[Key], *conditions: ColumnElement[bool]) -> dict[Key, datetime]:
    """Return since when those of ``keys`` are there that have a row which meets ``conditions``."""
    if not keys:
        return {}
    since = func.min(Presence.since, type_=Presence.since.type)
    statement = select(Presence.room, Presence.user_id, since).where(_KEY.in_(keys), *conditions)
    rows = tx.session.execute(statement.group_by(Presence.room, Presence.user_id))
    return {(room, user_id): moment for room, user_id, moment in rows}


def _insert(tx: Transaction, process_id: str, keys: Sequence[Key], since: dict[Key, datetime]) -> list[Key]:
    """Add rows for ``keys``, those of ``since`` with that time; return of which there was none, in their order."""
    if not keys:
        return []
    now = clock.now()
    rows = [{"room": key[0], "user_id": key[1], "process_id": process_id, "since": since.get(key, now)} for key in keys]
    statement = insert_into(Presence).on_conflict_do_nothing()
    added = tx.session.execute(statement.returning(Presence.room, Presence.user_id), rows)
    new = {(row.room, row.user_id) for row in added}
    return [key for key in keys if key in new]


def _delete(tx: Transaction, keys: Sequence[Key], *conditions: ColumnElement[bool]) -> list[Key]:
    """Delete the rows of ``keys`` that meet ``conditions``; return which there were."""
    if not keys:
        return []
    statement = delete(Presence).where(_KEY.in_(keys), *conditions).returning(Presence.room, Presence.user_id)
    gone = tx.session.execute(statement.execution_options(synchronize_session=False))
    return sorted((row.room, row.user_id) for row in gone)


def _emit_left(tx: Transaction, key: Key) -> None:
    tx.emit(UserLeft(user_id=key[1], room=key[0]), actor_id=key[1])
