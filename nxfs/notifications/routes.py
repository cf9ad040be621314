"""``/api/notifications/``: what you are told of, and what you want to be told of."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from nxfs.auth.guards import current_actor, login_required
from nxfs.core.api.blueprint import Blueprint
from nxfs.core.errors import NotFoundError
from nxfs.core.pagination import Page
from nxfs.notifications import queries
from nxfs.notifications.schemas import (
    NotificationPreferencesSchema,
    NotificationPreferencesUpdateSchema,
    NotificationQuerySchema,
    NotificationSchema,
    ReadAllSchema,
    UnreadCountSchema,
    UpdatedCountSchema,
)
from nxfs.notifications.service import preferences, reading

blp = Blueprint(
    "notifications", __name__, url_prefix="/api/notifications", description="What you are told of, in your language."
)


@blp.route("/")
@login_required
@blp.paginated(NotificationSchema, NotificationQuerySchema)
def list_notifications(filters: dict[str, Any]) -> Page:
    """List your notifications, what was told last first."""
    return queries.list_notifications(actor=current_actor(), filters=filters)


@blp.route("/unread-count/")
@login_required
@blp.response(200, UnreadCountSchema)
def count_unread_notifications() -> dict[str, int]:
    """Count your unread notifications."""
    return {"count": queries.count_unread(actor=current_actor())}


@blp.route("/<id:notification_id>/read/", methods=["POST"])
@login_required
@blp.response(200, NotificationSchema)
@blp.raises(NotFoundError)
def read_notification(notification_id: int) -> dict[str, Any]:
    """Mark a notification as read.

    What happens to the same thing afterwards is a new notification. Marking one twice does no harm.
    """
    reading.mark_read(actor=current_actor(), notification_id=notification_id)
    return queries.get_notification(actor=current_actor(), notification_id=notification_id)


@blp.route("/read-all/", methods=["POST"])
@login_required
@blp.arguments(ReadAllSchema, location="optional_json", required=False)
@blp.response(200, UpdatedCountSchema)
def read_all_notifications(arguments: dict[str, Any]) -> dict[str, int]:
    """Mark all your notifications as read.

    With `types` only those of these types.
    """
    return {"updated_count": reading.mark_all_read(actor=current_actor(), **arguments)}


@blp.route("/<id:notification_id>/", methods=["DELETE"])
@login_required
@blp.response(204)
@blp.raises(NotFoundError)
def delete_notification(notification_id: int) -> None:
    """Delete a notification.

    Deleting one twice does no harm.
    """
    reading.delete_notification(actor=current_actor(), notification_id=notification_id)


@blp.route("/preferences/")
class Preferences(MethodView):
    """What the actor wants to be told of."""

    @login_required
    @blp.response(200, NotificationPreferencesSchema)
    def get(self) -> dict[str, Any]:
        """Show what you want to be notified of."""
        return {"preferences": queries.list_preferences(actor=current_actor())}

    @login_required
    @blp.arguments(NotificationPreferencesUpdateSchema)
    @blp.response(200, NotificationPreferencesSchema)
    def put(self, values: dict[str, Any]) -> dict[str, Any]:
        """Change what you want to be notified of.

        Types that are left out stay as they are.
        """
        preferences.change_preferences(actor=current_actor(), enabled=values["preferences"])
        return {"preferences": queries.list_preferences(actor=current_actor())}
