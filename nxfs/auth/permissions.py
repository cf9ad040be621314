"""What users may do beyond their own objects: the closed set of permissions, and those that come with a role."""

from __future__ import annotations

from collections.abc import Iterable

from nxfs.core.messages import Text

PERMISSIONS = {
    "blog.publish": Text("Publish own posts.", "Publisere egne innlegg."),
    "blog.edit": Text("See and edit the posts of all authors.", "Se og redigere innleggene til alle forfattere."),
    "media.manage": Text("See and manage the files of all users.", "Se og forvalte filene til alle brukere."),
    "system.view": Text("See how the server is doing.", "Se hvordan det går med serveren."),
    "users.manage": Text("See and manage the accounts of users.", "Se og forvalte brukernes kontoer."),
    "audit.view": Text("Read the audit log.", "Lese revisjonsloggen."),
    "analytics.view": Text("See how the service is used.", "Se hvordan tjenesten brukes."),
}
OF_ROLES = {
    "user": frozenset[str](),
    "staff": frozenset({"blog.publish", "blog.edit", "media.manage", "system.view"}),
    "admin": frozenset(PERMISSIONS),
}


def permissions_of(role: str, granted: Iterable[str] = ()) -> frozenset[str]:
    """Return the permissions of a user with ``role`` to whom, or to whose groups, those in ``granted`` were given."""
    return OF_ROLES[role] | (frozenset(granted) & PERMISSIONS.keys())
