"""One execution for each ``Idempotency-Key``: what was answered is kept in the transaction of the effect."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import JSON, ColumnElement, Index, LargeBinary, SmallInteger, String, delete, exists, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from nxfs.core import clock
from nxfs.core.database import Moment, insert_into
from nxfs.core.errors import BusinessRuleError, ConflictError
from nxfs.core.messages import Text
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.core.turns import let_others_run
from nxfs.extensions import db

LIFETIME = timedelta(hours=24)
# Answers may be long.
PURGED_AT_ONCE = 200


class IdempotencyRecord(db.Model):
    """What was answered to the first request with a key; ``id`` is a digest of the user, the route and the key."""

    __tablename__ = "idempotency_records"
    __table_args__ = (Index("ix_idempotency_records_expires_at", "expires_at"),)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    # Of the request, keyed with the server's secret: a body may hold what must not be found out.
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Moment]


class KeyInUseError(ConflictError):
    """The first request with this key is still under way."""

    message = Text(
        "The first request with this key is still under way. Try again shortly.",
        "Den første forespørselen med denne nøkkelen er fortsatt underveis. Prøv igjen om litt.",
    )

    def __init__(self) -> None:
        super().__init__(details={"reason": "KEY_IN_USE"}, headers={"Retry-After": "1"})


class KeyReusedError(BusinessRuleError):
    """The key was sent before, with another request."""

    message = Text(
        "This key was used for another request. Use a new key for each request.",
        "Denne nøkkelen er brukt til en annen forespørsel. Bruk en ny nøkkel for hver forespørsel.",
    )

    def __init__(self) -> None:
        super().__init__(details={"reason": "KEY_REUSED"})


@dataclass(frozen=True)
class Answer:
    """What was answered to the request with this ``fingerprint``."""

    fingerprint: str
    status: int
    headers: dict[str, str]
    body: bytes


class ForestalledError(Exception):
    """Another process has begun the request, or ended it with ``answer``. Not for clients, nor for services."""

    def __init__(self, answer: Answer | None) -> None:
        super().__init__("Another process has this request.")
        self.answer = answer


def find_answer(record_id: str) -> Answer | None:
    """Return what was answered to the request of this record, if that is known and not too long ago."""
    columns = [getattr(IdempotencyRecord, name) for name in Answer.__annotations__]
    wanted = select(*columns).where(IdempotencyRecord.id == record_id, IdempotencyRecord.expires_at > clock.now())
    row = db.session.execute(wanted).one_or_none()
    return Answer(**row._mapping) if row else None


def claim(session: Session, record_id: str) -> None:
    """Make the transaction that has just begun the only one for this record, as long as it lasts.

    Raises ``ForestalledError``. A process that is killed leaves nothing behind: the lock goes with its connection.
    """
    if session.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(bytes.fromhex(record_id)[:8], signed=True)
        if not session.scalar(select(func.pg_try_advisory_xact_lock(number))):
            raise ForestalledError(None)
    # On SQLite the writer before us has ended. In a statement of its own: it sees what was committed until now.
    answer = find_answer(record_id)
    if answer is not None:
        raise ForestalledError(answer)


def keep_answer(session: Session, record_id: str, answer: Answer) -> None:
    """Write what is answered, in a transaction that has claimed the record; an older answer has run out."""
    values = {"id": record_id, **asdict(answer), "expires_at": clock.now() + LIFETIME}
    insert = insert_into(IdempotencyRecord).values(values)
    renewed = {name: insert.excluded[name] for name in values if name != "id"}
    statement = insert.on_conflict_do_update(index_elements=["id"], set_=renewed, where=_is_over())
    if session.scalar(statement.returning(IdempotencyRecord.id)) is None:
        raise RuntimeError("There is an answer to this request, although nobody else could give one.")


def purge() -> int:
    """Delete the answers that have run out, and return how many there were."""
    total = 0
    while _is_any_over():
        with transaction() as tx:
            count = _purge_some(tx)
        total += count
        if not count:
            break
        # On SQLite a batch holds up the whole process.
        let_others_run()
    return total


def _is_any_over() -> bool:
    # Most runs find nothing, and shall not wait for those who write.
    is_any = bool(db.session.scalar(select(exists().where(_is_over()))))
    release_connection()
    return is_any


def _purge_some(tx: Transaction) -> int:
    # Those that are locked are being renewed.
    over = select(IdempotencyRecord.id).where(_is_over()).limit(PURGED_AT_ONCE).with_for_update(skip_locked=True)
    gone = delete(IdempotencyRecord).where(IdempotencyRecord.id.in_(over))
    return tx.session.execute(gone.execution_options(synchronize_session=False)).rowcount  # type: ignore[attr-defined]


def _is_over() -> ColumnElement[bool]:
    return IdempotencyRecord.expires_at <= clock.now()
