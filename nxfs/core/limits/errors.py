"""What is answered to who asks too often."""

from __future__ import annotations

from nxfs.core.errors import RateLimitExceededError
from nxfs.core.messages import Text


class TooManyRequestsError(RateLimitExceededError):
    """A quota is used up; nothing was done."""

    message = Text(
        "You are sending requests too quickly. Please wait a moment.",
        "Du sender forespørsler for raskt. Vent litt.",
    )
