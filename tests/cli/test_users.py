"""``flask users``: what it changes, says and refuses."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import select

from nxfs.auth.models import User
from nxfs.auth.queries import actor_of
from nxfs.extensions import db
from tests.factories.groups import create_group
from tests.factories.users import PASSWORD, create_user, open_session, reload
from tests.mail_sink import MailSink

SHOWN_PASSWORD = re.compile(r"^Password, shown only now: (\S{16})$", re.MULTILINE)


@pytest.fixture
def run(app):
    """Run ``flask users`` with arguments."""
    runner = app.test_cli_runner()
    return lambda *arguments, **keywords: runner.invoke(args=["users", *map(str, arguments)], **keywords)


def sign_in(client, email, password):
    return client.post("/api/auth/token/", json={"email": email, "password": password}).status_code


def test_create_makes_an_account_whose_password_is_shown_once(run, client):
    create_group("Editors", permissions=["blog.edit"])
    result = run(
        *("create", "Ola@example.com", "--username", "ola-n", "--role", "user", "--group", "editors"),
        *("--permission", "audit.view", "--language", "no", "--first-name", "Ola"),
    )
    assert result.exit_code == 0
    assert result.output.startswith("Created the account Ola@example.com (username ola-n, role user).\n")
    user = db.session.scalars(select(User)).one()
    assert (user.first_name, user.language, user.must_change_password) == ("Ola", "no", True)
    assert actor_of(user).permissions == {"audit.view", "blog.edit"}
    assert sign_in(client, "ola@example.com", SHOWN_PASSWORD.search(result.output)[1]) == 200


def test_create_with_a_typed_password_does_not_show_it(run, client):
    typed = "gule-gummistøvler-39"
    result = run("create", "kari@example.com", "--prompt", input=f"{typed}\n{typed}\n")
    assert result.exit_code == 0
    assert (typed in result.output, "shown only now" in result.output) == (False, False)
    assert sign_in(client, "kari@example.com", typed) == 200


def test_invitation_is_sent_before_the_command_ends(run, app, monkeypatch):
    with MailSink() as sink:
        monkeypatch.setitem(app.config, "SMTP_URL", sink.url)
        result = run("create", "kari@example.com", "--invite")
        assert (result.exit_code, sink.is_empty) == (0, False)
        letter = sink.take()
    assert letter["To"] == "kari@example.com"
    assert "shown only now" not in result.output


@pytest.mark.parametrize("arguments", [["create", "ny@example.com", "--invite"], ["set-password", "kari", "--link"]])
def test_letters_without_a_mail_server_are_refused_before_anything_changes(app, run, monkeypatch, arguments):
    monkeypatch.setitem(app.config, "NXFS_ENV", "production")
    kari = create_user(username="kari")
    result = run(*arguments)
    assert (result.exit_code, "Mail is not set up" in result.output) == (1, True)
    assert db.session.scalars(select(User.password_hash)).all() == [kari.password_hash]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (["create", "nobody"], 1, "Error: email: "),
        (["create", "ny@example.com", "--username", "a b"], 1, "Error: username: "),
        (["create", "KARI@example.com"], 1, "Error: email: There is already an account with this e-mail."),
        (["create", "ny@example.com", "--group", "Nobodies"], 1, "Error: groups: There is no group “Nobodies”."),
        (["create", "ny@example.com", "--role", "king"], 2, "Invalid value for '--role'"),
        (["create", "ny@example.com", "--permission", "sudo"], 2, "Invalid value for '--permission'"),
        (["set-role", "kari", "user", "--yes"], 1, "Error: You are the only administrator."),
        (["disable", "kari", "--yes"], 1, "Error: You are the only administrator."),
        (["erase", "kari", "--yes"], 1, "Error: You are the only administrator."),
        *(([name, "nobody"], 1, "Error: There is no such account.") for name in ("show", "enable", "sessions")),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(run, arguments, exit_code, sentence):
    kari = create_user(username="kari", role="admin")
    result = run(*arguments)
    assert result.exit_code == exit_code
    assert sentence in result.output
    assert [(user.id, user.role, user.is_active) for user in db.session.scalars(select(User))] == [
        (kari.id, "admin", True)
    ]


def test_list_is_a_table_or_json_lines_and_can_be_filtered(run):
    kari, ola = create_user(username="kari"), create_user(username="ola", role="staff", is_active=False)
    create_group("Editors", members=[kari.id])
    rows = [line.split() for line in run("list").output.splitlines()]
    assert rows[0] == ["ID", "USERNAME", "EMAIL", "ROLE", "ACTIVE", "GROUPS", "LAST", "SEEN"]
    assert sorted(rows[1:]) == sorted(
        [
            [str(kari.id), "kari", kari.email, "user", "yes", "Editors", "-"],
            [str(ola.id), "ola", ola.email, "staff", "no", "-", "-"],
        ]
    )

    def listed(*options):
        return [json.loads(line)["username"] for line in run("list", "--json", *options).output.splitlines()]

    assert (listed("--disabled"), listed("--active")) == (["ola"], ["kari"])
    assert (listed("--role", "staff", "--role", "admin"), listed("--group", "editors")) == (["ola"], ["kari"])
    assert (listed("--search", "KAR"), len(listed("--limit", "1"))) == (["kari"], 1)
    assert run("list", "--search", "nobody").output == "There are no such users.\n"


def test_show_tells_what_administrators_see(run):
    kari = create_user(username="kari", role="staff")
    as_json = json.loads(run("show", "kari", "--json").output)
    assert (as_json["id"], as_json["role"], as_json["groups"]) == (kari.id, "staff", [])
    assert "password_hash" not in as_json
    lines = dict(line.split(maxsplit=1) for line in run("show", kari.email).output.splitlines() if " " in line.strip())
    assert (lines["email"], lines["is_active"]) == (kari.email, "yes")


def test_role_password_and_account_are_changed_after_a_yes(run, client):
    kari, boss = create_user(username="kari"), create_user(role="admin")
    assert boss.id != kari.id
    for arguments in (["set-role", "kari", "staff"], ["set-password", "kari"], ["disable", "kari"], ["erase", "kari"]):
        refused = run(*arguments, input="\n")
        assert (refused.exit_code, "[y/N]" in refused.output) == (1, True)
    assert (reload(kari).version, sign_in(client, kari.email, PASSWORD)) == (kari.version, 200)
    assert run("set-role", "kari", "staff", input="y\n").exit_code == 0
    assert reload(kari).role == "staff"
    password = SHOWN_PASSWORD.search(run("set-password", "kari", "--yes").output)[1]
    assert [sign_in(client, kari.email, each) for each in (PASSWORD, password)] == [401, 200]
    assert run("disable", "kari", "--yes").output == f"{kari.email} is disabled.\n"
    assert not reload(kari).is_active
    assert run("enable", "kari").exit_code == 0
    assert reload(kari).is_active
    assert run("erase", "kari", "--yes").output == f"Erased user {kari.id}.\n"
    assert (reload(kari).username, reload(kari).is_active) == (f"erased-{kari.id}", False)
    refused = run("enable", f"erased-{kari.id}")
    assert (refused.exit_code, "This account was erased." in refused.output) == (1, True)


def test_sessions_are_listed_and_ended(run):
    kari = create_user(username="kari")
    assert run("sessions", "kari").output == "There are no sessions.\n"
    for _ in range(2):
        open_session(kari)
    lines = run("sessions", "kari").output.splitlines()
    assert (lines[0].split()[:3], len(lines)) == (["ID", "LAST", "USED"], 3)
    assert all("is_current" not in line for line in run("sessions", "kari", "--json").output.splitlines())
    assert run("sessions", "kari", "--end", input="n\n").exit_code == 1
    assert run("sessions", "kari", "--end", "--yes").output == f"Ended 2 sessions of {kari.email}.\n"
    assert run("sessions", "kari").output == "There are no sessions.\n"


COMMANDS = ("create", "list", "show", "set-role", "set-password", "disable", "enable", "sessions", "erase")


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)])
def test_help_explains_the_command(run, arguments):
    result = run(*arguments, "--help")
    assert (result.exit_code, "Usage:" in result.output) == (0, True)
