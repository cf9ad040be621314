"""Groups of users, made without asking who may."""

from __future__ import annotations

from collections.abc import Iterable

from nxfs.admin.service import group_members, groups


def create_group(name: str, *, permissions: Iterable[str] = (), members: Iterable[int] = ()) -> int:
    """Return the id of a new group."""
    values = {"name": name, "description": "", "permissions": list(permissions)}
    group_id = groups.create_group(actor=None, values=values)
    if user_ids := list(members):
        group_members.add_members(actor=None, group_id=group_id, user_ids=user_ids)
    return group_id
