"""Roles, permissions and groups of a user: what is asked for, whether it may be, and the rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, or_, select

from nxfs.admin import policies
from nxfs.admin.errors import RoleContradictedError, UnknownGroupError
from nxfs.auth.errors import UnknownPermissionError
from nxfs.auth.models import STAFF_ROLES, Group, GroupMember, GroupPermission, UserPermission
from nxfs.auth.permissions import PERMISSIONS
from nxfs.core.actor import Actor
from nxfs.core.names import as_identifier, name_key
from nxfs.core.transaction import Transaction
from nxfs.extensions import db


def role_in(values: Mapping[str, Any], *, present: str) -> str:
    """Return the role that ``role``, ``is_staff`` and ``is_superuser`` in ``values`` ask for, ``present`` without them.

    Raises ``RoleContradictedError`` when they do not go together.
    """
    role = values.get("role")
    if role is None:
        role = _role_of_flags(values, present)
    for field, says in (("is_superuser", role == "admin"), ("is_staff", role in STAFF_ROLES)):
        if values.get(field, says) != says:
            raise RoleContradictedError(field, other="role" if "role" in values else "is_superuser")
    return role


def _role_of_flags(values: Mapping[str, Any], present: str) -> str:
    is_superuser = values.get("is_superuser", present == "admin")
    if is_superuser:
        return "admin"
    return "staff" if values.get("is_staff", present in STAFF_ROLES) else "user"


def set_permissions(tx: Transaction, actor: Actor | None, user_id: int, permissions: Collection[str]) -> None:
    """Make ``permissions`` those that the user has beyond the role and the groups.

    Raises ``NotGrantableError`` when the actor has not all that is given or taken, ``UnknownPermissionError``.
    """
    wanted, present = set(permissions), set(permissions_of(user_id))
    unknown = sorted(wanted - PERMISSIONS.keys())
    if unknown:
        raise UnknownPermissionError(unknown[0])
    # One that the program no longer knows is nobody's, and may be dropped by everybody.
    policies.require_grantable_permissions(actor, (wanted ^ present) & PERMISSIONS.keys())
    lost = UserPermission.permission.in_(present - wanted)
    tx.session.execute(delete(UserPermission).where(UserPermission.user_id == user_id, lost))
    tx.session.add_all(UserPermission(user_id=user_id, permission=name) for name in sorted(wanted - present))
    tx.session.flush()


def set_groups(tx: Transaction, actor: Actor | None, user_id: int, names: Sequence[str]) -> None:
    """Make the groups that ``names`` are the names or ids of those of the user.

    Raises ``UnknownGroupError``, and ``NotGrantableError`` when a group that is given or taken has more permissions
    than the actor.
    """
    wanted = set(find_groups(names))
    present = set(db.session.scalars(select(GroupMember.group_id).where(GroupMember.user_id == user_id)))
    of_groups = select(GroupPermission.permission).where(GroupPermission.group_id.in_(wanted ^ present))
    policies.require_grantable_permissions(actor, set(db.session.scalars(of_groups)) & PERMISSIONS.keys())
    lost = GroupMember.group_id.in_(present - wanted)
    tx.session.execute(delete(GroupMember).where(GroupMember.user_id == user_id, lost))
    tx.session.add_all(GroupMember(user_id=user_id, group_id=each) for each in sorted(wanted - present))
    tx.session.flush()


def find_groups(names: Sequence[str]) -> list[int]:
    """Return the ids of the groups; an id wins over a name that looks like one. Raises ``UnknownGroupError``."""
    numbers = [number for number in map(as_identifier, names) if number is not None]
    is_named = or_(Group.id.in_(numbers), Group.name_key.in_(list(map(name_key, names))))
    rows = db.session.execute(select(Group.id, Group.name_key).where(is_named)).all()
    by_id, by_key = {row.id: row.id for row in rows}, {row.name_key: row.id for row in rows}
    found = []
    for name in names:
        group_id = by_id.get(as_identifier(name) or 0) or by_key.get(name_key(name))
        if group_id is None:
            raise UnknownGroupError(name)
        found.append(group_id)
    return found


def permissions_of(user_id: int) -> list[str]:
    """Return the permissions that were granted to the user alone, in their order."""
    granted = select(UserPermission.permission).where(UserPermission.user_id == user_id)
    return sorted(db.session.scalars(granted))


def groups_of(user_id: int) -> list[str]:
    """Return the names of the user's groups, in their order."""
    joined = select(Group.name).join(GroupMember, GroupMember.group_id == Group.id)
    return list(db.session.scalars(joined.where(GroupMember.user_id == user_id).order_by(Group.name_key)))
