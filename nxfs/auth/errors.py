"""What can go wrong with accounts, sessions and passwords."""

from __future__ import annotations

from nxfs.core.errors import (
    BusinessRuleError,
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    RateLimitExceededError,
    TokenExpiredError,
)
from nxfs.core.messages import Text

WRONG_PASSWORD = Text("This is not your password.", "Dette er ikke passordet ditt.")
SAME_PASSWORD = Text("Choose a password that differs from the old one.", "Velg et annet passord enn det gamle.")
COMMON_PASSWORD = Text("This password is too common.", "Dette passordet er for vanlig.")
SIMILAR_PASSWORD = Text(
    "This password is too similar to your name or address.",
    "Dette passordet ligner for mye på navnet eller adressen din.",
)
EMAIL_TAKEN = Text("There is already an account with this e-mail.", "Det finnes allerede en konto med denne e-posten.")
USERNAME_TAKEN = Text("This username is taken.", "Dette brukernavnet er opptatt.")
UNKNOWN_PERMISSION = Text("“{permission}” is not a permission.", "«{permission}» er ingen tillatelse.")
LINK_INVALID = Text(
    "This link is no longer valid. Please ask for a new one.", "Denne lenken er ikke gyldig lenger. Be om en ny."
)


class EmailTakenError(ConflictError):
    """Another account has the e-mail address."""

    message = EMAIL_TAKEN

    def __init__(self) -> None:
        super().__init__(field_errors={"email": [EMAIL_TAKEN]})


class UsernameTakenError(ConflictError):
    """Another account has the username."""

    message = USERNAME_TAKEN

    def __init__(self) -> None:
        super().__init__(field_errors={"username": [USERNAME_TAKEN]})


class RegistrationClosedError(ForbiddenError):
    """Visitors may not create accounts here."""

    message = Text("Registration is closed.", "Registreringen er stengt.")


class SessionExpiredError(TokenExpiredError):
    """The session was not used for too long, or has reached its age limit; a new sign-in is needed."""

    message = Text("Your session has run out. Please sign in again.", "Økten har utløpt. Logg inn på nytt.")


class SessionNotFoundError(NotFoundError):
    """No such session, or one of somebody else."""

    message = Text("This session does not exist.", "Denne økten finnes ikke.")


class TooManySignInsError(RateLimitExceededError):
    """Too many wrong passwords for this name from this network."""

    message = Text("Too many wrong passwords. Please wait a moment.", "For mange feil passord. Vent litt.")


class WrongPasswordError(InvalidInputError):
    """The old password is not the account's."""

    def __init__(self) -> None:
        super().__init__(field_errors={"old_password": [WRONG_PASSWORD]})


class WeakPasswordError(InvalidInputError):
    """The new password breaks a rule; ``field`` is the name it was sent under."""

    def __init__(self, field: str, *sentences: Text) -> None:
        super().__init__(field_errors={field: sentences})


class ResetLinkInvalidError(InvalidInputError):
    """The reset link is unknown, used or too old; the three are not told apart."""

    message = LINK_INVALID

    def __init__(self) -> None:
        super().__init__(field_errors={"token": [LINK_INVALID]})


class PasswordChangeRequiredError(ForbiddenError):
    """The password was set by somebody else; nothing is open before its owner has chosen another one."""

    message = Text("Please choose a new password first.", "Velg et nytt passord først.")

    def __init__(self) -> None:
        super().__init__(details={"must_change_password": True})


class UserNotFoundError(NotFoundError):
    """No account has this e-mail address or username."""

    message = Text("There is no such account.", "Det finnes ingen slik konto.")


class UnknownPermissionError(InvalidInputError):
    """The word is none of the permissions."""

    def __init__(self, permission: str) -> None:
        super().__init__(field_errors={"permission": [UNKNOWN_PERMISSION.fill(permission=permission[:60])]})


class LastAdministratorError(BusinessRuleError):
    """Without this account nobody could administer the server."""

    message = Text(
        "You are the only administrator. Appoint another one first.",
        "Du er den eneste administratoren. Utnevn en til først.",
    )
