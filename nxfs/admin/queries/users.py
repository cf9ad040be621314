"""Reads of accounts for those who administer them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select

from nxfs.auth import queries
from nxfs.auth.errors import UserNotFoundError
from nxfs.auth.models import STAFF_ROLES, Group, GroupMember, User, UserPermission
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.service import lockout
from nxfs.core.names import as_identifier, name_key
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db

# Names of groups are lines, so that no name has it.
BETWEEN_NAMES = "\n"
# lower() of SQLite knows ASCII only, that of PostgreSQL what its locale knows.
CAPITALS = "ÆØÅÄÖÜÉ"
ORDERINGS = {
    "date_joined": User.date_joined,
    "email": User.email_key,
    "username": User.username_key,
    "last_login": User.last_login,
    "last_seen": User.last_seen,
    "role": User.role,
}
FIRST_DAY, LAST_DAY = date(2, 1, 1), date(9998, 12, 31)

_own = select(func.aggregate_strings(UserPermission.permission, ",")).where(UserPermission.user_id == User.id)
_groups = (
    select(func.aggregate_strings(Group.name, BETWEEN_NAMES))
    .join(GroupMember, GroupMember.group_id == Group.id)
    .where(GroupMember.user_id == User.id)
)


def list_users(filters: dict[str, Any]) -> Page:
    """Return a page of the accounts that pass all ``filters`` (see ``UserQuerySchema``), in two statements."""
    conditions = list(_conditions(filters))
    rows = _select_users().where(*conditions).order_by(*_order(filters.get("ordering") or [("date_joined", True)]))
    counted = select(User.id).where(*conditions)
    page = fetch_page(rows, counted=counted, page=filters["page"], page_size=filters["page_size"])
    return replace(page, items=_described(page.items))


def get_user(user_id: int) -> dict[str, Any]:
    """Return an account as administrators see it; raise ``UserNotFoundError``."""
    rows = db.session.execute(_select_users().where(User.id == user_id)).all()
    if not rows:
        raise UserNotFoundError
    return _described(rows)[0]


def _select_users() -> Select[Any]:
    own, groups = _own.scalar_subquery().label("own"), _groups.scalar_subquery().label("group_names")
    return queries.select_profiles().add_columns(own, groups, User.erased_at)


def _described(rows: Sequence[Any]) -> list[dict[str, Any]]:
    blocked = lockout.find_blocked([row.id for row in rows])
    return [
        {
            **queries.profile_of(row),
            "groups": sorted((row.group_names or "").split(BETWEEN_NAMES) if row.group_names else [], key=name_key),
            # One that the program no longer knows has no meaning.
            "user_permissions": sorted(set(queries.names_in(row.own)) & PERMISSIONS.keys()),
            "last_activity": row.last_seen,
            "is_locked": row.id in blocked,
        }
        for row in rows
    ]


def _conditions(filters: dict[str, Any]) -> Iterable[ColumnElement[bool]]:
    for name, column in (
        ("is_active", User.is_active),
        ("is_staff", User.role.in_(STAFF_ROLES)),
        ("is_superuser", User.role == "admin"),
    ):
        if name in filters:
            yield column if filters[name] else ~column
    if "role" in filters:
        yield User.role.in_(filters["role"])
    if "group" in filters:
        yield User.id.in_(_members_of(filters["group"]))
    if "registration_date_start" in filters:
        yield User.date_joined >= _beginning_of(filters["registration_date_start"])
    if "registration_date_end" in filters:
        yield User.date_joined < _beginning_of(filters["registration_date_end"]) + timedelta(days=1)
    if "last_seen_before" in filters:
        yield User.last_seen < filters["last_seen_before"]
    if "last_seen_after" in filters:
        yield User.last_seen >= filters["last_seen_after"]
    if filters.get("search"):
        yield from _has_words(filters["search"])


def _members_of(names: Sequence[str]) -> Select[Any]:
    numbers = [number for number in map(as_identifier, names) if number is not None]
    is_named = or_(Group.id.in_(numbers), Group.name_key.in_(list(map(name_key, names))))
    return select(GroupMember.user_id).join(Group, Group.id == GroupMember.group_id).where(is_named)


def _has_words(search: str) -> Iterable[ColumnElement[bool]]:
    """Yield a condition for each word: it stands somewhere in the address or one of the names."""
    names = (_lower(column) for column in (User.first_name, User.last_name, User.display_name))
    texts = (User.email_key, User.username_key, *names)
    for word in search.casefold().split():
        yield or_(*(text.contains(word, autoescape=True) for text in texts))


def _lower(column: Any) -> ColumnElement[str]:
    lowered = func.lower(column)
    return reduce(lambda text, letter: func.replace(text, letter, letter.lower()), CAPITALS, lowered)


def _order(names: Sequence[tuple[str, bool]]) -> Iterable[ColumnElement[Any]]:
    for name, is_descending in names:
        column = ORDERINGS[name]
        # The engines disagree on where none belongs.
        yield column.is_(None)
        yield column.desc() if is_descending else column.asc()
    yield User.id.desc()


def _beginning_of(day: date) -> datetime:
    """Return the first moment of ``day`` in UTC; days that no calculation reaches are moved."""
    return datetime.combine(min(max(day, FIRST_DAY), LAST_DAY), time.min, UTC)
