"""``flask groups``: what it changes, says and refuses."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from nxfs.auth.models import Group, GroupMember
from nxfs.auth.queries import actor_of
from nxfs.core.audit import AuditEntry
from nxfs.extensions import db
from tests.factories.groups import create_group
from tests.factories.users import create_user


@pytest.fixture
def run(app):
    """Run ``flask groups`` with arguments."""
    runner = app.test_cli_runner()
    return lambda *arguments, **keywords: runner.invoke(args=["groups", *map(str, arguments)], **keywords)


def members():
    db.session.rollback()
    return set(db.session.scalars(select(GroupMember.user_id)))


def test_group_is_made_filled_granted_shown_and_deleted(run):
    kari, ola = create_user(username="kari"), create_user(username="ola", role="staff")
    created = run("create", "Blåskrivere", "--description", "Of the blog", "--permission", "blog.publish")
    assert created.exit_code == 0
    group_id = db.session.scalar(select(Group.id))
    assert created.output == f"Created the group Blåskrivere (id {group_id}).\n"
    assert run("add-member", "BLÅSKRIVERE", "kari", ola.email).output == f"Now in BLÅSKRIVERE: kari, {ola.email}.\n"
    assert run("grant", group_id, "media.manage", "blog.edit").exit_code == 0
    assert actor_of(kari).permissions == {"blog.edit", "blog.publish", "media.manage"}
    assert run("revoke", group_id, "blog.edit").exit_code == 0
    shown = run("show", "blåskrivere").output.splitlines()
    assert f"permissions   {'blog.publish, media.manage'}" in shown
    assert [line.split() for line in shown[-2:]] == [
        [str(kari.id), "kari", "user", "yes"],
        [str(ola.id), "ola", "staff", "yes"],
    ]
    as_json = json.loads(run("show", group_id, "--json").output)
    assert (as_json["id"], [each["username"] for each in as_json["members"]]) == (group_id, ["kari", "ola"])
    assert run("remove-member", group_id, "ola").exit_code == 0
    assert members() == {kari.id}
    assert run("delete", "Blåskrivere", "--yes").output == "Deleted the group Blåskrivere.\n"
    assert (actor_of(kari).permissions, members()) == (set(), set())
    entries = db.session.execute(select(AuditEntry.action, AuditEntry.actor_id).order_by(AuditEntry.id)).all()
    assert [tuple(entry) for entry in entries] == [
        ("groups.created", None),
        ("groups.members_changed", None),
        ("groups.updated", None),
        ("groups.updated", None),
        ("groups.members_changed", None),
        ("groups.deleted", None),
    ]


def test_list_is_a_table_or_json_lines(run):
    assert run("list").output == "There are no such groups.\n"
    create_group("Writers", permissions=["blog.edit"], members=[create_user().id])
    create_group("Readers")
    rows = [line.split() for line in run("list").output.splitlines()]
    assert [row[1:] for row in rows] == [
        ["NAME", "MEMBERS", "PERMISSIONS", "DESCRIPTION"],
        ["Readers", "0", "-", "-"],
        ["Writers", "1", "blog.edit", "-"],
    ]
    lines = [json.loads(line) for line in run("list", "--search", "writ", "--json").output.splitlines()]
    assert [(line["name"], line["permissions"]) for line in lines] == [("Writers", ["blog.edit"])]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (["show", "Nobody"], 1, "Error: There is no such group."),
        (["show", "4711"], 1, "Error: There is no such group."),
        (["delete", "Nobody", "--yes"], 1, "Error: There is no such group."),
        (["grant", "Writers", "sudo"], 2, "Error: Invalid value for 'PERMISSIONS...': 'sudo' is not one of"),
        (["create", " writers "], 1, "Error: name: There is already a group with this name."),
        (["create", "a" * 81], 1, "Error: name: "),
        (["add-member", "Writers", "kari", "nobody"], 1, "Error: nobody: There is no such account."),
        (["add-member", "Writers"], 2, "Error: Missing argument 'USERS...'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(run, arguments, exit_code, sentence):
    create_user(username="kari")
    create_group("Writers")
    result = run(*arguments)
    assert result.exit_code == exit_code
    assert sentence in result.output
    assert (db.session.scalars(select(Group.name)).all(), members()) == (["Writers"], set())


def test_delete_asks_first(run):
    create_group("Writers", members=[create_user().id])
    result = run("delete", "Writers", input="n\n")
    assert result.exit_code == 1
    assert "Delete Writers, which has 1 members? [y/N]: n" in result.output
    assert len(members()) == 1
    assert run("delete", "Writers", input="y\n").exit_code == 0
    assert members() == set()


COMMANDS = ("list", "show", "create", "delete", "add-member", "remove-member", "grant", "revoke")


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)])
def test_help_explains_the_command(run, arguments):
    result = run(*arguments, "--help")
    assert (result.exit_code, "Usage:" in result.output) == (0, True)
