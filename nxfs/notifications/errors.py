"""What can go wrong with notifications."""

from __future__ import annotations

from nxfs.core.errors import NotFoundError
from nxfs.core.messages import Text


class NotificationNotFoundError(NotFoundError):
    """No such notification, or one of somebody else."""

    message = Text("This notification does not exist.", "Dette varselet finnes ikke.")
