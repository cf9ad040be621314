"""``flask limits``: what it shows and resets, as tables and JSON, and its exit codes."""

from __future__ import annotations

import json

import pytest
from redis import Redis

from nxfs.core.limits.limiter import EXTENSION, Limiter
from nxfs.core.limits.shared import RedisCounters
from tests import services
from tests.core.limits.quotas import quotas
from tests.factories.users import create_user
from tests.tasks.person import Person

TOKEN = "/api/auth/token/"
HOME = "203.0.113.7"


@pytest.fixture
def run(app):
    """Run ``flask limits`` with arguments."""
    runner = app.test_cli_runner()
    return lambda *arguments, **more: runner.invoke(args=["limits", *arguments], **more)


@pytest.fixture
def counted(app, monkeypatch):
    """Limits that are counted in Redis."""
    limiter = Limiter(quotas(login="2 per minute"), share=25, shared=RedisCounters(services.redis_url()))
    monkeypatch.setitem(app.extensions, EXTENSION, limiter)
    yield
    with Redis.from_url(services.redis_url()) as redis:
        redis.flushdb()


def try_to_sign_in(client, user):
    body = {"email": user.email, "password": "wrong password"}
    return client.post(TOKEN, json=body, environ_base={"REMOTE_ADDR": HOME}).status_code


def test_show_without_account_lists_every_limit_with_its_setting(run):
    lines = run("show").output.splitlines()
    assert lines[0].split() == ["LIMIT", "SETTING", "FOR", "AMOUNT", "SECONDS", "IS_ON"]
    assert [each.split() for each in lines if each.startswith("api ")] == [
        ["api", "RATELIMIT_API", "user", "200", "10", "no"],
        ["api", "RATELIMIT_API", "user", "6000", "3600", "no"],
    ]
    entries = json.loads(run("show", "--json").output)
    assert {
        "limit": "login",
        "setting": "RATELIMIT_LOGIN",
        "for": "account",
        "amount": 5,
        "seconds": 60,
        "is_on": False,
    } in (entries)


def test_counters_of_an_account_and_an_address_are_shown_and_reset(run, client, counted):
    user, other = create_user(), Person(client)
    assert [try_to_sign_in(client, user) for _ in range(3)] == [401, 401, 429]
    other.get("/api/tasks/")
    assert run("show", other.user.email, "--json").exit_code == 0
    assert [each["limit"] for each in json.loads(run("show", other.user.username, "--json").output)] == ["api", "api"]
    entry = json.loads(run("show", user.email, "--json").output)[0]
    assert entry.pop("reset_after") <= 60
    assert entry == {"limit": "login", "amount": 2, "seconds": 60, "used": 2, "remaining": 0}
    header, row = run("show", "--address", HOME).output.splitlines()
    assert header.split()[:4] == ["LIMIT", "AMOUNT", "SECONDS", "USED"]
    assert row.split()[:4] == ["login_address", "20", "60", "3"]

    assert run("reset", user.username).output == "Reset 1 counter.\n"
    assert try_to_sign_in(client, user) == 401
    assert run("reset", "--address", HOME).output == "Reset 1 counter.\n"
    assert run("show", "--address", HOME).output == "Nothing is used.\n"
    assert run("reset", "--all", input="n\n").exit_code == 1
    assert run("show", other.user.email).output != "Nothing is used.\n"
    assert run("reset", "--all", "--yes").output == "Reset 3 counters.\n"
    assert run("show", other.user.email).output == "Nothing is used.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["show", "nobody@example.com"], 1, "There is no such account."),
        (["reset", "nobody@example.com"], 1, "There is no such account."),
        (["show", "--address", "localhost"], 1, "localhost is no IP address."),
        (["show", "a", "--address", HOME], 2, "Give an ACCOUNT or --address, not both."),
        (["reset"], 2, "Give an ACCOUNT, --address or --all."),
        (["reset", "a", "--all"], 2, "Give an ACCOUNT, --address or --all."),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(run, counted, arguments, code, sentence):
    result = run(*arguments)
    assert result.exit_code == code
    assert sentence in result.output


def test_counters_out_of_reach_are_said_to_be(run, app, monkeypatch):
    user = create_user()
    assert "Limits are switched off (RATELIMIT_ENABLED)." in run("show", user.email).output
    monkeypatch.setitem(app.extensions, EXTENSION, Limiter(quotas(), share=25))
    result = run("reset", "--all", "--yes")
    assert (result.exit_code, "in the memory of the server" in result.output) == (1, True)
    away = RedisCounters(f"redis://127.0.0.1:{services.free_port()}/0")
    monkeypatch.setitem(app.extensions, EXTENSION, Limiter(quotas(), share=25, shared=away))
    result = run("show", user.email)
    assert (result.exit_code, result.output) == (1, "Error: Redis does not answer.\n")
