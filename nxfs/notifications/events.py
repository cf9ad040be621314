"""Facts about notifications that the devices of their user want to hear of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nxfs.core.events import Event


@dataclass(frozen=True, kw_only=True)
class NotificationCreated(Event):
    """A user was notified, by a new notification or by an unread one that says more now."""

    type: ClassVar[str] = "notification_created"
    notification_id: int
    user_id: int


@dataclass(frozen=True, kw_only=True)
class NotificationsRead(Event):
    """A user has read or deleted notifications."""

    type: ClassVar[str] = "notifications_read"
    user_id: int
    notification_ids: tuple[int, ...]
