"""Signing in: unknown names, disabled accounts and wrong passwords get the same answer in the same time."""

from __future__ import annotations

from typing import TypeVar

from nxfs.auth import queries
from nxfs.auth.models import User
from nxfs.auth.service import lockout, passwords, sessions
from nxfs.auth.service.lockout import Attempt
from nxfs.auth.service.sessions import Grant
from nxfs.core import clock
from nxfs.core.errors import InvalidCredentialsError
from nxfs.core.limits import limiter
from nxfs.core.transaction import transaction
from nxfs.extensions import db

Found = TypeVar("Found", bound=User | None)


def sign_in(*, identifier: str, password: str) -> Grant:
    """Open a session for the e-mail address or username ``identifier``.

    Raises ``InvalidCredentialsError``, ``TooManySignInsError`` after too many wrong passwords from this network, or
    ``TooManyRequestsError`` after too many attempts at this account from anywhere.
    """
    user = queries.find_user(identifier)
    attempt = Attempt.of(identifier, user)
    limiter.spend("login", attempt.subject)
    lockout.require_open(attempt)
    detached(user)
    is_right = passwords.verify_password(user.password_hash if user else None, password)
    if user is None or not is_right or not user.is_active:
        refuse_password(attempt, user, action="auth.sign_in_failed")
        raise InvalidCredentialsError
    new_hash = user.password_hash
    if passwords.needs_new_hash(new_hash):
        new_hash = passwords.hash_password(password)
    with transaction() as tx:
        lockout.require_open(attempt)
        lockout.forget_failures(tx, attempt)
        is_unchanged = User.password_hash == user.password_hash
        present = sessions.touch_user(tx, user.id, is_unchanged, last_login=clock.now(), password_hash=new_hash)
        if present is None:
            raise InvalidCredentialsError
        tx.audit("auth.signed_in", actor_id=present.id, target=present)
        return sessions.open_session(tx, present)


def detached(user: Found) -> Found:
    """Return ``user`` as plain values, and give the connection back: hashing may have to wait for its turn."""
    db.session.close()
    return user


def refuse_password(attempt: Attempt, user: User | None, *, action: str) -> None:
    """Count and audit a wrong password; raise ``TooManySignInsError`` if others used up the free failures meanwhile."""
    with transaction() as tx:
        lockout.count_failure(tx, attempt, user)
        tx.audit(action, actor_id=None, target=user, outcome="failure")
