"""The closed set of permissions, as administrators read it."""

from __future__ import annotations

from typing import Any

from nxfs.admin import policies
from nxfs.auth.models import ROLES
from nxfs.auth.permissions import OF_ROLES, PERMISSIONS
from nxfs.core.actor import Actor
from nxfs.core.messages import translate
from nxfs.core.pagination import Page, page_of


def list_permissions(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of all permissions by name, in the actor's language; raise ``ForbiddenError``."""
    policies.require_users_manager(actor)
    page, page_size = filters["page"], filters["page_size"]
    start = (page - 1) * page_size
    shown = sorted(PERMISSIONS)[start : start + page_size]
    items = [
        {
            "name": name,
            "description": translate(PERMISSIONS[name], actor.language),
            "roles": [role for role in ROLES if name in OF_ROLES[role]],
            "may_grant": actor.is_admin or name in actor.permissions,
        }
        for name in shown
    ]
    return page_of(items, count=len(PERMISSIONS), page=page, page_size=page_size)
