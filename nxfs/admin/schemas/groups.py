"""Wire forms of groups and permissions."""

from __future__ import annotations

import marshmallow as ma

from nxfs.auth.models import ROLES
from nxfs.auth.permissions import PERMISSIONS
from nxfs.core.api import fields
from nxfs.core.api.pages import PageQuerySchema
from nxfs.core.api.schema import Schema
from nxfs.core.batches import MOST_AT_ONCE
from nxfs.core.filters import AnyOf, Ordering, SearchText


class PermissionSchema(Schema):
    """Something that users may be allowed to do."""

    name = fields.Choice(PERMISSIONS, required=True, metadata={"example": "blog.edit"})
    description = ma.fields.String(
        required=True,
        metadata={"example": "See and edit the posts of all authors.", "description": "In your language."},
    )
    roles = ma.fields.List(
        fields.Choice(ROLES),
        required=True,
        metadata={"example": ["staff", "admin"], "description": "Roles that come with it."},
    )
    may_grant = ma.fields.Boolean(
        required=True, metadata={"example": True, "description": "Whether you may give it to others, and take it."}
    )


class PermissionQuerySchema(PageQuerySchema):
    """Which page of the permissions."""


class GroupSchema(Schema):
    """Users who are given permissions together."""

    id = fields.Identifier(required=True, metadata={"example": 4})
    version = ma.fields.Integer(required=True, metadata={"example": 1})
    name = ma.fields.String(required=True, metadata={"example": "Editors"})
    description = ma.fields.String(required=True, metadata={"example": "Those who correct the blog"})
    permissions = ma.fields.List(
        fields.Choice(PERMISSIONS), required=True, metadata={"example": ["blog.edit", "blog.publish"]}
    )
    member_count = ma.fields.Integer(required=True, metadata={"example": 3})
    created_at = fields.Moment(required=True, metadata={"example": "2026-01-31T12:00:00Z"})
    updated_at = fields.Moment(required=True, metadata={"example": "2026-02-01T08:30:00Z"})


class GroupCreateSchema(Schema):
    """What creates or replaces a group."""

    name = fields.Line(minimum=1, maximum=80, required=True, metadata={"example": "Editors"})
    description = fields.Line(maximum=300, load_default="", metadata={"example": "Those who correct the blog"})
    permissions = fields.UniqueList(
        fields.Choice(PERMISSIONS),
        maximum=len(PERMISSIONS),
        load_default=list,
        metadata={"example": ["blog.edit", "blog.publish"], "description": "All that its members get."},
    )


class GroupUpdateSchema(GroupCreateSchema):
    """What changes a group; what is left out stays."""


class GroupQuerySchema(PageQuerySchema):
    """Filters of the list; all that are given must hold."""

    search = SearchText(minimum=1, metadata={"description": "Words that are in the name."})
    permission = AnyOf(tuple(PERMISSIONS), metadata={"description": "Groups that give one of these."})
    ordering = Ordering(("name", "member_count", "created_at", "updated_at"))


class GroupMemberSchema(Schema):
    """A member of a group."""

    id = fields.Identifier(required=True, metadata={"example": 12})
    username = ma.fields.String(required=True, metadata={"example": "kari"})
    display_name = ma.fields.String(required=True, metadata={"example": "Kari Nordmann"})
    role = fields.Choice(ROLES, required=True, metadata={"example": "user"})
    is_active = ma.fields.Boolean(required=True, metadata={"example": True})


class GroupMemberQuerySchema(PageQuerySchema):
    """Order of the members."""

    ordering = Ordering(("username", "role"))


class GroupMembersSchema(Schema):
    """Users who become members, or are to be members no longer."""

    user_ids = fields.Identifiers(maximum=MOST_AT_ONCE, required=True, metadata={"example": [12, 13]})
