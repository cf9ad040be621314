"""Users, their sessions, refresh tokens, password reset links, and failed sign-ins."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import IDS_ARE_NEVER_REUSED, BigIdentifier, Identifier, Moment, Timestamped, Versioned
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
