"""Reads of other people's personal data, each of which the audit log tells of."""

from __future__ import annotations

from typing import Any

from nxfs.admin import policies
from nxfs.admin.queries import users as queries
from nxfs.admin.service.standing import require_user
from nxfs.auth.models import User
from nxfs.auth.queries import select_live_sessions
from nxfs.core.actor import Actor
from nxfs.core.pagination import Page, fetch_page
from nxfs.core.transaction import transaction
from nxfs.extensions import db

PAGING = ("page", "page_size", "ordering")


def list_users(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of the accounts that pass ``filters``; raise ``ForbiddenError``."""
    policies.require_users_manager(actor)
    page = queries.list_users(filters)
    # Not what was searched for, which may be personal itself.
    asked = {"filters": [None, sorted(filters.keys() - set(PAGING))], "page": [None, page.page]}
    _audit(actor, "users.listed", None, {**asked, "count": [None, page.count]})
    return page


def view_user(*, actor: Actor, user_id: int) -> dict[str, Any]:
    """Return an account; raise ``ForbiddenError``, ``UserNotFoundError``."""
    policies.require_users_manager(actor)
    found = queries.get_user(user_id)
    _audit(actor, "users.viewed", user_id)
    return found


def list_sessions(*, actor: Actor, user_id: int, page: int, page_size: int) -> Page:
    """Return a page of the user's sessions; raise ``ForbiddenError``, ``UserNotFoundError``, ``AboveActorError``."""
    policies.require_users_manager(actor)
    require_user(actor, user_id)
    found = fetch_page(select_live_sessions(actor, user_id=user_id), page=page, page_size=page_size)
    _audit(actor, "users.sessions_viewed", user_id)
    return found


def _audit(actor: Actor, action: str, user_id: int | None, changes: dict[str, Any] | None = None) -> None:
    with transaction() as tx:
        target = db.session.get(User, user_id) if user_id is not None else None
        tx.audit(action, actor_id=actor.id, target=target, changes=changes)
