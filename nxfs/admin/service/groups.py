"""Changes to groups: what they are called, what they give, and that they are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, delete, false, select

from nxfs.admin import policies
from nxfs.admin.errors import GroupNameTakenError, GroupNotFoundError
from nxfs.admin.service.standing import present_actor
from nxfs.auth import queries
from nxfs.auth.errors import UnknownPermissionError
from nxfs.auth.events import GroupMembersAffected
from nxfs.auth.models import Group, GroupMember, GroupPermission, User
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.service import authentication
from nxfs.auth.service.sessions import ROW_LOCK
from nxfs.core import clock, names
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.events import audience_of
from nxfs.core.transaction import Transaction, transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition

FIELDS = ("name", "description")
CONFLICTS = {"uq_groups_name_key": GroupNameTakenError}
NOBODY = false()


def create_group(*, actor: Actor | None, values: Mapping[str, Any]) -> int:
    """Create a group from ``values`` (see ``GroupCreateSchema``) and return its id; ``None`` is the operator.

    Raises ``ForbiddenError``, ``NotGrantableError``, ``GroupNameTakenError``, ``UnknownPermissionError``.
    """
    policies.require_users_manager(actor)
    _require_known(values["permissions"])
    with transaction(CONFLICTS) as tx:
        present = lock_people(tx, actor, NOBODY)
        policies.require_grantable_permissions(present, values["permissions"])
        group = Group()
        _assign(group, values)
        tx.session.add(group)
        tx.session.flush()
        _set_permissions(tx, group, before=(), after=values["permissions"])
        changes = difference({}, _described(group, values["permissions"]))
        tx.audit("groups.created", actor_id=actor_id_of(actor), target=group, changes=changes)
        return group.id


def update_group(
    *, actor: Actor | None, group_id: int, values: Mapping[str, Any], precondition: Precondition = NO_PRECONDITION
) -> None:
    """Change what is in ``values``; nothing is written when it holds already.

    Permissions are changed only where nobody among the members is above the actor. Raises ``GroupNotFoundError``,
    ``AboveActorError``, ``PreconditionFailedError`` and what ``create_group`` does.
    """
    policies.require_users_manager(actor)
    _require_known(values.get("permissions", ()))
    with transaction(CONFLICTS) as tx:
        group, permissions = lock_group(tx, group_id)
        _change(tx, actor, group, permissions, values, precondition)


def change_permissions(
    *, actor: Actor | None, group_id: int, granted: Collection[str] = (), revoked: Collection[str] = ()
) -> None:
    """Give the group those ``granted`` and take those ``revoked``; the others stay. Raises as ``update_group``."""
    policies.require_users_manager(actor)
    _require_known([*granted, *revoked])
    with transaction() as tx:
        group, permissions = lock_group(tx, group_id)
        wanted = sorted((set(permissions) | set(granted)) - set(revoked))
        _change(tx, actor, group, permissions, {"permissions": wanted}, NO_PRECONDITION)


def delete_group(*, actor: Actor | None, group_id: int, precondition: Precondition = NO_PRECONDITION) -> None:
    """Delete the group; its members lose what it gave them.

    Raises ``ForbiddenError``, ``GroupNotFoundError``, ``NotGrantableError``, ``AboveActorError`` and
    ``PreconditionFailedError``.
    """
    policies.require_users_manager(actor)
    with transaction() as tx:
        group, permissions = lock_group(tx, group_id)
        members = _is_member(group_id)
        present = lock_people(tx, actor, members)
        policies.require_grantable_permissions(present, permissions)
        _require_nobody_above(present, members)
        precondition.require(group.version)
        user_ids = sorted(tx.session.scalars(select(User.id).where(members)))
        before = {**_described(group, permissions), "members": user_ids}
        tx.audit("groups.deleted", actor_id=actor_id_of(actor), target=group, changes=difference(before, {}))
        tell(tx, actor, group, user_ids)
        tx.session.execute(delete(GroupMember).where(GroupMember.group_id == group_id))
        tx.session.execute(delete(GroupPermission).where(GroupPermission.group_id == group_id))
        tx.session.delete(group)
        tx.session.flush()


def lock_group(tx: Transaction, group_id: int) -> tuple[Group, list[str]]:
    """Return the group, locked, and its permissions; always before people. Raises ``GroupNotFoundError``."""
    # No stronger than this: memberships that are written elsewhere refer to the row while they hold their users.
    group = tx.session.scalar(select(Group).where(Group.id == group_id).with_for_update(**ROW_LOCK))
    if group is None:
        raise GroupNotFoundError
    found = select(GroupPermission.permission).where(GroupPermission.group_id == group_id)
    # One that the program no longer knows is nobody's.
    return group, sorted(PERMISSIONS.keys() & set(tx.session.scalars(found)))


def lock_people(tx: Transaction, actor: Actor | None, people: ColumnElement[bool]) -> Actor | None:
    """Lock the actor and ``people``, a condition on users, by their ids; return the actor with the rights of now.

    Raises ``ForbiddenError`` when the actor manages nobody any more.
    """
    wanted = people if actor is None else people | (User.id == actor.id)
    tx.session.execute(select(User.id).where(wanted).order_by(User.id).with_for_update(**ROW_LOCK)).all()
    return None if actor is None else present_actor(actor)


def tell(tx: Transaction, actor: Actor | None, group: Group, user_ids: Sequence[int]) -> None:
    """Let what the users may do now count at once: here after the commit, elsewhere and for connections by the log."""
    if not user_ids:
        return
    audience = audience_of(user_ids=user_ids)
    event = GroupMembersAffected(group_id=group.id, user_ids=tuple(user_ids), audience=audience)
    tx.emit(event, actor_id=actor_id_of(actor))
    for user_id in user_ids:
        tx.after_commit(partial(authentication.forget, user_id))


def actor_id_of(actor: Actor | None) -> int | None:
    """Return who is written down as having done it; nobody for the operator."""
    return None if actor is None else actor.id


def _change(
    tx: Transaction,
    actor: Actor | None,
    group: Group,
    permissions: Sequence[str],
    values: Mapping[str, Any],
    precondition: Precondition,
) -> None:
    """Change the locked group, which gives ``permissions``."""
    wanted = sorted(values.get("permissions", permissions))
    affected = NOBODY if wanted == permissions else _is_member(group.id)
    present = lock_people(tx, actor, affected)
    policies.require_grantable_permissions(present, {*permissions, *wanted})
    _require_nobody_above(present, affected)
    precondition.require(group.version)
    before = _described(group, permissions)
    _assign(group, values)
    changes = difference(before, _described(group, wanted))
    if not changes:
        return
    # Permissions are rows of their own, and the version counts changes of this one.
    group.updated_at = clock.now()
    if "permissions" in changes:
        _set_permissions(tx, group, before=permissions, after=wanted)
        tell(tx, actor, group, sorted(tx.session.scalars(select(User.id).where(affected))))
    tx.audit("groups.updated", actor_id=actor_id_of(actor), target=group, changes=changes)


def _is_member(group_id: int) -> ColumnElement[bool]:
    return User.id.in_(select(GroupMember.user_id).where(GroupMember.group_id == group_id))


def _require_nobody_above(actor: Actor | None, people: ColumnElement[bool]) -> None:
    """Raise ``AboveActorError`` when one of ``people`` stands above the actor."""
    if actor is None or actor.is_admin:
        return
    for role, permissions in queries.find_rights(people).values():
        policies.require_not_above(actor, role=role, permissions=permissions)


def _set_permissions(tx: Transaction, group: Group, *, before: Iterable[str], after: Iterable[str]) -> None:
    gone, added = set(before) - set(after), set(after) - set(before)
    of_group = GroupPermission.group_id == group.id
    tx.session.execute(delete(GroupPermission).where(of_group, GroupPermission.permission.in_(gone)))
    tx.session.add_all(GroupPermission(group_id=group.id, permission=name) for name in sorted(added))


def _assign(group: Group, values: Mapping[str, Any]) -> None:
    for field in FIELDS:
        if field in values:
            setattr(group, field, values[field])
    group.name_key = names.name_key(group.name)


def _described(group: Group, permissions: Iterable[str]) -> dict[str, Any]:
    return {**plain_values(group, FIELDS), "permissions": sorted(permissions)}


def _require_known(permissions: Iterable[str]) -> None:
    for name in permissions:
        if name not in PERMISSIONS:
            raise UnknownPermissionError(name)
