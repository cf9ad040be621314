"""What commands print: tables, JSON, and what is wrong as sentences."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from marshmallow import ValidationError

from nxfs.core import clock
from nxfs.core.api.parser import flatten
from nxfs.core.errors import APIError, FieldErrors
from nxfs.core.messages import translate

AS_JSON = click.option("--json", "is_json", is_flag=True, help="Print JSON, an object a line.")
SURE = click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")


def text(value: Any) -> str:
    """Return ``value`` as a cell of a table, of which nothing moves the terminal's cursor or begins a line."""
    if value in (None, "", []):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return clock.to_wire(value.replace(microsecond=0))
    written = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in written)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows of values under their headings, each column as wide as it has to be."""
    lines = [tuple(headings), *(tuple(map(text, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def print_fields(values: Mapping[str, Any]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, values))
    for name, value in values.items():
        click.echo(f"{name:{width}}  {text(value)}")


def print_json(value: Any) -> None:
    """Print ``value`` as one line."""
    click.echo(json.dumps(value, ensure_ascii=False))


def require_sure(question: str, *, is_sure: bool) -> None:
    """Ask ``question`` unless it was answered beforehand; everything but a yes ends the command with exit code 1."""
    if not is_sure:
        click.confirm(question, abort=True)


@contextmanager
def sentences() -> Iterator[None]:
    """Show what is wrong as sentences, and end with exit code 1."""
    try:
        yield
    except ValidationError as error:
        raise click.ClickException(_joined(flatten(error.messages))) from error
    except APIError as error:
        raise click.ClickException(_joined(error.field_errors) or error.message.en) from error


def _joined(field_errors: FieldErrors | None) -> str:
    by_field = (field_errors or {}).items()
    return "\n".join(f"{name}: {translate(each, 'en')}" for name, found in by_field for each in found)
