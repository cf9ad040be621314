"""Erasing an account: the personal data go for ever, what the user made stays."""

from __future__ import annotations

import secrets

from sqlalchemy import delete, or_, select, update

from nxfs.admin import policies
from nxfs.admin.errors import OwnAccountError
from nxfs.admin.service.standing import open_case
from nxfs.auth.events import UserErased
from nxfs.auth.models import APIToken, GroupMember, PasswordReset, RefreshToken, User, UserPermission, UserSession
from nxfs.auth.queries import comparable
from nxfs.auth.service import accounts, lockout, passwords
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.audit import difference
from nxfs.core.events import audience_of
from nxfs.core.transaction import Transaction, transaction
from nxfs.extensions import db

# Nobody can have an address there (RFC 2606).
DOMAIN = "erased.invalid"
EMPTIED = ("first_name", "last_name", "address", "city", "country", "website", "phone")


def erase_user(*, actor: Actor | None, user_id: int) -> None:
    """Anonymise the account, end its sessions and make it unusable; it cannot be undone.

    Raises ``OwnAccountError``, ``LastAdministratorError``, and as ``open_case`` does.
    """
    policies.require_users_manager(actor)
    nobodys_hash = passwords.hash_password(secrets.token_urlsafe(32))
    with transaction() as tx:
        lockout.forget_failures_of(tx, user_id)
        case = open_case(tx, actor, user_id)
        if case.is_own:
            raise OwnAccountError
        case.require_other_administrator()
        user = case.user
        # Neither the old values nor the new ones: the audit log outlives them.
        erased = difference({"role": user.role}, {"role": "user", "erased_at": clock.to_wire(clock.now())})
        accounts.disable(tx, user, actor_id=case.actor_id, action="users.erased", changes=erased)
        _anonymise(user, nobodys_hash)
        accounts.remove_picture(tx, user)
        _delete_traces(tx, user.id)
        tx.emit(UserErased(user_id=user.id, audience=audience_of(user_ids=[user.id])), actor_id=case.actor_id)


def _anonymise(user: User, password_hash: str) -> None:
    name = _free_name(user.id)
    accounts.assign(user, {"username": name, "email": f"{name}@{DOMAIN}", "display_name": name})
    for column in EMPTIED:
        setattr(user, column, "")
    user.date_of_birth = None
    user.role = "user"
    user.password_hash = password_hash
    user.must_change_password = False
    user.erased_at = clock.now()


def _free_name(user_id: int) -> str:
    """Return ``erased-{id}``, or something longer when somebody has chosen that as a name."""
    name = f"erased-{user_id}"
    has_it = or_(User.username_key == comparable(name), User.email_key == comparable(f"{name}@{DOMAIN}"))
    is_taken = db.session.scalar(select(User.id).where(has_it, User.id != user_id)) is not None
    return f"{name}-{secrets.token_hex(3)}" if is_taken else name


def _delete_traces(tx: Transaction, user_id: int) -> None:
    tx.session.flush()
    own_sessions = select(UserSession.id).where(UserSession.user_id == user_id)
    tx.session.execute(delete(RefreshToken).where(RefreshToken.session_id.in_(own_sessions)))
    of_user = UserSession.user_id == user_id
    tx.session.execute(update(UserSession).where(of_user).values(address=None, user_agent=None))
    # In the order in which their uses are written.
    tx.session.execute(select(APIToken.id).where(APIToken.user_id == user_id).order_by(APIToken.id).with_for_update())
    for model in (PasswordReset, APIToken, UserPermission, GroupMember):
        tx.session.execute(delete(model).where(model.user_id == user_id))
