"""Wire forms of accounts for those who administer them."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from nxfs.auth.models import ROLES
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.schemas import NewPassword, ProfileSchema, UserSchema
from nxfs.core.api.fields import Boolean, Choice, Date, Identifier, Line, Moment, UniqueList
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import MessageSchema, Schema
from nxfs.core.filters import GIVEN_TWICE, START_AFTER_END, AnyOf, DateRange, Ordering, SearchText

MOST_GROUPS = 50
LONGEST_GROUP_NAME = 80
ORDERINGS = ("date_joined", "email", "username", "last_login", "last_seen", "role")
GROUPS = {"example": ["Editors"], "description": "Names of groups."}
NAMED_GROUPS = {"example": ["Editors"], "description": "Names or ids of groups."}
GRANTED = {"example": ["blog.publish"], "description": "Permissions beyond those of the role and the groups."}


class GroupName(Line):
    """The name of a group, or its id as a text."""

    def __init__(self) -> None:
        super().__init__(minimum=1, maximum=LONGEST_GROUP_NAME, metadata={"example": "Editors"})


class AdminUserSchema(UserSchema):
    """An account, as administrators see it. `permissions` are all that are in force."""

    groups = ma.fields.List(ma.fields.String(), required=True, metadata=GROUPS)
    user_permissions = ma.fields.List(Choice(PERMISSIONS), required=True, metadata=GRANTED)
    last_activity = Moment(required=True, allow_none=True, metadata={"example": "2026-02-01T08:15:00Z"})
    is_locked = Boolean(
        required=True,
        metadata={"example": False, "description": "Whether too many wrong passwords bar the way from somewhere."},
    )
    erased_at = Moment(
        required=True,
        allow_none=True,
        metadata={"example": None, "description": "When the personal data were erased, for ever."},
    )


class UserUpdateByAdminSchema(ProfileSchema):
    """Changes of an account; what is left out stays."""

    class Meta(Schema.Meta):
        fields = (
            "email",
            "username",
            "display_name",
            "first_name",
            "last_name",
            "language",
            "role",
            "is_staff",
            "is_superuser",
            "is_active",
            "user_permissions",
            "groups",
        )

    role = Choice(ROLES, metadata={"example": "staff"})
    is_staff = Boolean(metadata={"example": True, "description": "Another way to say `role`."})
    is_superuser = Boolean(metadata={"example": False, "description": "Another way to say `role`."})
    is_active = Boolean(metadata={"example": True})
    user_permissions = UniqueList(Choice(PERMISSIONS), maximum=len(PERMISSIONS), metadata=GRANTED)
    groups = UniqueList(GroupName(), maximum=MOST_GROUPS, metadata=NAMED_GROUPS)


class NewUserSchema(ProfileSchema):
    """A new account. Without a password the user is sent a link to choose one."""

    class Meta(Schema.Meta):
        fields = (
            "email",
            "username",
            "display_name",
            "first_name",
            "last_name",
            "language",
            "role",
            "permissions",
            "groups",
            "password",
        )

    username = Line(
        minimum=3,
        maximum=30,
        pattern="[A-Za-z0-9_-]+",
        metadata={"example": "kari", "description": "By default made of the address."},
    )
    display_name = Line(maximum=100, metadata={"example": "Kari Nordmann"})
    first_name = Line(maximum=50, metadata={"example": "Kari"})
    last_name = Line(maximum=50, metadata={"example": "Nordmann"})
    language = Choice(("en", "no"), metadata={"example": "no", "description": "Also that of the invitation."})
    role = Choice(ROLES, metadata={"example": "user"})
    permissions = UniqueList(Choice(PERMISSIONS), maximum=len(PERMISSIONS), metadata=GRANTED)
    groups = UniqueList(GroupName(), maximum=MOST_GROUPS, metadata=NAMED_GROUPS)
    password = NewPassword()


class UserQuerySchema(PageQuerySchema):
    """Filters of the list; all that are given must hold."""

    is_active = Boolean(metadata={"example": True})
    role = AnyOf(ROLES, metadata={"example": ["staff", "admin"]})
    is_staff = Boolean(metadata={"example": True})
    is_superuser = Boolean(metadata={"example": False})
    group = AnyOf(is_comma_list=False, metadata={"description": "Names or ids of groups."})
    registration_date = DateRange(
        metadata={
            "example": "2026-01-01,2026-12-31",
            "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2})?,([0-9]{4}-[0-9]{2}-[0-9]{2})?$",
            "description": "First and last day, both inclusive, in UTC; one of them may be left out.",
        }
    )
    registration_date_start = Date(metadata={"description": "Registered on this day or later."})
    registration_date_end = Date(metadata={"description": "Registered on this day or earlier."})
    last_seen_before = Moment(metadata={"example": "2026-01-31T12:00:00Z"})
    last_seen_after = Moment(metadata={"example": "2026-01-31T12:00:00Z"})
    search = SearchText(metadata={"description": "Words, each in the address or one of the names."})
    ordering = Ordering(ORDERINGS)

    @ma.post_load
    def settle(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Merge the two ways to give dates; refuse a start after the end."""
        names = ("registration_date_start", "registration_date_end")
        blamed = "registration_date" if "registration_date" in data else names[0]
        for name, day in zip(names, data.pop("registration_date", (None, None)), strict=True):
            if day is not None and data.setdefault(name, day) != day:
                raise ma.ValidationError({"registration_date": [GIVEN_TWICE.fill(other=name)]})
        if all(name in data for name in names) and data[names[0]] > data[names[1]]:
            raise ma.ValidationError({blamed: [START_AFTER_END]})
        return data


class UserDeletionQuerySchema(Schema):
    """What becomes of the account."""

    erase = Boolean(
        load_default=False,
        metadata={"example": False, "description": "Anonymise the personal data too, which cannot be undone."},
    )


class NewPasswordSchema(Schema):
    """A password for somebody else, who has to choose another one at the next sign-in."""

    new_password = NewPassword()


class PasswordResetResultSchema(MessageSchema):
    """That the password is reset."""

    success = Boolean(required=True, metadata={"example": True})
    user_id = Identifier(required=True, metadata={"example": 7})


class ActivitySchema(Schema):
    """Whether an account can be used."""

    is_active = Boolean(required=True, metadata={"example": False})
