"""Reads of accounts and sessions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, select

from nxfs.auth import lifetimes
from nxfs.auth.models import (
    STAFF_ROLES,
    APIToken,
    GroupMember,
    GroupPermission,
    PasswordReset,
    User,
    UserPermission,
    UserSession,
)
from nxfs.auth.permissions import permissions_of
from nxfs.auth.scopes import SCOPES
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.errors import ForbiddenError
from nxfs.core.messages import translate
from nxfs.core.pagination import Page, page_of
from nxfs.extensions import db
from nxfs.files.models import StoredFile
from nxfs.files.queries import labelled_file_columns

_of_user = select(func.aggregate_strings(UserPermission.permission, ",")).where(UserPermission.user_id == User.id)
_of_groups = (
    select(func.aggregate_strings(GroupPermission.permission, ","))
    .join(GroupMember, GroupMember.group_id == GroupPermission.group_id)
    .where(GroupMember.user_id == User.id)
)
# Those of the user and those of the user's groups, in one text.
_granted = func.coalesce(_of_user.scalar_subquery(), "") + "," + func.coalesce(_of_groups.scalar_subquery(), "")
# What users see of their own account, besides their permissions.
_PROFILE = (
    User.id,
    User.email,
    User.username,
    User.display_name,
    User.first_name,
    User.last_name,
    User.date_of_birth,
    User.address,
    User.city,
    User.country,
    User.website,
    User.phone,
    User.language,
    User.theme,
    User.role,
    User.is_active,
    User.role.in_(STAFF_ROLES).label("is_staff"),
    (User.role == "admin").label("is_superuser"),
    User.date_joined,
    User.last_login,
    User.last_seen,
    User.must_change_password,
    User.version,
    *labelled_file_columns(prefix="profile_picture"),
    _granted.label("granted"),
)


def comparable(name: str) -> str:
    """Return what uniqueness and sign-in compare of an e-mail address or username."""
    return name.strip().casefold()


def find_user(identifier: str) -> User | None:
    """Return the user with this e-mail address or username; a username never holds an ``@``."""
    key = comparable(identifier)
    column = User.email_key if "@" in key else User.username_key
    return db.session.scalar(select(User).where(column == key))


def actor_of(user: User) -> Actor:
    """Return ``user`` as the services know who acts, for code that acts on somebody's behalf."""
    granted = db.session.scalar(select(_granted).select_from(User).where(User.id == user.id))
    permissions = permissions_of(user.role, names_in(granted))
    return Actor(id=user.id, role=user.role, username=user.username, language=user.language, permissions=permissions)


def find_rights(condition: ColumnElement[bool]) -> dict[int, tuple[str, frozenset[str]]]:
    """Return by id the role and all permissions of the users for whom ``condition`` holds."""
    rows = db.session.execute(select(User.id, User.role, _granted.label("granted")).where(condition))
    return {row.id: (row.role, permissions_of(row.role, names_in(row.granted))) for row in rows}


def require_actor(user_id: int) -> Actor:
    """Return the user for work on their behalf; raise ``ForbiddenError`` when the account is disabled by now."""
    user = get_user(user_id)
    if not user.is_active:
        raise ForbiddenError
    return actor_of(user)


def get_user(user_id: int) -> User:
    """Return the user, who exists: accounts are deactivated, never deleted."""
    return db.session.get_one(User, user_id)


def get_profile(user_id: int) -> dict[str, Any]:
    """Return what the user sees of the own account, the permissions of the role among theirs."""
    return profile_of(db.session.execute(select_profiles().where(User.id == user_id)).one())


def select_profiles() -> Select[Any]:
    """Select what users see of their own accounts, see ``profile_of``."""
    return select(*_PROFILE).outerjoin(StoredFile, StoredFile.id == User.profile_picture_id)


def profile_of(row: Row[Any]) -> dict[str, Any]:
    """Return a row of ``select_profiles`` with all permissions that the user has."""
    profile = row._asdict()
    return {**profile, "permissions": sorted(permissions_of(profile["role"], names_in(profile["granted"])))}


def names_in(granted: str | None) -> list[str]:
    """Return the permissions that a column ``granted`` holds."""
    return [name for name in (granted or "").split(",") if name]


def find_identity(session_id: int) -> Row[Any] | None:
    """Return what a request needs to know of a session and its user: one row by primary keys."""
    return find_identities([session_id]).get(session_id)


def find_identities(session_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """Return what is to be known of those of the sessions that exist, and of their users, by the session's id."""
    columns = (
        UserSession.id.label("session_id"),
        UserSession.ended_at,
        UserSession.expires_at,
        User.id.label("user_id"),
        User.role,
        User.username,
        User.language,
        User.is_active,
        User.last_seen,
        User.must_change_password,
        _granted.label("granted"),
    )
    statement = select(*columns).join(User, User.id == UserSession.user_id).where(UserSession.id.in_(session_ids))
    return {row.session_id: row for row in db.session.execute(statement)}


def find_token_identity(token_hash: str) -> Row[Any] | None:
    """Return what a request needs to know of an API token and its owner: one row."""
    columns = (
        APIToken.id.label("token_id"),
        APIToken.scopes,
        APIToken.expires_at,
        APIToken.revoked_at.label("ended_at"),
        User.id.label("user_id"),
        User.role,
        User.username,
        User.language,
        User.is_active,
        User.last_seen,
        User.must_change_password,
        _granted.label("granted"),
    )
    statement = select(*columns).join(User, User.id == APIToken.user_id).where(APIToken.token_hash == token_hash)
    return db.session.execute(statement).one_or_none()


def select_api_tokens(actor: Actor) -> Select[Any]:
    """Select the actor's API tokens that are not revoked, the newest first."""
    columns = (
        APIToken.id,
        APIToken.name,
        APIToken.scopes,
        APIToken.created_at,
        APIToken.expires_at,
        APIToken.last_used_at,
        APIToken.last_used_address,
    )
    statement = select(*columns).where(APIToken.user_id == actor.id, APIToken.revoked_at.is_(None))
    return statement.order_by(APIToken.id.desc())


def get_api_token(actor: Actor, token_id: int) -> dict[str, Any]:
    """Return one of the actor's API tokens as ``select_api_tokens`` has it; it exists."""
    found = db.session.execute(select_api_tokens(actor).where(APIToken.id == token_id))
    return dict(found.mappings().one())


def list_scopes(actor: Actor, *, page: int, page_size: int) -> Page:
    """Return a page of what API tokens can be for, in the actor's language."""
    start = (page - 1) * page_size
    shown = list(SCOPES.items())[start : start + page_size]
    items = [{"name": name, "description": translate(text, actor.language)} for name, text in shown]
    return page_of(items, count=len(SCOPES), page=page, page_size=page_size)


def find_people(user_ids: Collection[int]) -> Sequence[Row[Any]]:
    """Return how others see those of the users that exist: ids, names and pictures."""
    columns = (User.id, User.username, User.display_name, *labelled_file_columns(prefix="profile_picture"))
    joined = select(*columns).outerjoin(StoredFile, StoredFile.id == User.profile_picture_id)
    return db.session.execute(joined.where(User.id.in_(user_ids))).all()


def select_live_sessions(actor: Actor, *, user_id: int | None = None) -> Select[Any]:
    """Select the sessions of the actor, or of ``user_id``, that can still be used, the one used last first."""
    user_id = user_id or actor.id
    role = actor.role if user_id == actor.id else db.session.scalar(select(User.role).where(User.id == user_id))
    columns = (
        UserSession.id,
        UserSession.user_agent,
        UserSession.address,
        UserSession.created_at,
        UserSession.last_used_at,
        UserSession.expires_at,
        (UserSession.id == actor.session_id).label("is_current"),
    )
    statement = select(*columns).where(UserSession.user_id == user_id, is_live(clock.now(), role or "user"))
    return statement.order_by(UserSession.last_used_at.desc(), UserSession.id.desc())


def is_live(moment: datetime, role: str) -> ColumnElement[bool]:
    """The condition that a session of somebody with ``role`` has neither ended nor run out at ``moment``."""
    idle_since = moment - lifetimes.idle_lifetime(role)
    return UserSession.ended_at.is_(None) & (UserSession.expires_at > moment) & (UserSession.last_used_at > idle_since)


def find_reset_user(token_hash: str) -> User | None:
    """Return whose password the unused, unexpired reset link may set."""
    statement = select(User).join(PasswordReset, PasswordReset.user_id == User.id)
    is_valid = PasswordReset.used_at.is_(None) & (PasswordReset.expires_at > clock.now()) & User.is_active
    return db.session.scalar(statement.where(PasswordReset.token_hash == token_hash, is_valid))


def has_administrator() -> bool:
    """True when somebody can administer the server."""
    statement = select(User.id).where(User.role == "admin", User.is_active).limit(1)
    return db.session.scalar(statement) is not None
