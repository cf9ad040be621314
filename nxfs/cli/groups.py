"""``flask groups``: what groups of users may do, and who belongs to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from flask.cli import AppGroup

from nxfs.admin.queries import groups as queries
from nxfs.admin.schemas.groups import GroupCreateSchema, GroupMemberSchema, GroupSchema
from nxfs.admin.service import group_members
from nxfs.admin.service import groups as service
from nxfs.auth import queries as accounts_queries
from nxfs.auth.errors import UserNotFoundError
from nxfs.auth.permissions import PERMISSIONS
from nxfs.cli.output import AS_JSON, SURE, print_fields, print_json, print_table, require_sure, sentences

HEADINGS = ("ID", "NAME", "MEMBERS", "PERMISSIONS", "DESCRIPTION")
MEMBER_HEADINGS = ("ID", "USERNAME", "ROLE", "ACTIVE")
MOST = click.IntRange(1, 10_000)
PERMISSION = click.Choice(sorted(PERMISSIONS))

groups = AppGroup("groups", help="Look at groups of users, change what they may do and who belongs to them.")


@groups.command("list")
@click.option("--search", help="Only those with these words in the name.")
@click.option("--limit", type=MOST, default=100, show_default=True, help="At most so many.")
@AS_JSON
def list_groups(search: str | None, limit: int, is_json: bool) -> None:
    """List groups by name."""
    filters = {"page": 1, "page_size": limit, **({"search": search} if search else {})}
    found = queries.list_groups(actor=None, filters=filters).items
    if is_json:
        for group in found:
            print_json(GroupSchema().dump(group))
    elif found:
        names = ("id", "name", "member_count", "permissions", "description")
        print_table(HEADINGS, [[group[name] for name in names] for group in found])
    else:
        click.echo("There are no such groups.")


@groups.command("show")
@click.argument("group")
@click.option("--limit", type=MOST, default=100, show_default=True, help="At most so many members.")
@AS_JSON
def show(group: str, limit: int, is_json: bool) -> None:
    """Show GROUP, given by its id or name, with its members.

    Ends with exit code 1 when there is no such group.
    """
    with sentences():
        group_id = queries.find_group_id(group)
        found = GroupSchema().dump(queries.get_group(actor=None, group_id=group_id))
        page = {"page": 1, "page_size": limit}
        members = queries.list_members(actor=None, group_id=group_id, filters=page).items
    if is_json:
        print_json({**found, "members": GroupMemberSchema(many=True).dump(members)})
        return
    print_fields(found)
    if members:
        click.echo()
        print_table(MEMBER_HEADINGS, [(each.id, each.username, each.role, each.is_active) for each in members])


@groups.command("create")
@click.argument("name")
@click.option("--description", default="", help="What the group is for.")
@click.option("--permission", "permissions", multiple=True, type=PERMISSION, help="What it may do (repeatable).")
def create(name: str, description: str, permissions: tuple[str, ...]) -> None:
    """Create the group NAME."""
    with sentences():
        sent = {"name": name, "description": description, "permissions": list(permissions)}
        values = GroupCreateSchema().load(sent)
        group_id = service.create_group(actor=None, values=values)
    click.echo(f"Created the group {values['name']} (id {group_id}).")


@groups.command("delete")
@click.argument("group")
@SURE
def delete(group: str, is_sure: bool) -> None:
    """Delete GROUP; its members lose what it gave them."""
    with sentences():
        group_id = queries.find_group_id(group)
        found = queries.get_group(actor=None, group_id=group_id)
        require_sure(f"Delete {found['name']}, which has {found['member_count']} members?", is_sure=is_sure)
        service.delete_group(actor=None, group_id=group_id)
    click.echo(f"Deleted the group {found['name']}.")


@groups.command("add-member")
@click.argument("group")
@click.argument("users", nargs=-1, required=True)
def add_member(group: str, users: tuple[str, ...]) -> None:
    """Make USERS, given by e-mail address or username, members of GROUP: all of them or none."""
    _change_members(group_members.add_members, group, users)
    click.echo(f"Now in {group}: {', '.join(users)}.")


@groups.command("remove-member")
@click.argument("group")
@click.argument("users", nargs=-1, required=True)
def remove_member(group: str, users: tuple[str, ...]) -> None:
    """Take USERS, given by e-mail address or username, out of GROUP: all of them or none."""
    _change_members(group_members.remove_members, group, users)
    click.echo(f"No longer in {group}: {', '.join(users)}.")


@groups.command("grant")
@click.argument("group")
@click.argument("permissions", metavar="PERMISSIONS...", nargs=-1, required=True, type=PERMISSION)
def grant(group: str, permissions: tuple[str, ...]) -> None:
    """Give PERMISSIONS to the members of GROUP; `flask admin permissions` lists them."""
    with sentences():
        service.change_permissions(actor=None, group_id=queries.find_group_id(group), granted=permissions)
    click.echo(f"{group} has now: {', '.join(permissions)}.")


@groups.command("revoke")
@click.argument("group")
@click.argument("permissions", metavar="PERMISSIONS...", nargs=-1, required=True, type=PERMISSION)
def revoke(group: str, permissions: tuple[str, ...]) -> None:
    """Take PERMISSIONS back from GROUP; what members have otherwise stays."""
    with sentences():
        service.change_permissions(actor=None, group_id=queries.find_group_id(group), revoked=permissions)
    click.echo(f"{group} no longer has: {', '.join(permissions)}.")


def _change_members(change: Callable[..., Any], group: str, names: tuple[str, ...]) -> None:
    with sentences():
        group_id = queries.find_group_id(group)
        change(actor=None, group_id=group_id, user_ids=[_user_id(name) for name in names], atomic=True)


def _user_id(name: str) -> int:
    user = accounts_queries.find_user(name)
    if user is None:
        raise click.ClickException(f"{name}: {UserNotFoundError.message.en}")
    return user.id
