"""Accounts: created, changed by their owners, deactivated."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from nxfs.auth import queries
from nxfs.auth.errors import (
    EmailTakenError,
    LastAdministratorError,
    RegistrationClosedError,
    UnknownPermissionError,
    UsernameTakenError,
    UserNotFoundError,
)
from nxfs.auth.events import PermissionGranted, PermissionRevoked, UserDeactivated, UserRegistered, UserUpdated
from nxfs.auth.models import User, UserPermission
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.service import api_tokens, authentication, password_changes, passwords, sessions
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.errors import TokenRevokedError
from nxfs.core.events import audience_of
from nxfs.core.settings import setting
from nxfs.core.transaction import Transaction, transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.files.formats import IMAGES
from nxfs.files.service import removal, uploads

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
# What others see of a user beside what they wrote; readers of that keep copies.
SHOWN = frozenset({"username", "display_name", "profile_picture"})


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

    ``values`` are columns, and ``profile_picture``: an ``Upload``, or None for no picture. Raises ``EmailTakenError``,
    ``UsernameTakenError``, ``PreconditionFailedError``, ``TokenRevokedError`` for a closed account, and as
    ``uploads.received`` does.
    """
    columns = dict(values)
    upload = columns.pop("profile_picture", None)
    receiving = uploads.received(upload, IMAGES, owner_id=actor.id) if upload else nullcontext()
    with receiving as picture, transaction(conflicts=CONFLICTS) as tx:
        user = sessions.lock_user(tx, actor.id)
        if not user.is_active:
            # Closed while the picture was looked at: what is personal stays deleted.
            raise TokenRevokedError
        precondition.require(user.version)
        before = _described(user)
        if "profile_picture" in values:
            # Everybody sees it beside what the user publishes.
            user.profile_picture_id = picture.keep(tx, public_from=clock.now()).id if picture else None
        assign(user, columns)
        changes = difference(before, _described(user))
        if not changes:
            return user
        if "email" in changes:
            password_changes.void_resets(tx, user.id)
        event = UserUpdated(user_id=user.id, fields=tuple(changes), audience=audience_of(user_ids=[user.id]))
        tx.emit(event, actor_id=actor.id)
        tx.audit("auth.user_updated", actor_id=actor.id, target=user, changes=changes)
        if SHOWN & changes.keys():
            tx.revise("people")
        if "profile_picture" in changes:
            _remove_file(tx, before["profile_picture"])
        tx.after_commit(lambda: authentication.forget(actor.id))
        return user


def deactivate(*, actor: Actor) -> None:
    """Close the actor's own account, end all its sessions and delete its picture.

    Raises ``LastAdministratorError`` for the last administrator.
    """
    with transaction() as tx:
        administrator_ids = lock_administrators(tx, actor.id)
        if actor.is_admin and not administrator_ids - {actor.id}:
            raise LastAdministratorError
        user = sessions.lock_user(tx, actor.id)
        disable(tx, user, actor_id=actor.id, action="auth.user_deactivated")
        remove_picture(tx, user)


def disable(
    tx: Transaction, user: User, *, actor_id: int | None, action: str, changes: Mapping[str, Any] | None = None
) -> None:
    """Close the account of ``user``, which is locked: its sessions, links and API tokens end, for ever.

    ``changes`` are audited besides.
    """
    all_changes = {**(changes or {}), **({"is_active": [True, False]} if user.is_active else {})}
    user.is_active = False
    password_changes.void_resets(tx, user.id)
    tx.emit(UserDeactivated(user_id=user.id, audience=audience_of(user_ids=[user.id])), actor_id=actor_id)
    tx.audit(action, actor_id=actor_id, target=user, changes=all_changes)
    sessions.end_sessions(tx, user.id, reason="user_deactivated", actor_id=actor_id)
    api_tokens.revoke_tokens(tx, user.id, actor_id=actor_id)
    tx.revise("people")
    tx.after_commit(lambda: authentication.forget(user.id))


def remove_picture(tx: Transaction, user: User) -> None:
    """Delete the picture of ``user``, if there is one."""
    picture_id, user.profile_picture_id = user.profile_picture_id, None
    _remove_file(tx, picture_id)


def lock_administrators(tx: Transaction, *user_ids: int) -> set[int]:
    """Lock ``user_ids`` and all administrators who can sign in, and return the ids of the latter.

    In one order, so that the last two cannot leave at the same time, and nobody waits in a circle.
    """
    is_administrator = (User.role == "admin") & User.is_active
    wanted = select(User.id, User.role, User.is_active).where(is_administrator | User.id.in_(user_ids))
    locked = tx.session.execute(wanted.order_by(User.id).with_for_update(**sessions.ROW_LOCK))
    return {row.id for row in locked if row.role == "admin" and row.is_active}


def grant_permission(*, name: str, permission: str) -> None:
    """Give the permission to the user with this e-mail address or username, for the operator; twice does no harm.

    Raises ``UserNotFoundError``, ``UnknownPermissionError``.
    """
    with transaction() as tx:
        user, granted = _lock_grant(tx, name, permission)
        if granted is not None:
            return
        tx.session.add(UserPermission(user_id=user.id, permission=permission))
        event = PermissionGranted(user_id=user.id, permission=permission, audience=audience_of(user_ids=[user.id]))
        tx.emit(event, actor_id=None)
        tx.audit("auth.permission_granted", actor_id=None, target=user, changes={"permission": [None, permission]})
        tx.after_commit(lambda: authentication.forget(user.id))


def revoke_permission(*, name: str, permission: str) -> None:
    """Take back what ``grant_permission`` gave; what comes with the role stays. Raises as that does."""
    with transaction() as tx:
        user, granted = _lock_grant(tx, name, permission)
        if granted is None:
            return
        tx.session.delete(granted)
        event = PermissionRevoked(user_id=user.id, permission=permission, audience=audience_of(user_ids=[user.id]))
        tx.emit(event, actor_id=None)
        tx.audit("auth.permission_revoked", actor_id=None, target=user, changes={"permission": [permission, None]})
        tx.after_commit(lambda: authentication.forget(user.id))


def new_user(*, values: Mapping[str, Any], password: str, role: str) -> User:
    """Return a user who is not stored yet; raise ``WeakPasswordError``. Not inside a transaction, since it hashes."""
    user = User(role=role)
    assign(user, values)
    user.display_name = " ".join(filter(None, (user.first_name, user.last_name))) or user.username
    about = (user.email, user.username, user.first_name or "", user.last_name or "")
    passwords.require_good_password(password, about=about, field="password")
    user.password_hash = passwords.hash_password(password)
    return user


def store_user(
    tx: Transaction,
    user: User,
    *,
    actor_id: int | None,
    action: str,
    is_own: bool = False,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Store a new user; the transaction has to know ``CONFLICTS``. ``changes`` are audited besides."""
    tx.session.add(user)
    tx.session.flush()
    created = difference({}, {"email": user.email, "username": user.username, "role": user.role})
    actor_id = user.id if is_own else actor_id
    tx.emit(UserRegistered(user_id=user.id, audience=audience_of(user_ids=[user.id])), actor_id=actor_id)
    tx.audit(action, actor_id=actor_id, target=user, changes={**created, **(changes or {})})


def _create_user(*, values: Mapping[str, Any], password: str, role: str, is_own: bool) -> User:
    user = new_user(values=values, password=password, role=role)
    with transaction(conflicts=CONFLICTS) as tx:
        store_user(tx, user, actor_id=None, action="auth.user_registered", is_own=is_own)
    return user


def assign(user: User, values: Mapping[str, Any]) -> None:
    """Set columns of ``user``, and what is derived from them."""
    for name, value in values.items():
        setattr(user, name, value)
    user.email_key = queries.comparable(user.email)
    user.username_key = queries.comparable(user.username)


def _described(user: User) -> dict[str, Any]:
    return plain_values(user, COLUMNS) | {"profile_picture": user.profile_picture_id}


def _remove_file(tx: Transaction, file_id: int | None) -> None:
    if file_id is not None:
        removal.remove_files(tx, [file_id])


def _lock_grant(tx: Transaction, name: str, permission: str) -> tuple[User, UserPermission | None]:
    if permission not in PERMISSIONS:
        raise UnknownPermissionError(permission)
    user = queries.find_user(name)
    if user is None:
        raise UserNotFoundError
    sessions.lock_user(tx, user.id)
    return user, tx.session.get(UserPermission, (user.id, permission))
