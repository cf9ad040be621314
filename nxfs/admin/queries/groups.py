"""Reads of groups, their permissions and their members."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, false, func, select

from nxfs.admin import policies
from nxfs.admin.errors import GroupNotFoundError
from nxfs.auth.models import Group, GroupMember, GroupPermission, User
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.queries import names_in
from nxfs.core import names, search
from nxfs.core.actor import Actor
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db

_permissions = select(func.aggregate_strings(GroupPermission.permission, ",")).where(
    GroupPermission.group_id == Group.id
)
_member_count = select(func.count()).where(GroupMember.group_id == Group.id).scalar_subquery().label("member_count")
_COLUMNS = (
    Group.id,
    Group.version,
    Group.name,
    Group.description,
    _permissions.scalar_subquery().label("granted"),
    _member_count,
    Group.created_at,
    Group.updated_at,
)
_ORDERINGS = {
    "name": Group.name_key,
    "member_count": _member_count,
    "created_at": Group.created_at,
    "updated_at": Group.updated_at,
}
_MEMBER_ORDERINGS = {"username": User.username_key, "role": User.role}


def list_groups(*, actor: Actor | None, filters: dict[str, Any]) -> Page:
    """Return a page of the groups that pass ``filters`` (see ``GroupQuerySchema``), by name unless ordered.

    Raises ``ForbiddenError``.
    """
    policies.require_users_manager(actor)
    conditions = _name_conditions(filters["search"]) if "search" in filters else []
    if "permission" in filters:
        wanted = GroupPermission.permission.in_(filters["permission"])
        conditions.append(Group.id.in_(select(GroupPermission.group_id).where(wanted)))
    ordering = _ordering(_ORDERINGS, filters.get("ordering") or [("name", False)])
    rows = select(*_COLUMNS).where(*conditions).order_by(*ordering, Group.id)
    counted = select(Group.id).where(*conditions)
    page = fetch_page(rows, counted=counted, page=filters["page"], page_size=filters["page_size"])
    return replace(page, items=[_item(row) for row in page.items])


def get_group(*, actor: Actor | None, group_id: int) -> dict[str, Any]:
    """Return the group; raise ``ForbiddenError``, ``GroupNotFoundError``."""
    policies.require_users_manager(actor)
    row = db.session.execute(select(*_COLUMNS).where(Group.id == group_id)).one_or_none()
    if row is None:
        raise GroupNotFoundError
    return _item(row)


def find_group_id(name: str) -> int:
    """Return the id of the group that ``name``, its id or its name, means; raise ``GroupNotFoundError``."""
    number = names.as_identifier(name)
    condition = Group.name_key == names.name_key(name)
    # An id wins over a name that looks like one.
    rows = db.session.scalars(select(Group.id).where(condition | (Group.id == number) if number else condition)).all()
    if not rows:
        raise GroupNotFoundError
    return number if number in rows else rows[0]


def list_members(*, actor: Actor | None, group_id: int, filters: dict[str, Any]) -> Page:
    """Return a page of the group's members (see ``GroupMemberQuerySchema``), by username unless ordered.

    Raises ``ForbiddenError``, ``GroupNotFoundError``.
    """
    policies.require_users_manager(actor)
    if db.session.scalar(select(Group.id).where(Group.id == group_id)) is None:
        raise GroupNotFoundError
    ordering = _ordering(_MEMBER_ORDERINGS, filters.get("ordering") or [("username", False)])
    rows = _select_members(group_id).order_by(*ordering, User.id)
    return fetch_page(rows, page=filters["page"], page_size=filters["page_size"])


def _select_members(group_id: int) -> Select[Any]:
    columns = (User.id, User.username, User.display_name, User.role, User.is_active)
    return select(*columns).join(GroupMember, GroupMember.user_id == User.id).where(GroupMember.group_id == group_id)


def _name_conditions(searched: str) -> list[ColumnElement[bool]]:
    """Each word is somewhere in the name; what has no words is in none."""
    words = search.words_of(searched)
    return [Group.name_key.contains(search.sort_key(word), autoescape=True) for word in words] or [false()]


def _ordering(columns: dict[str, Any], wanted: list[tuple[str, bool]]) -> list[ColumnElement[Any]]:
    return [columns[name].desc() if is_descending else columns[name].asc() for name, is_descending in wanted]


def _item(row: Row[Any]) -> dict[str, Any]:
    values = row._asdict()
    return {**values, "permissions": sorted(PERMISSIONS.keys() & names_in(values.pop("granted")))}
