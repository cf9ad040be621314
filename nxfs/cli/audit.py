"""``flask audit``: what was done lately, whether the log is what it was, and taking it away."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TextIO

import click
from flask.cli import AppGroup

from nxfs.admin.queries import audit as queries
from nxfs.admin.schemas.audit import FORMATS, OUTCOMES, AuditEntrySchema
from nxfs.admin.service import audit as service
from nxfs.cli.output import print_table
from nxfs.core import audit_verification, clock
from nxfs.core.audit_chain import BrokenLink

HEADINGS = ("ID", "TIME", "ACTOR", "ACTION", "TARGET", "OUTCOME", "ADDRESS")
DAY = click.DateTime(formats=["%Y-%m-%d"])

audit = AppGroup("audit", help="Look at the audit log, verify it, export it.")


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    options = (
        click.option("--actor", help="Only what this user did: an id or a username."),
        click.option(
            "--action", multiple=True, help="Only this action, or all that begin with it: users. (repeatable)"
        ),
        click.option("--outcome", type=click.Choice(OUTCOMES), help="Only what ended so."),
        click.option("--since", type=DAY, help="Only from this day on, in UTC."),
        click.option("--until", type=DAY, help="Only up to this day, in UTC."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@audit.command("tail")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@_filtered
@click.option("--json", "is_json", is_flag=True, help="Print JSON, an object a line.")
def tail(limit: int, is_json: bool, **filters: Any) -> None:
    """Show the newest entries, the last one at the end."""
    wanted = {**_filters(**filters), "page": 1, "page_size": limit}
    found = list(reversed(queries.list_entries(filters=wanted, language="en").items))
    if is_json:
        for item in found:
            click.echo(json.dumps(AuditEntrySchema().dump(item), ensure_ascii=False))
        return
    if not found:
        click.echo("There are no such entries.")
        return
    print_table(HEADINGS, [_cells(entry) for entry in found])


@audit.command("verify")
@click.option("--since", type=DAY, help="Only from this day on, in UTC.")
@click.option("--until", type=DAY, help="Only up to this day, in UTC.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON instead.")
def verify(since: datetime | None, until: datetime | None, is_json: bool) -> None:
    """Compute every entry and link of the chain anew, those in the archive included.

    Ends with exit code 1 and names the first broken link when the log is not what it was. The head it prints stands for
    all of the last day: kept elsewhere, it tells later whether somebody computed the chain anew.
    """
    days = {"since": since.date() if since else None, "until": until.date() if until else None}
    # Not among what is printed: the bar is for people.
    hidden = sys.stderr
    with click.progressbar(length=audit_verification.count_entries(**days), label="Verifying", file=hidden) as bar:
        verdict = audit_verification.verify(**days, progress=bar.update)
    broken = verdict.broken
    if is_json:
        found = {"days": verdict.days, "entries": verdict.entries, "head": verdict.head, "broken": _as_json(broken)}
        click.echo(json.dumps(found))
    elif broken:
        click.echo(_in_words(broken))
    else:
        head = f" The head is {verdict.head}." if verdict.head else ""
        click.echo(f"{verdict.entries} entries of {verdict.days} days are what they were.{head}")
    if broken:
        click.get_current_context().exit(1)


@audit.command("export")
@_filtered
@click.option("--format", "format_name", type=click.Choice(FORMATS), default="jsonl", show_default=True)
@click.option("--output", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="A file; else printed.")
def export(format_name: str, output: TextIO, **filters: Any) -> None:
    """Write the entries into a file, the newest first. What the archive has is in files already."""
    lines = service.begin_export(actor_id=None, filters=_filters(**filters), format_name=format_name, language="en")
    for line in lines:
        output.write(line)


def _filters(
    *, actor: str | None, action: Sequence[str], outcome: str | None, since: datetime | None, until: datetime | None
) -> dict[str, Any]:
    given = {
        "actor": actor,
        "action": list(action) or None,
        "outcome": outcome,
        "since": since.replace(tzinfo=UTC) if since else None,
        # The day itself belongs to it.
        "until": until.replace(tzinfo=UTC) + timedelta(days=1) if until else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _in_words(broken: BrokenLink) -> str:
    place = [f"day {broken.day}"] if broken.day else []
    place += [f"position {broken.position}"] if broken.position is not None else []
    place += [f"entry {broken.entry_id}"] if broken.entry_id is not None else []
    return f"The chain is broken at {', '.join(place)}: {broken.sentence.en}"


def _as_json(broken: BrokenLink | None) -> dict[str, Any] | None:
    if broken is None:
        return None
    day = broken.day.isoformat() if isinstance(broken.day, date) else None
    return {"day": day, "position": broken.position, "id": broken.entry_id, "reason": broken.sentence.en}


def _cells(item: dict[str, Any]) -> tuple[str, ...]:
    actor, target = item["actor"], item["target"]
    return (
        str(item["id"]),
        clock.to_wire(item["occurred_at"].replace(microsecond=0)),
        (actor["username"] or str(actor["id"])) if actor else "-",
        item["action"],
        f"{target['type']}:{target['id']}" if target else "-",
        item["outcome"],
        item["address"] or "-",
    )
