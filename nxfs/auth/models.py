"""Users and groups, their permissions, sessions, refresh and API tokens, reset links, and failed sign-ins."""

from __future__ import annotations

from datetime import date

from sqlalchemy import JSON, Boolean, CheckConstraint, ForeignKey, Index, Integer, String, false
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import IDS_ARE_NEVER_REUSED, BigIdentifier, Identifier, Moment, SortKey, Timestamped, Versioned
from nxfs.extensions import db

ROLES = ("user", "staff", "admin")
STAFF_ROLES = ("staff", "admin")
THEMES = ("light", "dark", "purple", "pink", "system")


class User(Versioned, Timestamped, db.Model):
    """A person with an account. ``email_key`` and ``username_key`` are what uniqueness and sign-in compare."""

    __tablename__ = "users"
    __table_args__ = (
        Index("uq_users_email_key", "email_key", unique=True),
        Index("uq_users_username_key", "username_key", unique=True),
        Index("ix_users_profile_picture_id", "profile_picture_id"),
        Index("ix_users_date_joined", "date_joined"),
        CheckConstraint("role IN ('user', 'staff', 'admin')", name="role"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254))
    username: Mapped[str] = mapped_column(String(30))
    username_key: Mapped[str] = mapped_column(String(30))
    password_hash: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(10), default="user")
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
    display_name: Mapped[str] = mapped_column(String(100), default="")
    first_name: Mapped[str] = mapped_column(String(50), default="")
    last_name: Mapped[str] = mapped_column(String(50), default="")
    date_of_birth: Mapped[date | None]
    address: Mapped[str] = mapped_column(String(200), default="")
    city: Mapped[str] = mapped_column(String(100), default="")
    country: Mapped[str] = mapped_column(String(100), default="")
    website: Mapped[str] = mapped_column(String(200), default="")
    phone: Mapped[str] = mapped_column(String(20), default="")
    language: Mapped[str] = mapped_column(String(2), default="en")
    theme: Mapped[str] = mapped_column(String(10), default="system")
    profile_picture_id: Mapped[int | None] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    date_joined: Mapped[Moment] = mapped_column(default=clock.now)
    last_login: Mapped[Moment | None]
    last_seen: Mapped[Moment | None]
    # Set by who gave the user a first or a new password: nothing else is let through until the user has chosen one.
    must_change_password: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    # When the personal data were anonymised; what the user made stays.
    erased_at: Mapped[Moment | None]


class ActiveDay(db.Model):
    """That a user was seen on a day, in the server's ``TIME_ZONE``; what counts of active users are made of."""

    __tablename__ = "active_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)


class Group(Versioned, Timestamped, db.Model):
    """Users who are given permissions together. ``name_key`` is what uniqueness compares."""

    __tablename__ = "groups"
    __table_args__ = (Index("uq_groups_name_key", "name_key", unique=True), IDS_ARE_NEVER_REUSED)

    id: Mapped[Identifier]
    name: Mapped[str] = mapped_column(String(80))
    name_key: Mapped[str] = mapped_column(SortKey)
    description: Mapped[str] = mapped_column(String(300), default="")


class GroupMember(db.Model):
    """A user's membership of a group."""

    __tablename__ = "group_members"
    __table_args__ = (Index("ix_group_members_user_id", "user_id"),)

    group_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)


class GroupPermission(db.Model):
    """A permission that the members of a group have."""

    __tablename__ = "group_permissions"

    group_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(String(60), primary_key=True)


class UserPermission(db.Model):
    """A permission that was granted to one user, beyond those of the role."""

    __tablename__ = "user_permissions"

    user_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    permission: Mapped[str] = mapped_column(String(60), primary_key=True)
    granted_at: Mapped[Moment] = mapped_column(default=clock.now)


class UserSession(db.Model):
    """A sign-in on one device: a family of refresh tokens that ends as one."""

    __tablename__ = "user_sessions"
    __table_args__ = (Index("ix_user_sessions_user_id", "user_id"), IDS_ARE_NEVER_REUSED)

    id: Mapped[Identifier]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[Moment] = mapped_column(default=clock.now)
    last_used_at: Mapped[Moment] = mapped_column(default=clock.now)
    expires_at: Mapped[Moment]
    ended_at: Mapped[Moment | None]
    end_reason: Mapped[str | None] = mapped_column(String(30))
    address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(300))


class RefreshToken(db.Model):
    """One link of a session's chain of refresh tokens; only its SHA-256 is kept. The unused one is the live one."""

    __tablename__ = "refresh_tokens"
    __table_args__ = (
        Index("uq_refresh_tokens_token_hash", "token_hash", unique=True),
        Index("ix_refresh_tokens_session_id", "session_id"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    session_id: Mapped[int] = mapped_column(ForeignKey("user_sessions.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Moment] = mapped_column(default=clock.now)
    used_at: Mapped[Moment | None]


class APIToken(db.Model):
    """A personal token for scripts, shown once; only its SHA-256 is kept. ``scopes`` are names from a closed list."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        Index("uq_api_tokens_token_hash", "token_hash", unique=True),
        Index("ix_api_tokens_user_id", "user_id"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(80))
    token_hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[Moment] = mapped_column(default=clock.now)
    expires_at: Mapped[Moment | None]
    last_used_at: Mapped[Moment | None]
    last_used_address: Mapped[str | None] = mapped_column(String(45))
    revoked_at: Mapped[Moment | None]


class PasswordReset(db.Model):
    """A reset link that was sent; only the SHA-256 of its token is kept."""

    __tablename__ = "password_resets"
    __table_args__ = (
        Index("uq_password_resets_token_hash", "token_hash", unique=True),
        Index("ix_password_resets_user_id", "user_id"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[Moment] = mapped_column(default=clock.now)
    expires_at: Mapped[Moment]
    used_at: Mapped[Moment | None]


class SignInFailure(db.Model):
    """Failed sign-ins of one name from one network: the back-off of a guesser leaves the real user elsewhere alone."""

    __tablename__ = "sign_in_failures"
    __table_args__ = (
        Index("uq_sign_in_failures_name_hash_network", "name_hash", "network", unique=True),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    name_hash: Mapped[str] = mapped_column(String(64))
    network: Mapped[str] = mapped_column(String(45))
    failures: Mapped[int] = mapped_column(Integer)
    last_failed_at: Mapped[Moment]
    blocked_until: Mapped[Moment | None]
