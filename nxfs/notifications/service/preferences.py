"""What users want to be notified of."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text

from nxfs.core.actor import Actor
from nxfs.core.transaction import transaction
from nxfs.notifications import queries

_STORE = text(
    "INSERT INTO notification_preferences (user_id, type, is_enabled) VALUES (:user_id, :type, :is_enabled) "
    "ON CONFLICT (user_id, type) DO UPDATE SET is_enabled = excluded.is_enabled"
)


def change_preferences(*, actor: Actor, enabled: Mapping[str, bool]) -> None:
    """Change whether ``actor`` wants notifications of each type in ``enabled``; the other types stay as they are."""
    with transaction() as tx:
        before = {each["type"]: each["enabled"] for each in queries.list_preferences(actor=actor)}
        changes = {name: [before[name], wish] for name, wish in sorted(enabled.items()) if before[name] != wish}
        if not changes:
            return
        rows = [{"user_id": actor.id, "type": name, "is_enabled": wish} for name, (_, wish) in changes.items()]
        tx.session.execute(_STORE, rows)
        tx.audit("notifications.preferences_changed", actor_id=actor.id, changes=changes)
