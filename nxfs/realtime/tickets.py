"""Tickets for streams: browsers cannot send a header with them, and access tokens do not belong into addresses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from nxfs.auth.service import authentication, tokens
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.errors import AuthenticationRequiredError, TokenRevokedError
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.realtime.models import EventTicket

LIFETIME = timedelta(minutes=1)


@dataclass(frozen=True)
class Ticket:
    """What opens one stream."""

    ticket: str
    expires_at: datetime


def issue(*, actor: Actor) -> Ticket:
    """Return a ticket for the actor's session, which is valid once, for a minute."""
    token = tokens.new_opaque_token()
    expires_at = clock.now() + LIFETIME
    with transaction() as tx:
        row = EventTicket(token_hash=tokens.hash_of(token), session_id=actor.session_id, expires_at=expires_at)
        tx.session.add(row)
    return Ticket(token, expires_at)


def redeem(ticket: str) -> Actor:
    """Use the ticket up and return whose it is.

    Raises ``AuthenticationRequiredError`` for one that is unknown, used or too old, ``TokenRevokedError`` when the
    session has ended.
    """
    with transaction() as tx:
        used = delete(EventTicket).where(EventTicket.token_hash == tokens.hash_of(ticket))
        used = used.where(EventTicket.expires_at > clock.now()).returning(EventTicket.session_id)
        session_id = tx.session.scalar(used.execution_options(synchronize_session=False))
    if session_id is None:
        raise AuthenticationRequiredError
    actor = authentication.authenticate_sessions([session_id]).get(session_id)
    if actor is None:
        raise TokenRevokedError
    return actor


def purge() -> None:
    """Delete the tickets that nobody used in time."""
    is_old = EventTicket.expires_at <= clock.now()
    if db.session.scalar(select(EventTicket.token_hash).where(is_old).limit(1)) is not None:
        with transaction() as tx:
            tx.session.execute(delete(EventTicket).where(is_old).execution_options(synchronize_session=False))
