"""One transaction per use case: rows, event log and audit log are committed together, effects follow the commit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from operator import itemgetter
from typing import Any

import structlog
from gevent.lock import RLock
from sqlalchemy import PrimaryKeyConstraint, UniqueConstraint, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from nxfs.core import audit, audit_chain, clock, event_log, revisions
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
        self._after_rollback: list[Callable[[], object]] = []
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
        """Write an audit entry when this transaction commits; ``target`` is the model instance that was acted on.

        Secrets in ``changes`` are redacted. Raises ``UnknownActionError`` when no domain has the ``action``.
        """
        audit.require_known(action)
        source = audit.origin.get()
        # A new row has its id only after the flush.
        if target is not None and target.id is None:
            self.session.flush()
        entry = {
            "occurred_at": clock.now(),
            "actor_id": actor_id,
            "action": action,
            "target_type": type(target).__name__.lower() if target is not None else None,
            "target_id": target.id if target is not None else None,
            "changes": audit.redacted(changes) if changes else None,
            "outcome": outcome,
            "request_id": source.request_id,
            "address": source.address,
            "user_agent": source.user_agent,
        }
        self._entries.append(audit_chain.ready_to_chain(entry))

    def after_commit(self, effect: Callable[[], object]) -> None:
        """Call ``effect`` once the transaction is committed, never when it is rolled back."""
        self._after_commit.append(effect)

    def after_rollback(self, effect: Callable[[], object]) -> None:
        """Call ``effect`` once the transaction is rolled back, never when it is committed."""
        self._after_rollback.append(effect)

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
            # Each day is locked from its first entry to the commit: all transactions lock the earlier one first.
            # Into the table: the mapper would need a statement for each set of columns that are not null.
            self.session.execute(insert(AuditEntry.__table__), sorted(self._entries, key=itemgetter("day")))
        if self._events:
            event_log.append(self.session, self._events)
        self.session.commit()
        if self._events:
            event_log.logged_here.set()


class OneCommit:
    """One commit of what is written in several blocks of ``transaction()``, or in a single one."""

    def __init__(self, session: Session, on_begin: Callable[[Session], object] | None = None) -> None:
        self._session = session
        self._on_begin = on_begin
        self._writer_lock = ExitStack()
        self.current: Transaction | None = None
        self.is_in_block = False

    @contextmanager
    def block(self, conflicts: Conflicts | None) -> Iterator[Transaction]:
        """Begin, or go on with what former blocks began; when the block fails, all of them are rolled back."""
        with self._nothing_kept_on_failure(conflicts):
            current = self.current or self._begin()
            # What was loaded before is read anew, also between the blocks.
            self._session.expire_all()
            self.is_in_block = True
            try:
                yield current
            finally:
                self.is_in_block = False
            # A constraint that this block violates is one of its own conflicts.
            self._session.flush()

    def commit(self, conflicts: Conflicts | None = None, *, first: Callable[[Session], object] | None = None) -> None:
        """Commit what the blocks wrote, if there were any, and let the effects follow.

        ``first`` is called before, in a transaction of its own if there was no block. Raises what a step before the
        commit raises; everything is rolled back then, and another commit may follow.
        """
        with self._nothing_kept_on_failure(conflicts):
            if first is not None:
                if self.current is None:
                    self._begin()
                first(self._session)
            if self.current is not None:
                self.current._commit()
        committed = self._end()
        if self._session.info.get("one_commit") is self:
            del self._session.info["one_commit"]
        if committed is not None:
            _take_effect("committed", committed._after_commit)

    def roll_back(self) -> None:
        """Undo what the blocks wrote, if there were any; the next block begins anew."""
        try:
            if self.current is not None:
                self._session.rollback()
        finally:
            undone = self._end()
        if undone is not None:
            _take_effect("rolled back", undone._after_rollback)

    def _begin(self) -> Transaction:
        # A read transaction that began earlier would hold an old snapshot, and on SQLite could not become a writer.
        self._session.rollback()
        self._writer_lock.enter_context(_writer_lock(self._session))
        current = self.current = self._session.info["transaction"] = Transaction(self._session)
        self._session.connection(execution_options={"is_writer": True})
        if self._on_begin is not None:
            self._on_begin(self._session)
        return current

    def _end(self) -> Transaction | None:
        """Give back what was held, and return the transaction that is over."""
        over, self.current = self.current, None
        self._session.info.pop("transaction", None)
        self._writer_lock.close()
        return over

    @contextmanager
    def _nothing_kept_on_failure(self, conflicts: Conflicts | None) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            self.roll_back()
            raise _conflict(error, conflicts or {}) from error
        except BaseException:
            self.roll_back()
            raise


@contextmanager
def transaction(conflicts: Conflicts | None = None) -> Iterator[Transaction]:
    """Open the transaction of one use case, or join the one that is open.

    ``conflicts`` maps names of unique constraints to the errors they mean; any other violated constraint raises
    ``ConflictError``. Rows loaded before are read anew inside, so that decisions are made on what is locked.
    """
    session = db.session()
    joined: Transaction | None = session.info.get("transaction")
    together: OneCommit | None = session.info.get("one_commit")
    if joined is not None and (together is None or together.is_in_block):
        yield joined
        return
    commit = together or OneCommit(session)
    with commit.block(conflicts) as current:
        yield current
    if together is None:
        commit.commit(conflicts)


@contextmanager
def one_commit(on_begin: Callable[[Session], object]) -> Iterator[OneCommit]:
    """Make all transactions in this block one, which ``commit()`` of the yielded object ends.

    From the first of them on the connection is held, and on SQLite the writer lock, so that nothing may take its time
    after it. ``on_begin`` is called when it begins, and may raise; one that fails is rolled back, and the next begins
    anew. What is not committed when the block ends is rolled back.
    """
    session = db.session()
    together = session.info["one_commit"] = OneCommit(session, on_begin)
    try:
        yield together
    finally:
        session.info.pop("one_commit", None)
        together.roll_back()


def release_connection() -> None:
    """Give the connection that reads have taken back to the pool, before something that takes its time.

    Raises ``RuntimeError`` inside of a transaction, where nothing may take its time and all would be rolled back.
    """
    if "transaction" in db.session().info:
        raise RuntimeError("A transaction is open: what takes its time has to be done before it.")
    end_reading()


def after_transaction(effect: Callable[[], object]) -> None:
    """Call ``effect`` as soon as no transaction is open, whatever becomes of it: at once when none is."""
    current: Transaction | None = db.session().info.get("transaction")
    if current is None:
        effect()
    else:
        current.after_commit(effect)
        current.after_rollback(effect)


def _take_effect(outcome: str, effects: Sequence[Callable[[], object]]) -> None:
    for effect in effects:
        try:
            effect()
        except Exception as error:
            # The outcome stands; neither the client nor the other effects shall suffer.
            log.error(f"effect of a {outcome} transaction failed", exc_info=error)


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
