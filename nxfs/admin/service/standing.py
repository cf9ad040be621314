"""Who acts and upon whom, both locked and as they are at that moment."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nxfs.admin import policies
from nxfs.admin.errors import ErasedAccountError
from nxfs.auth import queries
from nxfs.auth.errors import LastAdministratorError, UserNotFoundError
from nxfs.auth.models import User
from nxfs.auth.service import accounts
from nxfs.core.actor import Actor
from nxfs.core.transaction import Transaction
from nxfs.extensions import db


@dataclass(frozen=True)
class Case:
    """What is decided on: the actor, the locked user, and who could administer the server without either."""

    actor: Actor | None
    user: User
    administrator_ids: frozenset[int]

    @property
    def actor_id(self) -> int | None:
        """The id of who acts, None for the operator."""
        return self.actor.id if self.actor is not None else None

    @property
    def is_own(self) -> bool:
        """True when the actor acts upon the own account."""
        return self.actor_id == self.user.id

    def require_other_administrator(self) -> None:
        """Raise ``LastAdministratorError`` when nobody could administer the server without this user."""
        if not self.administrator_ids - {self.user.id} and self.user.id in self.administrator_ids:
            raise LastAdministratorError


def open_case(tx: Transaction, actor: Actor | None, user_id: int) -> Case:
    """Lock who acts and the user, and return them as they are now.

    What the actor may do is asked again here: it may have been taken away in this very moment. Raises
    ``ForbiddenError`` and ``AboveActorError`` by the policies, ``UserNotFoundError``, ``ErasedAccountError``.
    """
    policies.require_users_manager(actor)
    ids = (user_id,) if actor is None else (user_id, actor.id)
    administrator_ids = accounts.lock_administrators(tx, *ids)
    present = actor if actor is None else present_actor(actor)
    user = require_user(present, user_id)
    if user.erased_at is not None:
        raise ErasedAccountError
    return Case(present, user, frozenset(administrator_ids))


def present_actor(actor: Actor) -> Actor:
    """Return who acts with the rights of this moment, and no more than the request came with.

    Raises ``ForbiddenError`` when the account was disabled, or manages nobody any more.
    """
    now = queries.require_actor(actor.id)
    lower = min(actor.role, now.role, key=policies.RANKS.__getitem__)
    present = replace(actor, role=lower, permissions=now.permissions & actor.permissions)
    policies.require_users_manager(present)
    return present


def require_user(actor: Actor | None, user_id: int) -> User:
    """Return the user, whom the actor may administer; raise ``UserNotFoundError``, ``AboveActorError``."""
    user = db.session.get(User, user_id)
    if user is None:
        raise UserNotFoundError
    policies.require_not_above(actor, role=user.role, permissions=queries.actor_of(user).permissions)
    return user
