"""Everything that can go wrong, as one tree of exceptions with stable codes and one wire form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from nxfs.core import clock
from nxfs.core.messages import Text, translate

FieldErrors = Mapping[str, Sequence[str | Text]]


class APIError(Exception):
    """Base of all errors that reach a client.

    ``message`` is a sentence fit for a toast, ``details`` any JSON value, ``field_errors`` maps dotted field paths
    (``items.3.title``) to sentences, ``headers`` are added to an HTTP answer, ``parameters`` fill the message.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_SERVER_ERROR"
    message: Text = Text("Something went wrong on our side. Please try again.", "Noe gikk galt hos oss. Prøv igjen.")

    def __init__(
        self,
        message: Text | None = None,
        *,
        details: Any = None,
        field_errors: FieldErrors | None = None,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> None:
        self.message = (message or type(self).message).fill(**parameters)
        self.details = details
        self.field_errors = field_errors
        self.headers = dict(headers or {})
        super().__init__(self.message.en)


class InvalidInputError(APIError):
    """A value has the wrong shape or is not allowed."""

    status = 400
    code = "VALIDATION_ERROR"
    message = Text("Please check the highlighted fields.", "Kontroller feltene som er markert.")


class MalformedRequestError(APIError):
    """The request cannot be read at all."""

    status = 400
    code = "MALFORMED_REQUEST"
    message = Text("The request could not be read.", "Forespørselen kunne ikke leses.")


class AuthenticationRequiredError(APIError):
    """No credentials, or credentials that mean nothing to us."""

    status = 401
    code = "AUTHENTICATION_REQUIRED"
    message = Text("Please sign in to continue.", "Logg inn for å fortsette.")

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.headers.setdefault("WWW-Authenticate", "Bearer")


class InvalidCredentialsError(AuthenticationRequiredError):
    """Unknown account or wrong password; the two are never told apart."""

    code = "INVALID_CREDENTIALS"
    message = Text("Wrong e-mail, username or password.", "Feil e-post, brukernavn eller passord.")


class TokenExpiredError(AuthenticationRequiredError):
    """The access token was right and has run out."""

    code = "TOKEN_EXPIRED"
    message = Text("Your session needs to be renewed.", "Økten din må fornyes.")


class TokenRevokedError(AuthenticationRequiredError):
    """The token's session was ended."""

    code = "TOKEN_REVOKED"
    message = Text("This session has ended. Please sign in again.", "Økten er avsluttet. Logg inn på nytt.")


class ForbiddenError(APIError):
    """The actor's role may not do this at all."""

    status = 403
    code = "PERMISSION_DENIED"
    message = Text("You do not have permission to do this.", "Du har ikke tilgang til å gjøre dette.")


class NotFoundError(APIError):
    """It does not exist, or the actor may not know that it does."""

    status = 404
    code = "RESOURCE_NOT_FOUND"
    message = Text("We could not find what you asked for.", "Vi fant ikke det du spurte etter.")


class MethodNotAllowedError(APIError):
    """The URL exists, the method does not."""

    status = 405
    code = "METHOD_NOT_ALLOWED"
    message = Text("This action is not available here.", "Denne handlingen finnes ikke her.")


class NotAcceptableError(APIError):
    """The client accepts none of the formats we speak."""

    status = 406
    code = "NOT_ACCEPTABLE"
    message = Text("Only JSON answers are available here.", "Bare JSON-svar er tilgjengelig her.")


class ConflictError(APIError):
    """It would duplicate something or contradict the present state."""

    status = 409
    code = "CONFLICT"
    message = Text("This already exists.", "Dette finnes allerede.")


class PreconditionFailedError(APIError):
    """``If-Match`` names a version that is no longer the present one."""

    status = 412
    code = "PRECONDITION_FAILED"
    message = Text(
        "Somebody changed this in the meantime. Load it again before you save.",
        "Noen endret dette i mellomtiden. Last det inn på nytt før du lagrer.",
    )


class PayloadTooLargeError(APIError):
    """The body is larger than the limit."""

    status = 413
    code = "PAYLOAD_TOO_LARGE"
    message = Text("This is too large to send.", "Dette er for stort til å sendes.")


class UnsupportedMediaTypeError(APIError):
    """The body's content type or charset is not one that this endpoint reads."""

    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    message = Text("This format is not supported here.", "Dette formatet støttes ikke her.")


class BusinessRuleError(APIError):
    """Well-formed, allowed, and still against a rule of the domain."""

    status = 422
    code = "BUSINESS_RULE_VIOLATION"
    message = Text("This is not possible.", "Dette er ikke mulig.")


class RateLimitExceededError(APIError):
    """Too many attempts; ``Retry-After`` says when to come back."""

    status = 429
    code = "RATE_LIMIT_EXCEEDED"
    message = Text("Too many attempts. Please wait a moment.", "For mange forsøk. Vent litt.")

    def __init__(self, *args: Any, retry_after: int = 1, **keywords: Any) -> None:
        super().__init__(*args, details={"retry_after": retry_after}, **keywords)
        self.headers["Retry-After"] = str(retry_after)


class InternalServerError(APIError):
    """A defect of ours; the client learns nothing but the request id."""


class UpstreamError(APIError):
    """A service behind us answered badly."""

    status = 502
    code = "UPSTREAM_ERROR"
    message = Text("A service behind us is not working.", "En tjeneste bak oss virker ikke.")


class ServiceUnavailableError(APIError):
    """We cannot work right now, and it is worth trying again."""

    status = 503
    code = "SERVICE_UNAVAILABLE"
    message = Text("We are busy right now. Please try again shortly.", "Vi er opptatt akkurat nå. Prøv igjen om litt.")

    def __init__(self, *args: Any, retry_after: int = 2, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.headers["Retry-After"] = str(retry_after)


class UpstreamTimeoutError(APIError):
    """A service behind us did not answer in time."""

    status = 504
    code = "UPSTREAM_TIMEOUT"
    message = Text("A service behind us took too long.", "En tjeneste bak oss brukte for lang tid.")


BY_STATUS: dict[int, type[APIError]] = {
    error.status: error
    for error in (
        MalformedRequestError,
        AuthenticationRequiredError,
        ForbiddenError,
        NotFoundError,
        MethodNotAllowedError,
        NotAcceptableError,
        ConflictError,
        PreconditionFailedError,
        PayloadTooLargeError,
        UnsupportedMediaTypeError,
        BusinessRuleError,
        RateLimitExceededError,
        InternalServerError,
        UpstreamError,
        ServiceUnavailableError,
        UpstreamTimeoutError,
    )
}

CODES = tuple(
    sorted(
        {error.code for error in BY_STATUS.values()}
        | {InvalidInputError.code, InvalidCredentialsError.code, TokenExpiredError.code, TokenRevokedError.code}
    )
)


def envelope(
    error: APIError, *, language: str, request_id: str | None, moment: datetime | None = None
) -> dict[str, Any]:
    """Return the ``APIError`` body of ``error`` in ``language``: what every surface answers when something fails.

    What does not apply (``details``, ``field_errors``) is left out.
    """
    body: dict[str, Any] = {"code": error.code, "message": translate(error.message, language)}
    if error.details is not None:
        body["details"] = error.details
    if error.field_errors:
        body["field_errors"] = {
            path: [translate(sentence, language) for sentence in sentences]
            for path, sentences in error.field_errors.items()
        }
    return {"error": body, "timestamp": clock.to_wire(moment or clock.now()), "request_id": request_id}
