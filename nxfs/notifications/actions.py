"""What is audited of notifications: names of actions with sentences that say what happened."""

from __future__ import annotations

from nxfs.core.messages import Text

ACTIONS = {
    "notifications.preferences_changed": Text(
        "Changed which notifications to get.",
        "Endret hvilke varsler som ønskes.",
    ),
    "notifications.notification_read": Text("Marked a notification as read.", "Merket et varsel som lest."),
    "notifications.notification_deleted": Text("Deleted a notification.", "Slettet et varsel."),
    "notifications.notifications_read": Text("Marked all notifications as read.", "Merket alle varsler som lest."),
}
