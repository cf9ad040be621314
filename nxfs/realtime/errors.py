"""What can go wrong in rooms and streams."""

from __future__ import annotations

from nxfs.core.errors import BusinessRuleError, InvalidInputError, NotFoundError, RateLimitExceededError
from nxfs.core.messages import Text


class RoomNotFoundError(NotFoundError):
    """There is no such room, or it is not for the actor; the two are never told apart."""

    message = Text(
        "This room does not exist, or it is not open to you.",
        "Dette rommet finnes ikke, eller det er ikke åpent for deg.",
    )


class TooManyRoomsError(BusinessRuleError):
    """The connection is in as many rooms as it may be."""

    message = Text("You are in too many rooms: leave one first.", "Du er i for mange rom: forlat ett først.")


class TooManyConnectionsError(RateLimitExceededError):
    """The user has as many connections as anybody may have."""

    message = Text(
        "You have too many open connections. Close some of your tabs.",
        "Du har for mange åpne tilkoblinger. Lukk noen av fanene.",
    )


class UnknownMessageError(InvalidInputError):
    """A client sent a message that has no meaning."""

    message = Text("This message is not known here.", "Denne meldingen er ukjent her.")
