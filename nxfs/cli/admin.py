"""``flask admin``: the first administrator, and permissions of single accounts."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from nxfs.auth import queries
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.schemas import RegistrationSchema
from nxfs.auth.service import accounts
from nxfs.cli.output import sentences
from nxfs.core.messages import translate
from nxfs.core.settings import setting

FIRST_EMAIL = "admin@example.com"
FIRST_USERNAME = "admin"

admin = AppGroup("admin", help="Create the first administrator, grant permissions to single accounts.")


@admin.command("ensure")
def ensure() -> None:
    """Create the first administrator if there is none.

    The address is ADMIN_EMAIL (or admin@example.com), the password ADMIN_PASSWORD. Without ADMIN_PASSWORD a random one
    is made and shown once. Run again it changes nothing.
    """
    if queries.has_administrator():
        click.echo("There is an administrator already.")
        return
    email = setting("ADMIN_EMAIL") or FIRST_EMAIL
    with sentences():
        names = RegistrationSchema(only=("email", "username")).load({"email": email, "username": FIRST_USERNAME})
        created = accounts.create_account(**names, role="admin", password=setting("ADMIN_PASSWORD"))
    user = created.user
    click.echo(f"Created the account {user.email} (username {user.username}, role {user.role}).")
    if created.password is not None:
        click.echo(f"Password, shown only now: {created.password}")


@admin.command("permissions")
def permissions() -> None:
    """List the permissions that can be granted."""
    width = max(map(len, PERMISSIONS))
    for name, description in PERMISSIONS.items():
        click.echo(f"{name:{width}}  {translate(description, 'en')}")


@admin.command("grant")
@click.argument("email")
@click.argument("permission")
def grant(email: str, permission: str) -> None:
    """Give PERMISSION to the account with EMAIL (or that username), beyond those of its role."""
    with sentences():
        accounts.grant_permission(name=email, permission=permission)
    click.echo(f"{email} has the permission {permission}.")


@admin.command("revoke")
@click.argument("email")
@click.argument("permission")
def revoke(email: str, permission: str) -> None:
    """Take PERMISSION back from the account with EMAIL; what comes with its role stays."""
    with sentences():
        accounts.revoke_permission(name=email, permission=permission)
    click.echo(f"{email} no longer has the permission {permission}, unless it comes with the role.")
