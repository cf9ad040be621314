"""Personal API tokens: made for scripts, shown once, good for their scopes until they run out or are revoked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, update

from nxfs.auth.errors import APITokenNotFoundError, ExpiryTooLateError, TooManyAPITokensError
from nxfs.auth.models import APIToken, UserSession
from nxfs.auth.service import authentication, sessions, tokens
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.errors import TokenRevokedError
from nxfs.core.transaction import Transaction, transaction

# What scanners of repositories look for; a session's tokens never begin so.
PREFIX = "nxfs_"
LIFETIME = timedelta(days=90)
LONGEST_LIFETIME = timedelta(days=366)
MOST_TOKENS = 20


@dataclass(frozen=True)
class CreatedToken:
    """A new API token: its row, and the token itself, which is stored nowhere."""

    row: APIToken
    token: str


def create_token(*, actor: Actor, name: str, scopes: Sequence[str], expires_at: datetime | None = None) -> CreatedToken:
    """Make a token of the actor's for ``scopes``, valid until ``expires_at``, by default for 90 days.

    Raises ``ExpiryTooLateError`` unless that is within a year, ``TooManyAPITokensError``, and ``TokenRevokedError``
    when the actor's session has ended.
    """
    now = clock.now()
    expires_at = expires_at or now + LIFETIME
    if not now < expires_at <= now + LONGEST_LIFETIME:
        raise ExpiryTooLateError
    token = PREFIX + secrets.token_urlsafe(32)
    row = APIToken(
        user_id=actor.id,
        name=name,
        token_hash=tokens.hash_of(token),
        scopes=sorted(scopes),
        created_at=now,
        expires_at=expires_at,
    )
    with transaction() as tx:
        # Two requests at the same time could both find room for one more.
        user = sessions.lock_user(tx, actor.id)
        # Another process may not have heard yet that the session has ended, and a token would outlive it.
        is_open = select(UserSession.id).where(UserSession.id == actor.session_id, UserSession.ended_at.is_(None))
        if not user.is_active or user.must_change_password or tx.session.scalar(is_open) is None:
            raise TokenRevokedError
        live = select(func.count()).where(_is_live(actor.id), APIToken.expires_at > now)
        if (tx.session.scalar(live) or 0) >= MOST_TOKENS:
            raise TooManyAPITokensError(most=MOST_TOKENS)
        tx.session.add(row)
        # Not by their names in the model, which would be taken for secrets.
        changes = {"name": [None, name], "scopes": [None, row.scopes], "expires_at": [None, expires_at.isoformat()]}
        tx.audit("auth.api_token_created", actor_id=actor.id, target=row, changes=changes)
    return CreatedToken(row, token)


def revoke_token(*, actor: Actor, token_id: int) -> None:
    """Revoke one of the actor's tokens; raise ``APITokenNotFoundError`` if it is not one or has been revoked."""
    with transaction() as tx:
        if not revoke_tokens(tx, actor.id, APIToken.id == token_id, actor_id=actor.id):
            raise APITokenNotFoundError


def revoke_tokens(tx: Transaction, user_id: int, *conditions: ColumnElement[bool], actor_id: int | None) -> list[int]:
    """Revoke the user's tokens that meet ``conditions``, and return the ids of those that were not yet."""
    user = sessions.lock_user(tx, user_id)
    # In the order of ids, as uses of tokens are written: they would wait for each other in a circle.
    live = select(APIToken.id).where(_is_live(user_id), *conditions).order_by(APIToken.id)
    locked = live.with_for_update(**sessions.ROW_LOCK)
    statement = update(APIToken).where(APIToken.id.in_(locked)).values(revoked_at=clock.now())
    revoked = statement.returning(APIToken.id).execution_options(synchronize_session=False)
    token_ids = sorted(tx.session.scalars(revoked))
    if token_ids:
        tx.audit("auth.api_token_revoked", actor_id=actor_id, target=user, changes={"ids": [token_ids, []]})
        tx.after_commit(lambda: authentication.forget(user_id))
    return token_ids


def _is_live(user_id: int) -> ColumnElement[bool]:
    return (APIToken.user_id == user_id) & APIToken.revoked_at.is_(None)
