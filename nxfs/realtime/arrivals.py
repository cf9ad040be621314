"""Who connects: the tokens of clients that come at the same time are looked up together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import gevent
from flask import Flask
from gevent.event import AsyncResult

from nxfs.auth.service import authentication, tokens
from nxfs.auth.service.tokens import AccessClaims
from nxfs.core.actor import Actor
from nxfs.core.errors import AuthenticationRequiredError, TokenRevokedError

# After a restart all clients come within seconds; a look-up for each would be most of the work.
GATHER_SECONDS = 0.02
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody who may connect, and until when the token says so."""

    actor: Actor
    expires_at: datetime


class Arrivals:
    """Looks up the sessions of access tokens, one statement for all that come within a moment."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._waiting: list[tuple[AccessClaims, AsyncResult]] = []

    def admit(self, token: str) -> Arrival:
        """Return whose access token this is.

        Raises as ``authentication.authenticate`` does, ``PasswordChangeRequiredError``, and whatever the database
        raises.
        """
        claims = tokens.decode_access_token(token)
        result: AsyncResult = AsyncResult()
        self._waiting.append((claims, result))
        if len(self._waiting) == 1:
            gevent.spawn_later(GATHER_SECONDS, self._look_up)
        actor: Actor | None = result.get()
        if actor is None:
            raise TokenRevokedError
        if actor.id != claims.user_id:
            raise AuthenticationRequiredError
        authentication.require_own_password(actor)
        return Arrival(actor, claims.expires_at)

    def _look_up(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MOST_AT_ONCE):
            chunk = waiting[start : start + MOST_AT_ONCE]
            try:
                with self._app.app_context():
                    actors = authentication.authenticate_sessions([claims.session_id for claims, _ in chunk])
            except Exception as error:
                for _, result in chunk:
                    result.set_exception(error)
            else:
                for claims, result in chunk:
                    result.set(actors.get(claims.session_id))
