"""``flask limits``: how often anybody may ask, who has asked how often, and starting anew."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click
from flask.cli import AppGroup

from nxfs.auth import queries
from nxfs.auth.service.lockout import Attempt
from nxfs.cli.output import print_table
from nxfs.core.http import address_of
from nxfs.core.limits.limiter import Limiter, current_limiter
from nxfs.core.limits.requests import subject_of_address, subject_of_user
from nxfs.core.limits.rules import LIMITS, Standing, setting_of
from nxfs.core.limits.shared import AwayError
from nxfs.core.settings import setting
from nxfs.core.transaction import transaction

ADDRESS = click.option("--address", help="An IP address instead of an account.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
IN_MEMORY = (
    "Without REDIS_URL the counters are in the memory of the server, where no other process can look; "
    "they are gone when it starts again."
)

limits = AppGroup("limits", help="Look at rate limits and their counters, and start counting anew.")


@limits.command("show")
@click.argument("account", required=False)
@ADDRESS
@JSON
def show(account: str | None, address: str | None, as_json: bool) -> None:
    """Show all limits, or what ACCOUNT (e-mail address or username) or an address has used of them.

    Ends with exit code 1 when there is no such account, or the counters cannot be read.
    """
    if account is None and address is None:
        _print(_rules(), as_json)
        return
    limiter = _shared_limiter()
    subjects = _subjects(account, address)
    try:
        standings = [standing for subject in subjects for standing in limiter.look(subject)]
    except AwayError as error:
        raise click.ClickException("Redis does not answer.") from error
    if not standings and not as_json:
        click.echo("Nothing is used.")
        return
    _print([_entry(standing) for standing in standings], as_json)


@limits.command("reset")
@click.argument("account", required=False)
@ADDRESS
@click.option("--all", "everybody", is_flag=True, help="Everybody's counters.")
@click.option("--yes", is_flag=True, help="Do not ask whether --all is meant.")
def reset(account: str | None, address: str | None, everybody: bool, yes: bool) -> None:
    """Forget what ACCOUNT (e-mail address or username), an address or everybody has used.

    Wrong passwords are remembered all the same. Ends with exit code 1 when there is no such account, or the counters
    cannot be reached.
    """
    if sum((account is not None, address is not None, everybody)) != 1:
        raise click.UsageError("Give an ACCOUNT, --address or --all.")
    limiter = _shared_limiter()
    subjects: Sequence[str | None] = [None] if everybody else _subjects(account, address)
    if everybody and not yes:
        click.confirm("Start counting anew for everybody, also for those who guess passwords?", abort=True)
    try:
        count = sum(limiter.reset(subject) for subject in subjects)
    except AwayError as error:
        raise click.ClickException("Redis does not answer.") from error
    with transaction() as tx:
        tx.audit("limits.reset", actor_id=None, changes={"subjects": [subjects, []], "count": [count, 0]})
    click.echo(f"Reset {count} {'counter' if count == 1 else 'counters'}.")


def _shared_limiter() -> Limiter:
    limiter = current_limiter()
    if limiter is None:
        raise click.ClickException("Limits are switched off (RATELIMIT_ENABLED).")
    if not limiter.is_shared:
        raise click.ClickException(IN_MEMORY)
    return limiter


def _subjects(account: str | None, address: str | None) -> list[str]:
    """Return under what the counters of an account or an address are found."""
    if account is not None and address is not None:
        raise click.UsageError("Give an ACCOUNT or --address, not both.")
    if address is not None:
        parsed = address_of(address)
        if parsed is None:
            raise click.ClickException(f"{address} is no IP address.")
        return [subject_of_address(parsed)]
    user = queries.find_user(account or "")
    if user is None:
        raise click.ClickException("There is no such account.")
    return [subject_of_user(user.id), Attempt.of(user.username, user).subject]


def _rules() -> list[dict[str, object]]:
    is_on = setting("RATELIMIT_ENABLED")
    return [
        {"limit": name, "setting": setting_of(name), "for": whose, "amount": amount, "seconds": seconds, "is_on": is_on}
        for name, whose in LIMITS.items()
        for amount, seconds in setting(setting_of(name))
    ]


def _entry(standing: Standing) -> dict[str, object]:
    quota = standing.quota
    return {
        "limit": quota.limit,
        "amount": quota.amount,
        "seconds": quota.seconds,
        "used": standing.used,
        "remaining": standing.remaining,
        "reset_after": standing.reset_after,
    }


def _print(entries: Sequence[dict[str, object]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(entries, indent=2))
        return
    print_table([name.upper() for name in entries[0]], [list(each.values()) for each in entries])
