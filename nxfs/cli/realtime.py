"""``flask realtime``: types and reference of the messages that clients get and send, from the schemas."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from nxfs.config import PROJECT_ROOT
from nxfs.core.openapi import api_document
from nxfs.realtime import documentation

PAGE = PROJECT_ROOT / "docs" / "realtime.md"

realtime = AppGroup("realtime", help="Types and reference of events and messages.")


@realtime.command("types")
def types() -> None:
    """Print the types of all events and messages as TypeScript.

    Write them to realtime.ts; the head of the file says how to make api.d.ts, which belongs beside it.
    """
    click.echo(documentation.types(), nl=False)


@realtime.command("docs")
@click.option("--check", is_flag=True, help="Write nothing; end with exit code 1 when the page is not up to date.")
def docs(check: bool) -> None:
    """Write the reference of all events and messages into docs/realtime.md."""
    page = PAGE.read_text(encoding="utf-8")
    try:
        wanted = documentation.replace_reference(page, documentation.reference(api_document()))
    except ValueError as error:
        raise click.ClickException(f"{PAGE.name}: {error}") from error
    if page == wanted:
        click.echo("docs/realtime.md is up to date.")
    elif check:
        raise click.ClickException("docs/realtime.md is not up to date; `flask realtime docs` writes it.")
    else:
        PAGE.write_text(wanted, encoding="utf-8")
        click.echo("Wrote docs/realtime.md.")
