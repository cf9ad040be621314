"""``flask admin``: administrators and other accounts, from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import AppGroup
from marshmallow import ValidationError

from nxfs.auth import queries
from nxfs.auth.models import ROLES
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.schemas import RegistrationSchema
from nxfs.auth.service import accounts
from nxfs.auth.service.accounts import CreatedAccount
from nxfs.core.api.parser import flatten
from nxfs.core.errors import APIError, FieldErrors
from nxfs.core.messages import translate
from nxfs.core.settings import setting

FIRST_EMAIL = "admin@example.com"
FIRST_USERNAME = "admin"

admin = AppGroup("admin", help="Create accounts and grant permissions from the command line.")


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
    _create(email=email, username=FIRST_USERNAME, role="admin", password=setting("ADMIN_PASSWORD"))


@admin.command("create")
@click.argument("email")
@click.option("--username", help="By default the part of EMAIL before the @.")
@click.option("--role", type=click.Choice(ROLES), default="admin", show_default=True)
def create(email: str, username: str | None, role: str) -> None:
    """Create an account for EMAIL with a random password, which is shown once."""
    _create(email=email, username=username or email.partition("@")[0], role=role)


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
    with _sentences():
        accounts.grant_permission(name=email, permission=permission)
    click.echo(f"{email} has the permission {permission}.")


@admin.command("revoke")
@click.argument("email")
@click.argument("permission")
def revoke(email: str, permission: str) -> None:
    """Take PERMISSION back from the account with EMAIL; what comes with its role stays."""
    with _sentences():
        accounts.revoke_permission(name=email, permission=permission)
    click.echo(f"{email} no longer has the permission {permission}, unless it comes with the role.")


def _create(*, email: str, username: str, role: str, password: str | None = None) -> None:
    with _sentences():
        names = RegistrationSchema(only=("email", "username")).load({"email": email, "username": username})
        _show(accounts.create_account(**names, role=role, password=password))


def _show(created: CreatedAccount) -> None:
    user = created.user
    click.echo(f"Created the account {user.email} (username {user.username}, role {user.role}).")
    if created.password is not None:
        click.echo(f"Password, shown only now: {created.password}")


@contextmanager
def _sentences() -> Iterator[None]:
    """Show what is wrong as sentences, and end with exit code 1."""
    try:
        yield
    except ValidationError as error:
        raise click.ClickException(_joined(flatten(error.messages))) from error
    except APIError as error:
        raise click.ClickException(_joined(error.field_errors) or error.message.en) from error


def _joined(field_errors: FieldErrors | None) -> str:
    by_field = (field_errors or {}).items()
    return "\n".join(f"{name}: {translate(each, 'en')}" for name, sentences in by_field for each in sentences)
