"""``flask admin``: what it creates, says and refuses."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from nxfs.auth.models import User, UserPermission
from nxfs.auth.permissions import PERMISSIONS
from nxfs.extensions import db
from tests.factories.users import create_user


@pytest.fixture
def run(app):
    """Run ``flask admin`` with arguments."""
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["admin", *arguments])


def users():
    return [tuple(row) for row in db.session.execute(select(User.email, User.username, User.role).order_by(User.id))]


def sign_in(client, email, password):
    return client.post("/api/auth/token/", json={"email": email, "password": password}).status_code


def test_ensure_creates_the_first_administrator_and_shows_its_password_once(run, client):
    result = run("ensure")
    assert result.exit_code == 0
    password = re.search(r"Password, shown only now: (\S{16})$", result.output, re.MULTILINE)[1]
    assert users() == [("admin@example.com", "admin", "admin")]
    assert sign_in(client, "admin@example.com", password) == 200
    again = run("ensure")
    assert (again.exit_code, again.output) == (0, "There is an administrator already.\n")
    assert len(users()) == 1


def test_ensure_takes_address_and_password_from_the_settings_and_does_not_show_it(run, client, app, monkeypatch):
    monkeypatch.setitem(app.config, "ADMIN_EMAIL", "boss@example.com")
    monkeypatch.setitem(app.config, "ADMIN_PASSWORD", "gule-gummistøvler-39")
    result = run("ensure")
    assert result.output == "Created the account boss@example.com (username admin, role admin).\n"
    assert sign_in(client, "boss@example.com", "gule-gummistøvler-39") == 200


def test_ensure_with_weak_password_says_why_and_creates_nothing(run, app, monkeypatch):
    monkeypatch.setitem(app.config, "ADMIN_PASSWORD", "password1")
    result = run("ensure")
    assert result.exit_code == 1
    assert "password: This password is too common." in result.output
    assert users() == []


def test_ensure_does_not_promote_an_account_that_took_the_address(run):
    create_user(email="admin@example.com", username="sneaky")
    result = run("ensure")
    assert result.exit_code == 1
    assert "email: There is already an account with this e-mail." in result.output
    assert users() == [("admin@example.com", "sneaky", "user")]


def test_ensure_counts_only_administrators_who_can_sign_in(run):
    create_user(role="admin", is_active=False)
    assert run("ensure").exit_code == 0
    assert len(users()) == 2


@pytest.mark.parametrize("arguments", [[], ["ensure"], ["grant"], ["revoke"], ["permissions"]])
def test_help_explains_the_command(run, arguments):
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def granted():
    db.session.rollback()
    return set(db.session.scalars(select(UserPermission.permission)))


def test_grant_and_revoke_say_what_is_so_and_may_be_repeated(run):
    user = create_user(email="Ola@example.com", username="ola-n")
    for name in ("ola@example.com", "ola-n"):
        result = run("grant", name, "blog.publish")
        assert (result.exit_code, result.output) == (0, f"{name} has the permission blog.publish.\n")
    assert granted() == {"blog.publish"}
    for _ in range(2):
        result = run("revoke", user.email, "blog.publish")
        assert result.exit_code == 0
        assert result.output.startswith("Ola@example.com no longer has the permission blog.publish, unless")
    assert granted() == set()


@pytest.mark.parametrize("command", ["grant", "revoke"])
def test_grant_or_revoke_of_something_unknown_says_which(run, command):
    create_user(email="ola@example.com")
    nobody = run(command, "kari@example.com", "blog.publish")
    assert (nobody.exit_code, nobody.output) == (1, "Error: There is no such account.\n")
    nothing = run(command, "ola@example.com", "blog.rewrite")
    assert (nothing.exit_code, nothing.output) == (1, "Error: permission: “blog.rewrite” is not a permission.\n")
    assert run(command, "ola@example.com").exit_code == 2
    assert granted() == set()


def test_permissions_lists_each_with_its_meaning(run):
    result = run("permissions")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == list(PERMISSIONS)
    assert re.search(r"^media\.manage +See and manage the files of all users\.$", result.output, re.MULTILINE)
