"""``flask users``: accounts, their roles, passwords and sessions."""

from __future__ import annotations

import secrets
from typing import Any

import click
from flask.cli import AppGroup

from nxfs.admin.queries import users as queries
from nxfs.admin.schemas.users import AdminUserSchema, NewUserSchema
from nxfs.admin.service import invitations
from nxfs.admin.service import users as service
from nxfs.auth import queries as accounts_queries
from nxfs.auth.devices import device_of
from nxfs.auth.errors import UserNotFoundError
from nxfs.auth.models import ROLES, User
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.schemas import SessionSchema
from nxfs.cli.output import AS_JSON, SURE, print_fields, print_json, print_table, require_sure, sentences
from nxfs.core import mail
from nxfs.extensions import db

HEADINGS = ("ID", "USERNAME", "EMAIL", "ROLE", "ACTIVE", "GROUPS", "LAST SEEN")
SESSION_HEADINGS = ("ID", "LAST USED", "SINCE", "ADDRESS", "DEVICE")
PROMPT = click.option("--prompt", is_flag=True, help="Ask for the password instead of making one up.")

users = AppGroup("users", help="Look at accounts, create, change, disable and erase them.")


@users.command("create")
@click.argument("email")
@click.option("--username", help="By default made of the part of EMAIL before the @.")
@click.option("--role", type=click.Choice(ROLES), default="user", show_default=True)
@click.option("--permission", "permissions", multiple=True, type=click.Choice(sorted(PERMISSIONS)), help="Repeatable.")
@click.option("--group", "groups", multiple=True, help="The id or the name of a group (repeatable).")
@click.option("--first-name")
@click.option("--last-name")
@click.option("--language", type=click.Choice(("en", "no")))
@click.option("--invite", is_flag=True, help="Send a letter with a link to choose a password.")
@PROMPT
def create(email: str, invite: bool, prompt: bool, **options: Any) -> None:
    """Create an account for EMAIL.

    With a random password, which is shown once, unless --prompt or --invite is given. It has to be changed at the first
    sign-in.
    """
    with sentences():
        sent = {"email": email, **{name: value for name, value in options.items() if value}}
        sent = {name: list(value) if isinstance(value, tuple) else value for name, value in sent.items()}
        values = NewUserSchema(partial=("password",)).load(sent)
        password = None if invite else _password(prompt)
        user = accounts_queries.get_user(service.create_user(actor=None, values=values, password=password))
    click.echo(f"Created the account {user.email} (username {user.username}, role {user.role}).")
    _tell_password(password, prompt)


@users.command("list")
@click.option("--role", "roles", multiple=True, type=click.Choice(ROLES), help="Only with this role (repeatable).")
@click.option("--group", "groups", multiple=True, help="Only members of this group, an id or a name (repeatable).")
@click.option("--active/--disabled", "is_active", default=None, help="Only accounts that can be used, or cannot.")
@click.option("--search", help="Only with these words in the address or a name.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="At most so many.")
@AS_JSON
def list_users(limit: int, is_json: bool, **options: Any) -> None:
    """List accounts, the newest first."""
    given = {"role": options["roles"], "group": options["groups"], "search": options["search"]}
    filters: dict[str, Any] = {name: value for name, value in given.items() if value}
    if options["is_active"] is not None:
        filters["is_active"] = options["is_active"]
    found = queries.list_users({**filters, "page": 1, "page_size": limit}).items
    if is_json:
        for user in found:
            print_json(AdminUserSchema().dump(user))
    elif found:
        names = ("id", "username", "email", "role", "is_active", "groups", "last_seen")
        print_table(HEADINGS, [[user[name] for name in names] for user in found])
    else:
        click.echo("There are no such users.")


@users.command("show")
@click.argument("user")
@AS_JSON
def show(user: str, is_json: bool) -> None:
    """Show all that administrators see of USER, given by e-mail address or username.

    Ends with exit code 1 when there is no such user.
    """
    with sentences():
        shown = AdminUserSchema().dump(queries.get_user(_find(user).id))
    if is_json:
        print_json(shown)
    else:
        print_fields(shown)


@users.command("set-role")
@click.argument("user")
@click.argument("role", type=click.Choice(ROLES))
@SURE
def set_role(user: str, role: str, is_sure: bool) -> None:
    """Give USER another ROLE. The last administrator stays one."""
    with sentences():
        found = _find(user)
        require_sure(f"Make {found.email}, whose role is {found.role}, {role}?", is_sure=is_sure)
        service.update_user(actor=None, user_id=found.id, values={"role": role})
    click.echo(f"{found.email} has the role {role}.")


@users.command("set-password")
@click.argument("user")
@click.option("--link", is_flag=True, help="Send a letter with a link to choose one instead.")
@PROMPT
@SURE
def set_password(user: str, link: bool, prompt: bool, is_sure: bool) -> None:
    """Give USER another password and end all sessions.

    A random one, which is shown once, unless --prompt or --link is given. It has to be changed at the next sign-in.
    """
    with sentences():
        if link:
            invitations.require_mail()
        found = _find(user)
        require_sure(f"Reset the password of {found.email} and end all sessions?", is_sure=is_sure)
        password = None if link else _password(prompt)
        service.reset_password(actor=None, user_id=found.id, new_password=password)
    click.echo(f"Reset the password of {found.email}; all sessions have ended.")
    _tell_password(password, prompt)


@users.command("disable")
@click.argument("user")
@SURE
def disable(user: str, is_sure: bool) -> None:
    """Close the account of USER and end all sessions; nothing is deleted."""
    with sentences():
        found = _find(user)
        require_sure(f"Disable {found.email} and end all sessions?", is_sure=is_sure)
        service.set_active(actor=None, user_id=found.id, is_active=False)
    click.echo(f"{found.email} is disabled.")


@users.command("enable")
@click.argument("user")
def enable(user: str) -> None:
    """Open the account of USER again."""
    with sentences():
        found = _find(user)
        service.set_active(actor=None, user_id=found.id, is_active=True)
    click.echo(f"{found.email} is enabled.")


@users.command("sessions")
@click.argument("user")
@click.option("--end", is_flag=True, help="End all of them.")
@SURE
@AS_JSON
def sessions(user: str, end: bool, is_sure: bool, is_json: bool) -> None:
    """List the sessions of USER, the one used last first, or end them."""
    with sentences():
        found = _find(user)
        if end:
            require_sure(f"End all sessions of {found.email}?", is_sure=is_sure)
            click.echo(f"Ended {service.end_user_sessions(actor=None, user_id=found.id)} sessions of {found.email}.")
            return
    # None of them is the one that asks.
    rows = db.session.execute(accounts_queries.select_live_sessions(accounts_queries.actor_of(found))).all()
    if is_json:
        for row in rows:
            print_json(SessionSchema(exclude=["is_current"]).dump(row))
    elif rows:
        cells = [(row.id, row.last_used_at, row.created_at, row.address, device_of(row.user_agent)) for row in rows]
        print_table(SESSION_HEADINGS, cells)
    else:
        click.echo("There are no sessions.")


@users.command("erase")
@click.argument("user")
@SURE
def erase(user: str, is_sure: bool) -> None:
    """Anonymise the personal data of USER for ever and close the account. What the user made stays."""
    with sentences():
        found = _find(user)
        require_sure(f"Erase the personal data of {found.email}? This cannot be undone.", is_sure=is_sure)
        service.erase_user(actor=None, user_id=found.id)
    click.echo(f"Erased user {found.id}.")


def _find(name: str) -> User:
    found = accounts_queries.find_user(name)
    if found is None:
        raise UserNotFoundError
    # What was found is still said of it when it has changed.
    db.session.expunge(found)
    return found


def _password(prompt: bool) -> str:
    if prompt:
        return click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return secrets.token_urlsafe(12)


def _tell_password(password: str | None, prompt: bool) -> None:
    if password is None:
        mail.wait_until_sent()
        click.echo("A link to choose a password is on its way.")
    elif not prompt:
        click.echo(f"Password, shown only now: {password}")
