"""Why a file is refused, and what else can go wrong with files."""

from __future__ import annotations

from enum import Enum

from nxfs.core.errors import (
    APIError,
    BusinessRuleError,
    InvalidInputError,
    MalformedRequestError,
    NotFoundError,
    PayloadTooLargeError,
    ServiceUnavailableError,
    UnsupportedMediaTypeError,
)
from nxfs.core.messages import Text


class Refusal(Enum):
    """What inspection can find; the value is the sentence for the person who sent the file."""

    EMPTY = Text("This file is empty.", "Filen er tom.")
    TOO_LARGE = Text("This file is larger than {most} MB.", "Filen er større enn {most} MB.")
    FORMAT_NOT_ALLOWED = Text(
        "The content of this file is of no type that is accepted here.", "Innholdet er ikke av en type som godtas her."
    )
    NOT_WHAT_IT_SAYS = Text(
        "The content of this file does not match its name or type.", "Innholdet passer ikke til filens navn eller type."
    )
    DAMAGED = Text("This file is damaged or incomplete.", "Filen er skadet eller ufullstendig.")
    TOO_MANY_PIXELS = Text(
        "This image is too large: at most 12,000 pixels on each side and 50 million in all frames together.",
        "Bildet er for stort: høyst 12 000 piksler på hver side og 50 millioner i alle bilder til sammen.",
    )
    TOO_MANY_FRAMES = Text("This animation has too many frames.", "Animasjonen har for mange bilder.")
    DISGUISED = Text(
        "This file contains data that do not belong to it.", "Filen inneholder data som ikke hører til den."
    )
    ENCRYPTED = Text("Protected or encrypted files are not accepted.", "Beskyttede eller krypterte filer godtas ikke.")
    SCRIPT = Text("This document contains a script or an action.", "Dokumentet inneholder et skript eller en handling.")
    ATTACHMENT = Text("This document contains embedded files.", "Dokumentet inneholder innebygde filer.")
    MACROS = Text("This document contains macros.", "Dokumentet inneholder makroer.")
    EXTERNAL = Text("This document loads content from elsewhere.", "Dokumentet henter innhold fra andre steder.")
    EXPANDS = Text("This file unpacks to far too much.", "Filen pakker seg ut til altfor mye.")
    TOO_DIFFICULT = Text("This file took too long to inspect.", "Filen tok for lang tid å kontrollere.")


TOO_LARGE_REASONS = frozenset({Refusal.TOO_LARGE, Refusal.TOO_MANY_PIXELS, Refusal.TOO_MANY_FRAMES, Refusal.EXPANDS})
WRONG_TYPE_REASONS = frozenset({Refusal.FORMAT_NOT_ALLOWED, Refusal.NOT_WHAT_IT_SAYS})


def refused(refusal: Refusal, field: str, **parameters: object) -> APIError:
    """Return the error for a refused file: 413 when there is too much of it, 415 for its type, else 400."""
    sentence = refusal.value.fill(**parameters)
    error: type[APIError] = InvalidInputError
    if refusal in TOO_LARGE_REASONS:
        error = PayloadTooLargeError
    elif refusal in WRONG_TYPE_REASONS:
        error = UnsupportedMediaTypeError
    return error(sentence, details={"reason": refusal.name}, field_errors={field: [sentence]})


class StoredFileNotFoundError(NotFoundError):
    """No such file, or one that the link does not open."""

    message = Text("This file does not exist.", "Denne filen finnes ikke.")


class QuotaExceededError(BusinessRuleError):
    """The owner's files would take more room than MEDIA_QUOTA."""

    message = Text(
        "Your files would take more than the {most} MB you have. Delete some first.",
        "Filene dine ville ta mer enn de {most} MB du har. Slett noen først.",
    )


class RangeNotSatisfiableError(MalformedRequestError):
    """The ``Range`` header asks for bytes behind the end of the file."""

    status = 416
    message = Text("This part of the file does not exist.", "Denne delen av filen finnes ikke.")


class InspectionBusyError(ServiceUnavailableError):
    """Too many uploads are being inspected."""


class StorageUnavailableError(ServiceUnavailableError):
    """The storage of files does not answer."""

    message = Text("Files cannot be stored right now. Please try again.", "Filer kan ikke lagres nå. Prøv igjen.")
