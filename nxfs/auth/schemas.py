"""Accounts, tokens and sessions on the wire."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from nxfs.auth.devices import device_of
from nxfs.auth.models import ROLES, THEMES
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.queries import comparable
from nxfs.auth.scopes import SCOPES
from nxfs.core.api.fields import Boolean, Choice, Date, Email, File, Identifier, Integer, Line, Moment, UniqueList
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import MessageSchema, Schema
from nxfs.core.messages import LANGUAGES, Text
from nxfs.files.schemas import FileLink

LONGEST_EMAIL = 254
LONGEST_TOKEN = 4096
NAME_LENGTH = validate.Length(min=1, max=LONGEST_EMAIL)
TOKEN_EXAMPLE = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.kzYyM2Rk"
REFRESH_EXAMPLE = "0fJ8vq3tq0k8mYkqkq1mC7nYw1l8m3hE5pZrTn2dUOs"
API_TOKEN_EXAMPLE = "nxfs_4q0v8YkqkJ8fQ1mC7nYw1l8m3hE5pZrTn2dUOsKc9Rg"
PASSWORD_EXAMPLE = "gule-gummistøvler-39"
NAME_MISSING = Text("Give an e-mail address or a username.", "Oppgi en e-postadresse eller et brukernavn.")
ONE_NAME_ONLY = Text("Give only one of e-mail and username.", "Oppgi bare én av e-post og brukernavn.")
PASSWORDS_DIFFER = Text("The two passwords differ.", "De to passordene er ulike.")


class AccountEmail(Email):
    """An address that mail servers everywhere take: the part before the ``@`` is ASCII."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> str:
        address = super()._deserialize(value, attr, data, **keywords)
        # Folding case may lengthen a text, and the folded one has to fit the column too.
        if not address.rpartition("@")[0].isascii() or len(comparable(address)) > LONGEST_EMAIL:
            raise self.make_error("invalid")
        return address


class Phone(Line):
    """A telephone number in international form (E.164), or nothing; spaces are left out."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **keywords: Any) -> str:
        return super()._deserialize(value, attr, data, **keywords).replace(" ", "")


class NewPassword(ma.fields.String):
    """A password to set; its other rules are the service's."""

    def __init__(self, **keywords: Any) -> None:
        metadata = {"format": "password", "example": PASSWORD_EXAMPLE}
        super().__init__(required=True, validate=validate.Length(min=8, max=128), metadata=metadata, **keywords)


class GivenPassword(ma.fields.String):
    """A password to check; it may be older than the rules."""

    def __init__(self, example: str = PASSWORD_EXAMPLE, **keywords: Any) -> None:
        metadata = {"format": "password", "example": example}
        super().__init__(required=True, validate=validate.Length(min=1, max=128), metadata=metadata, **keywords)


class Token(ma.fields.String):
    """A token as it was handed out."""

    def __init__(self, example: str, **keywords: Any) -> None:
        length = validate.Length(min=1, max=LONGEST_TOKEN)
        super().__init__(validate=length, metadata={"example": example}, **keywords)


class ProfileSchema(Schema):
    """What users write of their own account."""

    email = AccountEmail(required=True, metadata={"example": "kari@example.com"})
    username = Line(minimum=3, maximum=30, pattern="[A-Za-z0-9_-]+", required=True, metadata={"example": "kari"})
    display_name = Line(maximum=100, required=True, metadata={"example": "Kari Nordmann"})
    first_name = Line(maximum=50, required=True, metadata={"example": "Kari"})
    last_name = Line(maximum=50, required=True, metadata={"example": "Nordmann"})
    date_of_birth = Date(required=True, allow_none=True, metadata={"example": "1990-05-17"})
    address = Line(maximum=200, required=True, metadata={"example": "Storgata 1"})
    city = Line(maximum=100, required=True, metadata={"example": "Oslo"})
    country = Line(maximum=100, required=True, metadata={"example": "Norge"})
    website = Line(
        maximum=200,
        pattern=r"|https?://[^\s/?#@]+([/?#]\S*)?",
        required=True,
        metadata={"example": "https://example.com"},
    )
    phone = Phone(maximum=20, pattern=r"|\+?[1-9][0-9]{1,14}", required=True, metadata={"example": "+4722334455"})
    language = Choice(LANGUAGES, required=True)
    theme = Choice(THEMES, required=True)


class UserUpdateSchema(ProfileSchema):
    """Changes of one's own account; what is left out stays."""

    # JSON can only say that there shall be none.
    profile_picture = File(
        allow_none=True,
        metadata={"example": None, "description": "JPEG, PNG, GIF or WebP, up to 10 MB. null removes it."},
    )


class UserSchema(ProfileSchema):
    """A user, as they see themselves."""

    id = Identifier(required=True, metadata={"example": 7})
    role = Choice(ROLES, required=True)
    is_active = Boolean(required=True, metadata={"example": True})
    is_staff = Boolean(required=True, metadata={"example": False})
    is_superuser = Boolean(required=True, metadata={"example": False})
    date_joined = Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    last_login = Moment(required=True, allow_none=True, metadata={"example": "2026-02-01T08:00:00Z"})
    last_seen = Moment(required=True, allow_none=True, metadata={"example": "2026-02-01T08:15:00Z"})
    profile_picture = FileLink(
        "profile_picture", required=True, allow_none=True, metadata={"description": "Everybody can see it."}
    )
    permissions = ma.fields.List(
        Choice(PERMISSIONS, metadata={"example": "blog.publish"}),
        required=True,
        metadata={"description": "What the user may do beyond the own objects, by role or because it was granted."},
    )
    must_change_password = Boolean(
        required=True,
        metadata={"example": False, "description": "Nothing else is open before a new password was chosen."},
    )
    version = Integer(required=True, metadata={"example": 1})


class RegistrationSchema(ProfileSchema):
    """A new account."""

    class Meta(Schema.Meta):
        fields = ("email", "username", "password", "first_name", "last_name")

    first_name = Line(maximum=50, metadata={"example": "Kari"})
    last_name = Line(maximum=50, metadata={"example": "Nordmann"})
    password = NewPassword()


class RegisteredSchema(MessageSchema):
    """The new account."""

    user = ma.fields.Nested(UserSchema, required=True)


class SignInSchema(Schema):
    """A name and its password; ``email`` takes a username too, as sign-in forms have one field for both."""

    class Meta(Schema.Meta):
        json_schema = {"oneOf": [{"required": ["email"]}, {"required": ["username"]}]}

    email = ma.fields.String(validate=NAME_LENGTH, metadata={"example": "kari@example.com"})
    username = ma.fields.String(validate=NAME_LENGTH, metadata={"example": "kari", "is_left_out": True})
    password = GivenPassword()

    @ma.post_load
    def join_names(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Return ``identifier`` and ``password``."""
        names = [data[name] for name in ("email", "username") if name in data]
        if len(names) != 1:
            raise ma.ValidationError({"email": [ONE_NAME_ONLY if names else NAME_MISSING]})
        return {"identifier": names[0], "password": data["password"]}


class RefreshSchema(Schema):
    """A refresh token to exchange."""

    refresh = Token(REFRESH_EXAMPLE, required=True)


class TokenPairSchema(Schema):
    """An access token, and the refresh token that replaces the one before."""

    access = Token(TOKEN_EXAMPLE, required=True)
    refresh = Token(REFRESH_EXAMPLE, required=True)


class SignedInSchema(TokenPairSchema):
    """The tokens of a new session, and whose it is."""

    user = ma.fields.Nested(UserSchema, required=True)


class TokenVerifySchema(Schema):
    """An access token to check."""

    token = Token(TOKEN_EXAMPLE, required=True)


class TokenValiditySchema(Schema):
    """Whether a token can be used now."""

    valid = Boolean(required=True, metadata={"example": True})


class SignOutSchema(Schema):
    """The refresh token of the session to end, when it is not the one of the access token."""

    refresh_token = Token(REFRESH_EXAMPLE, load_default=None)


class PasswordResetRequestSchema(Schema):
    """Whose password was forgotten."""

    email = AccountEmail(required=True, metadata={"example": "kari@example.com"})


class PasswordResetConfirmSchema(Schema):
    """The token of a reset link, and the new password, twice."""

    token = Token(REFRESH_EXAMPLE, required=True)
    password = NewPassword()
    confirm_password = GivenPassword()

    @ma.post_load
    def compare(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Drop the repetition."""
        return _without_repetition(data, data["password"])


class PasswordChangeSchema(Schema):
    """The present password, and the new one, twice."""

    old_password = GivenPassword("brune-seljefløyter-17")
    new_password = NewPassword()
    confirm_password = GivenPassword()

    @ma.post_load
    def compare(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Drop the repetition."""
        return _without_repetition(data, data["new_password"])


class PasswordChangedSchema(TokenPairSchema, MessageSchema):
    """The tokens of the session that goes on; all others have ended."""


class SessionQuerySchema(PageQuerySchema):
    """Which page of one's sessions."""


class SessionSchema(Schema):
    """A sign-in on one device."""

    id = Identifier(required=True, metadata={"example": 12})
    user_agent = ma.fields.String(required=True, allow_none=True, metadata={"example": "Mozilla/5.0"})
    device = ma.fields.Function(
        lambda session: device_of(session.user_agent),
        required=True,
        metadata={
            "type": ["string", "null"],
            "example": "Firefox on Windows",
            "description": "Browser and system, as far as they are known.",
        },
    )
    address = ma.fields.String(required=True, allow_none=True, metadata={"example": "192.0.2.7"})
    created_at = Moment(required=True, metadata={"example": "2026-02-01T08:00:00Z"})
    last_used_at = Moment(required=True, metadata={"example": "2026-02-01T08:15:00Z"})
    expires_at = Moment(required=True, metadata={"example": "2026-05-02T08:00:00Z"})
    is_current = Boolean(required=True, metadata={"example": True})


class EndedSessionsSchema(Schema):
    """How many sessions ended."""

    ended_count = Integer(required=True, metadata={"example": 2})


class APITokenSchema(Schema):
    """A personal token for scripts; the token itself is shown once, when it is made."""

    id = Identifier(required=True, metadata={"example": 3})
    name = Line(required=True, minimum=1, maximum=80, metadata={"example": "n8n"})
    scopes = UniqueList(
        Choice(SCOPES),
        required=True,
        minimum=1,
        maximum=len(SCOPES),
        metadata={"example": ["tasks:read", "tasks:write"], "description": "What it may be used for."},
    )
    created_at = Moment(required=True, metadata={"example": "2026-02-01T08:00:00Z"})
    expires_at = Moment(required=True, metadata={"example": "2026-05-02T08:00:00Z"})
    last_used_at = Moment(required=True, allow_none=True, metadata={"example": "2026-02-01T08:15:00Z"})
    last_used_address = ma.fields.String(required=True, allow_none=True, metadata={"example": "192.0.2.7"})


class NewAPITokenSchema(APITokenSchema):
    """A token to make."""

    class Meta(Schema.Meta):
        fields = ("name", "scopes", "expires_at")

    expires_at = Moment(
        metadata={"example": "2026-05-02T08:00:00Z", "description": "Within a year; by default in 90 days."}
    )


class CreatedAPITokenSchema(APITokenSchema):
    """A token that was just made; `token` is shown this once."""

    token = ma.fields.String(required=True, metadata={"example": API_TOKEN_EXAMPLE})


class APITokenQuerySchema(PageQuerySchema):
    """Which page of one's tokens."""


class ScopeQuerySchema(PageQuerySchema):
    """Which page of the scopes."""


class ScopeSchema(Schema):
    """Something that a token may be for."""

    name = Choice(SCOPES, required=True, metadata={"example": "tasks:read"})
    description = ma.fields.String(required=True, metadata={"example": "See tasks, projects and categories."})


def _without_repetition(data: dict[str, Any], password: str) -> dict[str, Any]:
    if data.pop("confirm_password") != password:
        raise ma.ValidationError({"confirm_password": [PASSWORDS_DIFFER]})
    return data
