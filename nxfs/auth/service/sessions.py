"""Sessions: opened by a sign-in, carried on by refresh tokens that follow one another, and ended as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, select, update

from nxfs.auth import lifetimes
from nxfs.auth.errors import SessionExpiredError, SessionNotFoundError
from nxfs.auth.events import SessionsEnded
from nxfs.auth.models import RefreshToken, User, UserSession
from nxfs.auth.service import authentication, tokens
from nxfs.core import audit, clock
from nxfs.core.actor import Actor
from nxfs.core.errors import APIError, AuthenticationRequiredError, TokenRevokedError
from nxfs.core.events import audience_of
from nxfs.core.settings import setting
from nxfs.core.transaction import Transaction, transaction

# As strong as the lock of an UPDATE, and no stronger: a stronger one would wait for transactions that only refer to the
# row, and with an UPDATE before it in the same transaction two of them would wait for each other.
ROW_LOCK = {"key_share": True}


@dataclass(frozen=True)
class Grant:
    """What a signed-in client holds: an access token, the refresh token that follows, and whose they are."""

    access: str
    refresh: str
    user: User


def open_session(tx: Transaction, user: User) -> Grant:
    """Open a session of ``user`` on the device of the present request."""
    now = clock.now()
    source = audit.origin.get()
    session = UserSession(
        user_id=user.id,
        created_at=now,
        last_used_at=now,
        expires_at=now + lifetimes.absolute_lifetime(user.role),
        address=source.address,
        user_agent=source.user_agent,
    )
    tx.session.add(session)
    tx.session.flush()
    token = tokens.new_opaque_token()
    tx.session.add(RefreshToken(session_id=session.id, token_hash=tokens.hash_of(token), created_at=now))
    return _grant(session, token, user)


def refresh_session(*, token: str) -> Grant:
    """Exchange a refresh token for a new pair.

    Used again within ``REFRESH_GRACE_SECONDS`` it gives the same successor, because clients refresh in parallel; used
    later it was stolen from one of two holders, and the session ends. Raises ``AuthenticationRequiredError`` for an
    unknown token, ``TokenRevokedError`` when the session has ended, ``SessionExpiredError`` when it has run out.
    """
    with transaction() as tx:
        outcome = _exchange(tx, token)
    # A refusal may end the session, which has to be committed before the refusal is raised.
    if isinstance(outcome, APIError):
        raise outcome
    return outcome


def sign_out(*, actor: Actor | None, refresh_token: str | None) -> None:
    """End the actor's session and that of ``refresh_token``; one that is unknown or has ended is signed out already.

    Raises ``AuthenticationRequiredError`` when there is neither.
    """
    if actor is None and refresh_token is None:
        raise AuthenticationRequiredError
    with transaction() as tx:
        if actor is not None:
            _sign_out(tx, actor.id, UserSession.id == actor.session_id)
        family = _find_family(tx, tokens.hash_of(refresh_token)) if refresh_token is not None else None
        if family is not None:
            _sign_out(tx, family.user_id, UserSession.id == family.session_id)


def end_session(*, actor: Actor, session_id: int) -> None:
    """End one of the actor's sessions; raise ``SessionNotFoundError`` if it is not one or has ended."""
    with transaction() as tx:
        if not end_sessions(tx, actor.id, UserSession.id == session_id, reason="ended_by_user", actor_id=actor.id):
            raise SessionNotFoundError


def end_other_sessions(*, actor: Actor) -> int:
    """End all the actor's sessions but the present one; return how many ended."""
    with transaction() as tx:
        others = UserSession.id != actor.session_id
        return len(end_sessions(tx, actor.id, others, reason="ended_by_user", actor_id=actor.id))


def end_sessions(
    tx: Transaction, user_id: int, *conditions: ColumnElement[bool], reason: str, actor_id: int | None
) -> list[int]:
    """End the user's sessions that meet ``conditions``, and their tokens at once; return the ids of the ended ones."""
    user = lock_user(tx, user_id)
    statement = (
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.ended_at.is_(None), *conditions)
        .values(ended_at=clock.now(), end_reason=reason)
        .returning(UserSession.id)
        .execution_options(synchronize_session=False)
    )
    session_ids = sorted(tx.session.scalars(statement))
    if session_ids:
        event = SessionsEnded(
            user_id=user_id, session_ids=tuple(session_ids), reason=reason, audience=audience_of(user_ids=[user_id])
        )
        tx.emit(event, actor_id=actor_id)
        tx.after_commit(lambda: authentication.forget(user_id))
        changes = {"session_ids": [session_ids, []], "reason": [None, reason]}
        tx.audit("auth.sessions_ended", actor_id=actor_id, target=user, changes=changes)
    return session_ids


def touch_user(tx: Transaction, user_id: int, *conditions: ColumnElement[bool], **values: Any) -> User | None:
    """Write when the user was seen, and ``values``; return the user, locked, if active and as ``conditions`` say.

    It is no change of the account: its version and ``updated_at`` stay.
    """
    statement = (
        update(User)
        .where(User.id == user_id, User.is_active, *conditions)
        .values(last_seen=clock.now(), updated_at=User.updated_at, **values)
        .returning(User)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    return tx.session.scalar(statement)


def lock_user(tx: Transaction, user_id: int) -> User:
    """Return the user, locked until the transaction ends."""
    # Reading the row anew would undo what is not written yet.
    tx.session.flush()
    return tx.session.get_one(User, user_id, with_for_update=ROW_LOCK, populate_existing=True)


def _exchange(tx: Transaction, token: str) -> Grant | APIError:
    token_hash = tokens.hash_of(token)
    family = _find_family(tx, token_hash)
    if family is None:
        return AuthenticationRequiredError()
    user = lock_user(tx, family.user_id)
    session = tx.session.get_one(UserSession, family.session_id, with_for_update=ROW_LOCK, populate_existing=True)
    # Read under the session's lock: of parallel refreshes exactly one finds the token unused.
    link = tx.session.scalars(select(RefreshToken).where(RefreshToken.token_hash == token_hash)).one()
    if session.ended_at is not None or not user.is_active:
        return TokenRevokedError()
    # Whoever has got a role since then has its limits from the next refresh on.
    session.expires_at = min(session.expires_at, session.created_at + lifetimes.absolute_lifetime(user.role))
    if _has_run_out(session, user.role):
        end_sessions(tx, session.user_id, UserSession.id == session.id, reason="expired", actor_id=None)
        return SessionExpiredError()
    successor = _use(tx, link, token) if link.used_at is None else _find_tip(tx, link, token)
    if successor is None:
        return _refuse_reuse(tx, session, user)
    touch_user(tx, user.id)
    session.last_used_at = clock.now()
    return _grant(session, successor, user)


def _use(tx: Transaction, link: RefreshToken, token: str) -> str:
    """Mark the token as used and store the hash of its successor."""
    now = clock.now()
    successor = tokens.successor_of(token)
    link.used_at = now
    tx.session.add(RefreshToken(session_id=link.session_id, token_hash=tokens.hash_of(successor), created_at=now))
    return successor


def _find_tip(tx: Transaction, link: RefreshToken, token: str) -> str | None:
    """Return the live token at the end of the chain that follows a used ``token``; None once its grace is over."""
    if clock.now() - link.used_at > timedelta(seconds=setting("REFRESH_GRACE_SECONDS")):
        return None
    later = select(RefreshToken.token_hash).where(RefreshToken.session_id == link.session_id, RefreshToken.id > link.id)
    # Each step uses up one stored hash, so that the way to the live one, whose successor is not stored, is finite.
    stored = set(tx.session.scalars(later))
    while successor := tokens.successor_of(token, stored):
        token = successor
        stored.discard(tokens.hash_of(successor))
    return token if not stored else None


def _refuse_reuse(tx: Transaction, session: UserSession, user: User) -> APIError:
    changes = {"session_id": [session.id, session.id]}
    tx.audit("auth.refresh_token_reused", actor_id=None, target=user, changes=changes, outcome="failure")
    end_sessions(tx, user.id, UserSession.id == session.id, reason="token_reused", actor_id=None)
    return TokenRevokedError()


def _find_family(tx: Transaction, token_hash: str) -> Row[Any] | None:
    """Return the ids of the session and the user of a refresh token."""
    columns = select(RefreshToken.session_id, UserSession.user_id)
    joined = columns.join(UserSession, UserSession.id == RefreshToken.session_id)
    return tx.session.execute(joined.where(RefreshToken.token_hash == token_hash)).one_or_none()


def _has_run_out(session: UserSession, role: str) -> bool:
    idle = clock.now() - session.last_used_at
    return session.expires_at <= clock.now() or idle >= lifetimes.idle_lifetime(role)


def _sign_out(tx: Transaction, user_id: int, condition: ColumnElement[bool]) -> None:
    end_sessions(tx, user_id, condition, reason="signed_out", actor_id=user_id)


def _grant(session: UserSession, refresh: str, user: User) -> Grant:
    access = tokens.encode_access_token(
        user_id=user.id, session_id=session.id, session_expires_at=session.expires_at, role=user.role
    )
    return Grant(access=access, refresh=refresh, user=user)
