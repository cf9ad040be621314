"""Accounts: created, changed by their owners, deactivated."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from nxfs.auth import queries
from nxfs.auth.errors import EmailTakenError, LastAdministratorError, RegistrationClosedError, UsernameTakenError
from nxfs.auth.events import UserDeactivated, UserRegistered, UserUpdated
from nxfs.auth.models import User
from nxfs.auth.service import authentication, password_changes, passwords, sessions
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.events import audience_of
from nxfs.core.settings import setting
from nxfs.core.transaction import Transaction, transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition

CONFLICTS = {"uq_users_email_key": EmailTakenError, "uq_users_username_key": UsernameTakenError}
COLUMNS = (
    "email",
    "username",
    "display_name",
    "first_name",
    "last_name",
    "date_of_birth",
    "address",
    "city",
    "country",
    "website",
    "phone",
    "language",
    "theme",
)


@dataclass(frozen=True)
class CreatedAccount:
    """A new account, and its password if it was made up here, to be shown once."""

    user: User
    password: str | None


def register(*, values: Mapping[str, Any], password: str, language: str) -> User:
    """Create the account that a visitor asks for, in ``language``.

    Raises ``RegistrationClosedError``, ``WeakPasswordError``, ``EmailTakenError``, ``UsernameTakenError``.
    """
    if not setting("REGISTRATION_OPEN"):
        raise RegistrationClosedError
    return _create_user(values={**values, "language": language}, password=password, role="user", is_own=True)


def create_account(*, email: str, username: str, role: str, password: str | None = None) -> CreatedAccount:
    """Create an account for somebody else; without a ``password`` a random one is made up.

    Raises ``WeakPasswordError``, ``EmailTakenError``, ``UsernameTakenError``.
    """
    made_up = None if password else secrets.token_urlsafe(12)
    values = {"email": email, "username": username}
    user = _create_user(values=values, password=password or made_up or "", role=role, is_own=False)
    return CreatedAccount(user=user, password=made_up)


def update_profile(*, actor: Actor, values: Mapping[str, Any], precondition: Precondition = NO_PRECONDITION) -> User:
    """Change the actor's own account to ``values``; nothing is written when they hold already.

    Raises ``EmailTakenError``, ``UsernameTakenError``, ``PreconditionFailedError``.
    """
    with transaction(conflicts=CONFLICTS) as tx:
        user = sessions.lock_user(tx, actor.id)
        precondition.require(user.version)
        before = plain_values(user, COLUMNS)
        _assign(user, values)
        changes = difference(before, plain_values(user, COLUMNS))
        if not changes:
            return user
        if "email" in changes:
            password_changes.void_resets(tx, user.id)
        event = UserUpdated(user_id=user.id, fields=tuple(changes), audience=audience_of(user_ids=[user.id]))
        tx.emit(event, actor_id=actor.id)
        tx.audit("auth.user_updated", actor_id=actor.id, target=user, changes=changes)
        tx.after_commit(lambda: authentication.forget(actor.id))
        return user


def deactivate(*, actor: Actor) -> None:
    """Close the actor's own account and end all its sessions; raise ``LastAdministratorError`` for the last admin."""
    with transaction() as tx:
        _require_other_administrator(tx, actor)
        user = sessions.lock_user(tx, actor.id)
        user.is_active = False
        password_changes.void_resets(tx, user.id)
        tx.emit(UserDeactivated(user_id=user.id, audience=audience_of(user_ids=[user.id])), actor_id=actor.id)
        tx.audit("auth.user_deactivated", actor_id=actor.id, target=user, changes={"is_active": [True, False]})
        sessions.end_sessions(tx, user.id, reason="user_deactivated", actor_id=actor.id)


def _create_user(*, values: Mapping[str, Any], password: str, role: str, is_own: bool) -> User:
    user = User(role=role)
    _assign(user, values)
    user.display_name = " ".join(filter(None, (user.first_name, user.last_name))) or user.username
    about = (user.email, user.username, user.first_name or "", user.last_name or "")
    passwords.require_good_password(password, about=about, field="password")
    user.password_hash = passwords.hash_password(password)
    with transaction(conflicts=CONFLICTS) as tx:
        tx.session.add(user)
        tx.session.flush()
        changes = difference({}, {"email": user.email, "username": user.username, "role": role})
        actor_id = user.id if is_own else None
        tx.emit(UserRegistered(user_id=user.id, audience=audience_of(user_ids=[user.id])), actor_id=actor_id)
        tx.audit("auth.user_registered", actor_id=actor_id, target=user, changes=changes)
    return user


def _assign(user: User, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(user, name, value)
    user.email_key = queries.comparable(user.email)
    user.username_key = queries.comparable(user.username)


def _require_other_administrator(tx: Transaction, actor: Actor) -> None:
    if not actor.is_admin:
        return
    # All of them are locked, in one order, so that the last two cannot leave at the same time.
    admins = select(User.id).where(User.role == "admin", User.is_active).order_by(User.id).with_for_update()
    if not set(tx.session.scalars(admins)) - {actor.id}:
        raise LastAdministratorError
