"""Accounts, as administrators change them. An actor of None is the operator on the command line."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from nxfs.admin import policies
from nxfs.admin.errors import InactiveAccountError, OwnAccountError
from nxfs.admin.service import erasure, invitations, roles
from nxfs.admin.service.standing import Case, open_case, present_actor, require_user
from nxfs.auth.events import UserActivated, UserUpdated
from nxfs.auth.models import User
from nxfs.auth.queries import comparable
from nxfs.auth.service import accounts, api_tokens, authentication, lockout, password_changes, passwords, sessions
from nxfs.auth.service.sign_in import detached
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.events import audience_of
from nxfs.core.limits import limiter
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.extensions import db

COLUMNS = ("email", "username", "display_name", "first_name", "last_name", "language")
RIGHTS = ("user_permissions", "groups")
SHORTEST_USERNAME, LONGEST_USERNAME = 3, 30


def create_user(*, actor: Actor | None, values: Mapping[str, Any], password: str | None = None) -> int:
    """Create an account and return its id.

    ``values`` are columns (of which only ``email`` is needed), ``role``, ``permissions`` and ``groups``. Without a
    ``password`` the user is sent a link to choose one; with one, another has to be chosen at the first sign-in. Raises
    ``ForbiddenError``, ``NotGrantableError``, ``UnknownGroupError``, ``WeakPasswordError``, ``EmailTakenError``,
    ``UsernameTakenError``.
    """
    policies.require_users_manager(actor)
    columns = {name: values[name] for name in COLUMNS if name in values}
    role = roles.role_in(values, present="user")
    # Before a password is hashed, which takes its time.
    policies.require_grantable_roles(actor, role)
    if password is None:
        invitations.require_mail()
    columns.setdefault("username", _free_username(columns["email"]))
    release_connection()
    user = accounts.new_user(values=columns, password=password or secrets.token_urlsafe(32), role=role)
    user.display_name = columns.get("display_name") or user.display_name
    user.must_change_password = password is not None
    with transaction(conflicts=accounts.CONFLICTS) as tx:
        present = actor if actor is None else _lock_actor(tx, actor)
        policies.require_grantable_roles(present, role)
        tx.session.add(user)
        tx.session.flush()
        roles.set_permissions(tx, present, user.id, values.get("permissions", ()))
        roles.set_groups(tx, present, user.id, values.get("groups", ()))
        action = "users.invited" if password is None else "users.created"
        granted = difference({name: [] for name in RIGHTS}, _rights_of(user.id))
        accounts.store_user(tx, user, actor_id=actor.id if actor else None, action=action, changes=granted)
        if password is None:
            invitations.invite(tx, user)
    return user.id


def update_user(
    *,
    actor: Actor | None,
    user_id: int,
    values: Mapping[str, Any],
    precondition: Precondition = NO_PRECONDITION,
) -> None:
    """Change the account; what is not in ``values`` stays, and nothing is written when they hold already.

    ``values`` are columns, ``role`` (or ``is_staff`` and ``is_superuser``), ``is_active``, ``user_permissions`` and
    ``groups``. Raises ``UserNotFoundError``, ``PreconditionFailedError``, ``LastAdministratorError``,
    ``OwnAccountError``, ``EmailTakenError``, ``UsernameTakenError``, and as ``open_case`` and ``roles`` do.
    """
    with transaction(conflicts=accounts.CONFLICTS) as tx:
        case = open_case(tx, actor, user_id)
        user = case.user
        precondition.require(user.version)
        role = roles.role_in(values, present=user.role)
        is_active = values.get("is_active", user.is_active)
        _require_allowed(case, role=role, is_active=is_active)
        before = _described(user)
        accounts.assign(user, {name: values[name] for name in COLUMNS if name in values})
        user.role = role
        if "user_permissions" in values:
            roles.set_permissions(tx, case.actor, user.id, values["user_permissions"])
        if "groups" in values:
            roles.set_groups(tx, case.actor, user.id, values["groups"])
        changes = difference(before, _described(user))
        if changes:
            _tell(tx, case, changes)
        if is_active != user.is_active:
            _switch(tx, case, is_active=is_active)
        elif not changes:
            # The answer shows the account all the same.
            tx.audit("users.viewed", actor_id=case.actor_id, target=user)


def set_active(*, actor: Actor | None, user_id: int, is_active: bool) -> None:
    """Enable the account, or disable it and end its sessions. Raises as ``update_user`` does."""
    update_user(actor=actor, user_id=user_id, values={"is_active": is_active})


def reset_password(*, actor: Actor | None, user_id: int, new_password: str | None = None) -> None:
    """Take the password away and end all sessions.

    Without a ``new_password`` the user is sent a link to choose one; with one, another has to be chosen at the next
    sign-in. Raises ``WeakPasswordError``, ``OwnAccountError``, ``InactiveAccountError``, and as ``open_case`` does.
    """
    policies.require_users_manager(actor)
    if new_password is None:
        invitations.require_mail()
    if actor is not None and actor.id == user_id:
        # Who has only found an open session must not get the account with it.
        raise OwnAccountError
    user = detached(require_user(actor, user_id))
    if new_password is not None:
        passwords.require_good_password(new_password, about=passwords.names_of(user), field="new_password")
    new_hash = passwords.hash_password(new_password or secrets.token_urlsafe(32))
    with transaction() as tx:
        lockout.forget_failures_of(tx, user_id)
        case = open_case(tx, actor, user_id)
        if new_password is None and not case.user.is_active:
            raise InactiveAccountError
        password_changes.replace_password(
            tx,
            case.user,
            new_hash,
            action="users.password_reset",
            actor_id=case.actor_id,
            must_change=new_password is not None,
            changes={"way": [None, "link" if new_password is None else "set"]},
        )
        api_tokens.revoke_tokens(tx, user_id, actor_id=case.actor_id)
        if new_password is None:
            invitations.send_reset(tx, case.user)


def erase_user(*, actor: Actor | None, user_id: int) -> None:
    """Anonymise the account for ever, see ``erasure.erase_user``."""
    erasure.erase_user(actor=actor, user_id=user_id)


def end_user_sessions(*, actor: Actor | None, user_id: int) -> int:
    """End all sessions of the user and return how many there were. Raises as ``open_case`` does."""
    with transaction() as tx:
        case = open_case(tx, actor, user_id)
        ended = sessions.end_sessions(tx, user_id, reason="ended_by_administrator", actor_id=case.actor_id)
        changes = {"sessions": [len(ended), 0]}
        tx.audit("users.sessions_ended", actor_id=case.actor_id, target=case.user, changes=changes)
        return len(ended)


def unlock_user(*, actor: Actor | None, user_id: int) -> None:
    """Forget the user's failed sign-ins from everywhere. Raises as ``open_case`` does."""
    policies.require_users_manager(actor)
    with transaction() as tx:
        networks = lockout.forget_failures_of(tx, user_id)
        case = open_case(tx, actor, user_id)
        tx.after_commit(lambda: limiter.forget(lockout.subject_of(user_id)))
        changes = {"networks": [networks, 0]}
        tx.audit("users.unlocked", actor_id=case.actor_id, target=case.user, changes=changes)


def _require_allowed(case: Case, *, role: str, is_active: bool) -> None:
    user = case.user
    is_lowered = policies.RANKS[role] < policies.RANKS[user.role]
    if role != user.role:
        policies.require_grantable_roles(case.actor, user.role, role)
    if case.is_own and (is_lowered or not is_active):
        raise OwnAccountError
    if is_lowered or not is_active:
        case.require_other_administrator()


def _tell(tx: Transaction, case: Case, changes: dict[str, list[Any]]) -> None:
    """Log what changed: an entry for the role, one for the rights, and one for the rest."""
    user = case.user
    user.updated_at = clock.now()
    if "email" in changes:
        password_changes.void_resets(tx, user.id)
    by_action = {
        "users.role_changed": {name: changes[name] for name in ("role",) if name in changes},
        "users.permissions_changed": {name: changes[name] for name in RIGHTS if name in changes},
        "users.updated": {name: pair for name, pair in changes.items() if name not in ("role", *RIGHTS)},
    }
    for action, part in by_action.items():
        if part:
            tx.audit(action, actor_id=case.actor_id, target=user, changes=part)
    event = UserUpdated(user_id=user.id, fields=tuple(changes), audience=audience_of(user_ids=[user.id]))
    tx.emit(event, actor_id=case.actor_id)
    if accounts.SHOWN & changes.keys():
        tx.revise("people")
    tx.after_commit(lambda: authentication.forget(user.id))


def _switch(tx: Transaction, case: Case, *, is_active: bool) -> None:
    user = case.user
    user.updated_at = clock.now()
    if not is_active:
        accounts.disable(tx, user, actor_id=case.actor_id, action="users.deactivated")
        return
    user.is_active = True
    tx.emit(UserActivated(user_id=user.id, audience=audience_of(user_ids=[user.id])), actor_id=case.actor_id)
    tx.audit("users.activated", actor_id=case.actor_id, target=user, changes={"is_active": [False, True]})
    tx.revise("people")
    tx.after_commit(lambda: authentication.forget(user.id))


def _described(user: User) -> dict[str, Any]:
    return plain_values(user, (*COLUMNS, "role")) | _rights_of(user.id)


def _rights_of(user_id: int) -> dict[str, Any]:
    return {"user_permissions": roles.permissions_of(user_id), "groups": roles.groups_of(user_id)}


def _lock_actor(tx: Transaction, actor: Actor) -> Actor:
    sessions.lock_user(tx, actor.id)
    return present_actor(actor)


def _free_username(email: str) -> str:
    """Return a username made of the address that nobody has at the moment."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", email.partition("@")[0]).strip("-")[: LONGEST_USERNAME - 5]
    stem = stem if len(stem) >= SHORTEST_USERNAME else f"user-{stem}".strip("-")
    is_like = User.username_key.startswith(comparable(stem), autoescape=True)
    taken = set(db.session.scalars(select(User.username_key).where(is_like)))
    number = 1
    while comparable(name := stem if number == 1 else f"{stem}-{number}") in taken:
        number += 1
    return name
