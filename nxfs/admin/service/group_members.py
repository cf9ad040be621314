"""Who belongs to a group."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from nxfs.admin import policies
from nxfs.admin.errors import AboveActorError
from nxfs.admin.service import groups
from nxfs.auth import queries
from nxfs.auth.errors import UserNotFoundError
from nxfs.auth.models import GroupMember, User
from nxfs.core.actor import Actor
from nxfs.core.batches import Failure, is_among, require_all
from nxfs.core.transaction import Transaction, transaction


@dataclass(frozen=True)
class Batch:
    """Users who are to become members or to be members no longer."""

    actor: Actor | None
    group_id: int
    user_ids: Sequence[int]
    atomic: bool
    dry_run: bool


def add_members(
    *, actor: Actor | None, group_id: int, user_ids: Sequence[int], atomic: bool = False, dry_run: bool = False
) -> list[Failure]:
    """Make the users members, and return those whom ``actor`` cannot; who is a member already stays one.

    ``None`` is the operator. With ``dry_run`` nothing changes. Raises ``ForbiddenError``, ``GroupNotFoundError``,
    ``NotGrantableError`` when the group gives what the actor does not have, ``BatchFailedError`` with ``atomic``.
    """

    def add(tx: Transaction, allowed: set[int], members: set[int]) -> tuple[list[int], list[int]]:
        added = sorted(allowed - members)
        if added:
            tx.session.execute(insert(GroupMember), [{"group_id": group_id, "user_id": each} for each in added])
        return [], added

    return _change(Batch(actor, group_id, user_ids, atomic, dry_run), add)


def remove_members(
    *, actor: Actor | None, group_id: int, user_ids: Sequence[int], atomic: bool = False, dry_run: bool = False
) -> list[Failure]:
    """Take the users out of the group, and return those whom ``actor`` cannot; who is no member stays none.

    Raises as ``add_members`` does.
    """

    def remove(tx: Transaction, allowed: set[int], members: set[int]) -> tuple[list[int], list[int]]:
        removed = sorted(allowed & members)
        among = is_among(GroupMember.user_id, removed)
        tx.session.execute(delete(GroupMember).where(GroupMember.group_id == group_id, among))
        return removed, []

    return _change(Batch(actor, group_id, user_ids, atomic, dry_run), remove)


def _change(
    batch: Batch, change: Callable[[Transaction, set[int], set[int]], tuple[list[int], list[int]]]
) -> list[Failure]:
    """Let ``change`` write the rows; it is told who may be changed and who is a member, and says who was and now is."""
    actor, group_id, user_ids = batch.actor, batch.group_id, batch.user_ids
    policies.require_users_manager(actor)
    with transaction() as tx:
        group, permissions = groups.lock_group(tx, group_id)
        present = groups.lock_people(tx, actor, is_among(User.id, user_ids))
        policies.require_grantable_permissions(present, permissions)
        failures = _find_failures(present, user_ids)
        if batch.atomic:
            require_all(failures, language="en" if actor is None else actor.language)
        if batch.dry_run:
            return failures
        allowed = set(user_ids) - {failure.id for failure in failures}
        before, after = change(tx, allowed, _members_among(tx, group_id, user_ids))
        if before or after:
            # Those whom it concerns: a group may have thousands of others.
            changes = {"members": [before, after]}
            tx.audit("groups.members_changed", actor_id=groups.actor_id_of(actor), target=group, changes=changes)
            groups.tell(tx, actor, group, [*before, *after])
    return failures


def _members_among(tx: Transaction, group_id: int, user_ids: Collection[int]) -> set[int]:
    """Return those of the users who are members."""
    members = select(GroupMember.user_id).where(GroupMember.group_id == group_id)
    return set(tx.session.scalars(members.where(is_among(GroupMember.user_id, user_ids))))


def _find_failures(actor: Actor | None, user_ids: Sequence[int]) -> list[Failure]:
    """Return those who do not exist or stand above the actor; who was erased is nobody."""
    rights = queries.find_rights(is_among(User.id, user_ids) & User.erased_at.is_(None))
    failures = []
    for user_id in user_ids:
        if user_id not in rights:
            failures.append(Failure(user_id, UserNotFoundError.message))
            continue
        role, permissions = rights[user_id]
        try:
            policies.require_not_above(actor, role=role, permissions=permissions)
        except AboveActorError as error:
            failures.append(Failure(user_id, error.message))
    return failures
