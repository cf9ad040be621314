"""Facts about who is where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nxfs.core.events import Event


@dataclass(frozen=True, kw_only=True)
class UserJoined(Event):
    """A user's first connection came into a room."""

    type: ClassVar[str] = "user_joined"
    user_id: int
    room: str


@dataclass(frozen=True, kw_only=True)
class UserLeft(Event):
    """A user's last connection has left a room."""

    type: ClassVar[str] = "user_left"
    user_id: int
    room: str
