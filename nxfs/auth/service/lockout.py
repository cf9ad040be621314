"""The back-off after wrong passwords, per name and network: a guesser does not lock the real user out elsewhere."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from nxfs.auth.errors import TooManySignInsError
from nxfs.auth.models import SignInFailure, User
from nxfs.auth.queries import comparable
from nxfs.core import audit, clock
from nxfs.core.networks import subscriber_of
from nxfs.core.transaction import Transaction
from nxfs.extensions import db

FREE_FAILURES = 5
FIRST_BLOCK = timedelta(seconds=30)
LONGEST_BLOCK = timedelta(minutes=15)
FORGOTTEN_AFTER = timedelta(hours=12)
INSERTS = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


@dataclass(frozen=True)
class Attempt:
    """Who is being tried from where: the key that failures are counted under, alike for known and unknown names."""

    name_hash: str
    network: str

    @classmethod
    def of(cls, name: str, user: User | None) -> Attempt:
        """Return the attempt at ``user``, or at a ``name`` that nobody has, from the address of the present request.

        One account counts once, whether it is tried by its e-mail address or its username.
        """
        digest = name_hash_of(user.id) if user is not None else _hash_of(f"name {comparable(name)}")
        return cls(name_hash=digest, network=subscriber_of(audit.origin.get().address))

    @property
    def subject(self) -> str:
        """Under what attempts at the account are counted, wherever they come from."""
        return _subject(self.name_hash)

    @property
    def condition(self) -> ColumnElement[bool]:
        """The condition that chooses the attempt's row."""
        return (SignInFailure.name_hash == self.name_hash) & (SignInFailure.network == self.network)


def require_open(attempt: Attempt) -> None:
    """Raise ``TooManySignInsError`` while the attempt is blocked.

    Asked before a password is hashed, and again after it, because attempts made at the same time may have used up the
    free failures: of any number of parallel guesses only the first five are answered.
    """
    statement = select(SignInFailure).where(attempt.condition).execution_options(populate_existing=True)
    _refuse_if_blocked(db.session.scalar(statement))


def count_failure(tx: Transaction, attempt: Attempt, user: User | None) -> None:
    """Count a wrong password; from the fifth on each one blocks for 30 s, doubled up to 15 minutes.

    Raises ``TooManySignInsError`` like ``require_open``.
    """
    row = _locked_row(tx, attempt)
    _refuse_if_blocked(row)
    now = clock.now()
    if row.last_failed_at < now - FORGOTTEN_AFTER:
        row.failures = 0
    row.failures += 1
    row.last_failed_at = now
    if row.failures >= FREE_FAILURES:
        # The exponent is bounded because a number of hours would overflow long before a guesser tires.
        pause = min(FIRST_BLOCK * 2 ** min(row.failures - FREE_FAILURES, 10), LONGEST_BLOCK)
        row.blocked_until = now + pause
        changes = {"blocked_until": [None, clock.to_wire(row.blocked_until)]}
        tx.audit("auth.sign_in_locked", actor_id=None, target=user, changes=changes, outcome="failure")


def forget_failures(tx: Transaction, *attempts: Attempt) -> None:
    """Start counting anew, because the password was right or has been replaced."""
    for attempt in attempts:
        tx.session.execute(delete(SignInFailure).where(attempt.condition))


def forget_failures_of(tx: Transaction, user_id: int) -> int:
    """Start counting anew for the user from everywhere; return how many networks had failed."""
    counted = delete(SignInFailure).where(SignInFailure.name_hash == name_hash_of(user_id))
    return len(tx.session.scalars(counted.returning(SignInFailure.id)).all())


def find_blocked(user_ids: Iterable[int]) -> set[int]:
    """Return those of the users who cannot sign in from somewhere at present."""
    by_hash = {name_hash_of(user_id): user_id for user_id in user_ids}
    is_blocked = SignInFailure.blocked_until > clock.now()
    found = select(SignInFailure.name_hash).where(SignInFailure.name_hash.in_(by_hash), is_blocked).distinct()
    return {by_hash[name_hash] for name_hash in db.session.scalars(found)}


def name_hash_of(user_id: int) -> str:
    """Return the hash under which failures of an account are counted, whichever of its names is tried."""
    return _hash_of(f"user {user_id}")


def subject_of(user_id: int) -> str:
    """Return under what sign-ins to an account are counted, wherever they come from."""
    return _subject(name_hash_of(user_id))


def _subject(name_hash: str) -> str:
    return f"account:{name_hash}"


def _hash_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _refuse_if_blocked(row: SignInFailure | None) -> None:
    if row is None or row.blocked_until is None:
        return
    seconds = (row.blocked_until - clock.now()).total_seconds()
    if seconds > 0:
        raise TooManySignInsError(retry_after=math.ceil(seconds))


def _locked_row(tx: Transaction, attempt: Attempt) -> SignInFailure:
    """Return the attempt's row, a new one if there is none, locked until the transaction ends."""
    insert = INSERTS[tx.session.get_bind().dialect.name]
    first = insert(SignInFailure).values(
        name_hash=attempt.name_hash, network=attempt.network, failures=0, last_failed_at=clock.now()
    )
    key = [SignInFailure.name_hash, SignInFailure.network]
    statement = first.on_conflict_do_update(index_elements=key, set_={"network": attempt.network})
    return tx.session.scalars(statement.returning(SignInFailure), execution_options={"populate_existing": True}).one()
