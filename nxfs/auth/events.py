"""Facts about accounts and sessions that others may want to hear of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nxfs.core.events import Event


@dataclass(frozen=True, kw_only=True)
class UserRegistered(Event):
    """An account was created."""

    type: ClassVar[str] = "user_registered"
    user_id: int


@dataclass(frozen=True, kw_only=True)
class UserUpdated(Event):
    """Fields of an account changed; ``fields`` names them."""

    type: ClassVar[str] = "user_updated"
    user_id: int
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UserDeactivated(Event):
    """An account can no longer be used."""

    type: ClassVar[str] = "user_deactivated"
    user_id: int


@dataclass(frozen=True, kw_only=True)
class UserActivated(Event):
    """An account can be used again."""

    type: ClassVar[str] = "user_activated"
    user_id: int


@dataclass(frozen=True, kw_only=True)
class UserErased(Event):
    """The personal data of an account are gone; what the user made stays."""

    type: ClassVar[str] = "user_erased"
    user_id: int


@dataclass(frozen=True, kw_only=True)
class PermissionGranted(Event):
    """A user has a permission beyond those of the role."""

    type: ClassVar[str] = "permission_granted"
    user_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class PermissionRevoked(Event):
    """A user no longer has a permission beyond those of the role."""

    type: ClassVar[str] = "permission_revoked"
    user_id: int
    permission: str


@dataclass(frozen=True, kw_only=True)
class GroupMembersAffected(Event):
    """What these users may do has changed, because what a group gives has, or who belongs to it."""

    type: ClassVar[str] = "group_members_affected"
    group_id: int
    user_ids: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(Event):
    """An account has a new password."""

    type: ClassVar[str] = "password_changed"
    user_id: int


@dataclass(frozen=True, kw_only=True)
class SessionsEnded(Event):
    """Sessions of a user ended, and with them their tokens; delivery closes their connections."""

    type: ClassVar[str] = "sessions_ended"
    user_id: int
    session_ids: tuple[int, ...]
    reason: str
