"""What can go wrong when accounts are administered."""

from __future__ import annotations

from nxfs.core.errors import BusinessRuleError, ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from nxfs.core.messages import Text

ROLE_CONTRADICTED = Text(
    "This contradicts “{other}”: admin is superuser and staff, staff is staff only.",
    "Dette motsier «{other}»: admin er superbruker og ansatt, staff er bare ansatt.",
)
UNKNOWN_GROUP = Text("There is no group “{name}”.", "Det finnes ingen gruppe «{name}».")


class AboveActorError(ForbiddenError):
    """The account has a higher role than the actor, or may do something that the actor may not."""

    message = Text("This account has more rights than yours.", "Denne kontoen har flere rettigheter enn din.")


class NotGrantableError(ForbiddenError):
    """The actor does not have what would be given or taken."""

    message = Text(
        "You can only give and take rights that you have yourself.",
        "Du kan bare gi og ta rettigheter som du har selv.",
    )


class MailNotSetUpError(BusinessRuleError):
    """A letter would have to be sent, and there is no mail server to send it by."""

    message = Text(
        "Mail is not set up here. Choose a password instead of a letter.",
        "E-post er ikke satt opp her. Velg et passord i stedet for et brev.",
    )


class OwnAccountError(BusinessRuleError):
    """Nobody takes the own account away, or passes by what protects it."""

    message = Text("You cannot do this to your own account.", "Du kan ikke gjøre dette med din egen konto.")


class ErasedAccountError(BusinessRuleError):
    """The personal data are gone for ever; the account is nobody's any more."""

    message = Text("This account was erased.", "Denne kontoen er slettet.")


class InactiveAccountError(BusinessRuleError):
    """A link would lead nowhere."""

    message = Text("This account is disabled. Activate it first.", "Denne kontoen er deaktivert. Aktiver den først.")


class UnknownGroupError(InvalidInputError):
    """No group has this name or id."""

    def __init__(self, name: str) -> None:
        super().__init__(field_errors={"groups": [UNKNOWN_GROUP.fill(name=name[:80])]})


class RoleContradictedError(InvalidInputError):
    """``is_staff`` or ``is_superuser`` says another role than the rest."""

    def __init__(self, field: str, other: str) -> None:
        super().__init__(field_errors={field: [ROLE_CONTRADICTED.fill(other=other)]})


class GroupNotFoundError(NotFoundError):
    """No group has this id or name."""

    message = Text("There is no such group.", "Det finnes ingen slik gruppe.")


class GroupNameTakenError(ConflictError):
    """Another group has the name."""

    message = Text("There is already a group with this name.", "Det finnes allerede en gruppe med dette navnet.")

    def __init__(self) -> None:
        super().__init__(field_errors={"name": [type(self).message]})
