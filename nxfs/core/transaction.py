"""One transaction per use case: rows, event log and audit log are committed together, effects follow the commit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from operator import itemgetter
from typing import Any

import structlog
from gevent.lock import RLock
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from nxfs.core import audit, clock, event_log, revisions
from nxfs.core.audit import AuditEntry
from nxfs.core.database import end_reading
from nxfs.core.errors import APIError, ConflictError
from nxfs.core.events import Event
from nxfs.extensions import db

Conflicts = Mapping[str, Callable[[], APIError]]

log = structlog.get_logger("nxfs.transaction")

# SQLite has one writer. A greenlet that waited for it inside SQLite would stop the whole process, so greenlets of this
# process wait here. Nothing inside a transaction may yield: no network, no thread pool, no event delivery.
_sqlite_writer = RLock()


class Transaction:
    """What a service writes besides rows: events, audit entries and work for after the commit."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._events: list[dict[str, Any]] = []
        self._entries: list[dict[str, Any]] = []
        self._after_commit: list[Callable[[], object]] = []
        self._last_steps: list[tuple[str, Callable[[], object]]] = []
        self._is_in_last_steps = False

    def emit(self, event: Event, *, actor_id: int | None) -> None:
        """Write ``event`` to the event log when this transaction commits."""
        self._events.append(
            {
                "type": event.type,
                "actor_id": actor_id,
                "audience": list(event.audience),
                "payload": event.payload(),
                "occurred_at": clock.now(),
            }
        )

    def audit(
        self,
        action: str,
        *,
        actor_id: int | None,
        target: Any = None,
        changes: dict[str, Any] | None = None,
        outcome: str = "success",
    ) -> None:
        """Write an audit entry when this transaction commits; ``target`` is the model instance that was acted on."""
        source = audit.origin.get()
        # A new row has its id only after the flush.
        if target is not None and target.id is None:
            self.session.flush()
        self._entries.append(
            {
                "occurred_at": clock.now(),
                "actor_id": actor_id,
                "action": action,
                "target_type": type(target).__name__.lower() if target is not None else None,
                "target_id": target.id if target is not None else None,
                "changes": changes or None,
                "outcome": outcome,
                "request_id": source.request_id,
                "address": source.address,
                "user_agent": source.user_agent,
            }
        )

    def after_commit(self, effect: Callable[[], object]) -> None:
        """Call ``effect`` once the transaction is committed, never when it is rolled back."""
        self._after_commit.append(effect)

    def last(self, name: str, step: Callable[[], object]) -> None:
        """Call ``step`` right before the commit: for rows that many transactions write, so that none is locked long.

        All transactions take their last steps in the order of the names, and cannot wait for each other in a circle.
        Raises ``RuntimeError`` when a last step calls it.
        """
        if self._is_in_last_steps:
            raise RuntimeError(f"The last steps are being taken: it is too late to add '{name}' to them.")
        self._last_steps.append((name, step))

    def revise(self, subject: str) -> None:
        """Give ``subject`` a new revision when this transaction commits, so that caches of it are asked again."""
        name = f"revision {subject}"
        if all(name != known for known, _ in self._last_steps):
            self.last(name, lambda: revisions.count_up(self.session, subject))

    def _commit(self) -> None:
        self.session.flush()
        # One that is added from here on would never be taken.
        self._is_in_last_steps = True
        for _, step in sorted(self._last_steps, key=itemgetter(0)):
            step()
        if self._entries:
            self.session.execute(insert(AuditEntry), self._entries)
        if self._events:
            event_log.append(self.session, self._events)
        self.session.commit()
        if self._events:
            event_log.logged_here.set()


@contextmanager
def transaction(conflicts: Conflicts | None = None) -> Iterator[Transaction]:
    """Open the transaction of one use case, or join the one that is open.

    ``conflicts`` maps names of unique constraints to the errors they mean; any other violated constraint raises
    ``ConflictError``. Rows loaded before are read anew inside, so that decisions are made on what is locked.
    """
    session = db.session()
    joined: Transaction | None = session.info.get("transaction")
    if joined is not None:
        yield joined
        return
    # A read transaction that began earlier would hold an old snapshot, and on SQLite could not become a writer.
    session.rollback()
    session.expire_all()
    with _writer_lock(session):
        session.connection(execution_options={"is_writer": True})
        current = session.info["transaction"] = Transaction(session)
        try:
            yield current
            current._commit()
        except IntegrityError as error:
            session.rollback()
            raise _conflict(error, conflicts or {}) from error
        except BaseException:
            session.rollback()
            raise
        finally:
            del session.info["transaction"]
    for effect in current._after_commit:
        try:
            effect()
        except Exception as error:
            # What was asked for is committed; neither the client nor the other effects shall suffer.
            log.error("effect of a committed transaction failed", exc_info=error)


def release_connection() -> None:
    """Give the connection that reads have taken back to the pool, before something that takes its time.

    Raises ``RuntimeError`` inside of a transaction, where nothing may take its time and all would be rolled back.
    """
    if "transaction" in db.session().info:
        raise RuntimeError("A transaction is open: what takes its time has to be done before it.")
    end_reading()


def _writer_lock(session: Session) -> AbstractContextManager[object]:
    return _sqlite_writer if session.get_bind().dialect.name == "sqlite" else nullcontext()


def _conflict(error: IntegrityError, conflicts: Conflicts) -> APIError:
    name = _violated_constraint(error)
    return conflicts[name]() if name in conflicts else ConflictError()


def _violated_constraint(error: IntegrityError) -> str | None:
    """Return the name of the violated constraint; SQLite tells only the columns of a unique one."""
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        return diagnosis.constraint_name
    match = re.fullmatch(r"UNIQUE constraint failed: (.+)", str(error.orig))
    if match is None:
        return None
    table_name, columns = "", []
    for qualified in match.group(1).split(", "):
        table_name, _, column = qualified.partition(".")
        columns.append(column)
    table = db.metadata.tables.get(table_name)
    if table is None:
        return None
    for constraint in table.constraints:
        is_unique = isinstance(constraint, UniqueConstraint | PrimaryKeyConstraint)
        if is_unique and [column.name for column in constraint.columns] == columns:
            return str(constraint.name)
    for index in table.indexes:
        if index.unique and [column.name for column in index.columns] == columns:
            return str(index.name)
    return None
