"""Who may administer whom. An actor of None is the operator on the command line, who may do everything."""

from __future__ import annotations

from collections.abc import Collection

from nxfs.admin.errors import AboveActorError, NotGrantableError
from nxfs.auth.models import ROLES
from nxfs.core.actor import Actor
from nxfs.core.errors import ForbiddenError

RANKS = {role: rank for rank, role in enumerate(ROLES)}


def require_users_manager(actor: Actor | None) -> None:
    """Raise ``ForbiddenError`` unless the actor may see and manage accounts."""
    if actor is not None and "users.manage" not in actor.permissions:
        raise ForbiddenError


def require_not_above(actor: Actor | None, *, role: str, permissions: Collection[str]) -> None:
    """Raise ``AboveActorError`` when who has this role and these permissions stands above the actor."""
    if actor is None or actor.is_admin:
        return
    if RANKS[role] > RANKS[actor.role] or not actor.permissions.issuperset(permissions):
        raise AboveActorError


def require_grantable_roles(actor: Actor | None, *roles: str) -> None:
    """Raise ``NotGrantableError`` unless the actor may give and take all these roles.

    Only administrators make administrators; others give roles below their own, and the one that comes with nothing.
    """
    if actor is None or actor.is_admin:
        return
    if any(role != ROLES[0] and RANKS[role] >= RANKS[actor.role] for role in roles):
        raise NotGrantableError


def require_grantable_permissions(actor: Actor | None, permissions: Collection[str]) -> None:
    """Raise ``NotGrantableError`` unless the actor has all these permissions."""
    if actor is not None and not actor.is_admin and not actor.permissions.issuperset(permissions):
        raise NotGrantableError
