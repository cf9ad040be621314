"""Who sends a request: from an access token to the actor, with a short memory because every request asks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cachetools import TTLCache
from sqlalchemy import Row

from nxfs.auth import queries
from nxfs.auth.errors import PasswordChangeRequiredError
from nxfs.auth.permissions import permissions_of
from nxfs.auth.service import tokens
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.errors import AuthenticationRequiredError, TokenExpiredError, TokenRevokedError
from nxfs.core.transaction import release_connection

# Other processes learn within a second that a session has ended; the rest of the second is for the read itself.
REMEMBERED_SECONDS = 0.75
MOST_REMEMBERED = 10_000


class Memory:
    """The actors of the tokens seen last; no two applications have a token in common, so that they can share it."""

    def __init__(self) -> None:
        self._known: TTLCache[str, tuple[Actor, datetime]] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
        self._forgotten = 0

    def find(self, token: str) -> Actor | None:
        """Return the actor of ``token`` if it was seen a moment ago; raise ``TokenExpiredError`` if it has run out."""
        known = self._known.get(token)
        if known is None:
            return None
        actor, expires_at = known
        if expires_at <= clock.now():
            raise TokenExpiredError
        return actor

    def load(self, token: str) -> Actor:
        """Return the actor of ``token`` as the database has it, and keep it."""
        claims = tokens.decode_access_token(token)
        forgotten = self._forgotten
        actor = _load_actor(claims)
        # What was read before somebody's sessions ended must not be kept after it.
        if forgotten == self._forgotten:
            self._known[token] = (actor, claims.expires_at)
        return actor

    def forget(self, user_id: int) -> None:
        """Ask the database again about the user's tokens."""
        self._forgotten += 1
        for token in [token for token, (actor, _) in list(self._known.items()) if actor.id == user_id]:
            self._known.pop(token, None)


_memory = Memory()


def authenticate(token: str) -> Actor:
    """Return whose access token this is.

    Raises ``AuthenticationRequiredError`` (means nothing to us), ``TokenExpiredError`` or ``TokenRevokedError`` (its
    session ended, its user is disabled).
    """
    return _memory.find(token) or _memory.load(token)


def is_valid(token: str) -> bool:
    """True for an access token that a request could be sent with."""
    try:
        authenticate(token)
    except AuthenticationRequiredError:
        return False
    return True


def forget(user_id: int) -> None:
    """Make changes of the user or their sessions count at once in this process; the others follow within a second."""
    _memory.forget(user_id)


def authenticate_sessions(session_ids: Sequence[int]) -> dict[int, Actor]:
    """Return the actors of those of the sessions that can still be used, by the session's id; one statement."""
    identities = queries.find_identities(session_ids)
    release_connection()
    return {session_id: _actor_of(row) for session_id, row in identities.items() if _refusal(row) is None}


def require_own_password(actor: Actor) -> None:
    """Raise ``PasswordChangeRequiredError`` as long as the actor's password is one that somebody else has set."""
    if actor.must_change_password:
        raise PasswordChangeRequiredError


def _load_actor(claims: tokens.AccessClaims) -> Actor:
    identity = queries.find_identity(claims.session_id)
    # The body of the request may still be on its way, for as long as its sender likes: no connection is held meanwhile.
    release_connection()
    if identity is None or identity.user_id != claims.user_id:
        raise AuthenticationRequiredError
    refusal = _refusal(identity)
    if refusal is not None:
        raise refusal
    return _actor_of(identity)


def _refusal(identity: Row[Any]) -> AuthenticationRequiredError | None:
    if identity.ended_at is not None or not identity.is_active:
        return TokenRevokedError()
    if identity.expires_at <= clock.now():
        return TokenExpiredError()
    return None


def _actor_of(identity: Row[Any]) -> Actor:
    return Actor(
        id=identity.user_id,
        role=identity.role,
        username=identity.username,
        language=identity.language,
        session_id=identity.session_id,
        last_seen=identity.last_seen,
        permissions=permissions_of(identity.role, queries.names_in(identity.granted)),
        must_change_password=identity.must_change_password,
    )
