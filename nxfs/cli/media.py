"""``flask media``: whether the stored files and the database agree, and mending it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from flask.cli import AppGroup

from nxfs.auth import queries as accounts_queries
from nxfs.blog.queries import media as media_queries
from nxfs.blog.service import media as library
from nxfs.core.errors import APIError
from nxfs.files.service import upkeep
from nxfs.files.service.upkeep import Findings
from nxfs.files.storage.interface import StorageError

GRACE = click.option(
    "--grace",
    type=click.IntRange(0, 86_400),
    default=upkeep.GRACE_SECONDS,
    show_default=True,
    help="Leave alone what is younger than so many seconds: its upload may be under way.",
)
MOST_SHOWN = 20

media = AppGroup("media", help="Check the stored files, and clean up.")


@media.command("verify")
@GRACE
def verify(grace: int) -> None:
    """Compare the stored files with the database.

    Ends with exit code 1 when they do not agree, 2 when the storage cannot be read.
    """
    findings = _verify(grace)
    _show(findings)
    if not findings.is_clean():
        click.get_current_context().exit(1)


@media.command("gc")
@GRACE
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option(
    "--forget-lost",
    is_flag=True,
    help="Also delete the rows of files whose bytes are gone, and every reference to them.",
)
def collect_garbage(grace: int, dry_run: bool, forget_lost: bool) -> None:
    """Delete what belongs to nothing: files without rows, rows that nothing refers to, interrupted uploads.

    Deletions that failed are tried again, and each user's used space is counted anew. Rows whose files are lost are
    kept unless --forget-lost is given: the storage may just be away. Exit codes as for `flask media verify`.
    """
    findings = _verify(grace)
    _show(findings)
    if dry_run:
        return
    with _reachable_storage():
        mended = (findings.leftovers, findings.stray_keys, findings.unreferenced, findings.orphans, findings.waiting)
        total = sum(map(len, mended)) + len(findings.miscounted)
        with click.progressbar(length=total, label="Cleaning up") as bar:
            upkeep.mend(findings, progress=bar.update)
    if findings.lost and forget_lost:
        click.echo(f"Forgot {_forget(findings.lost)} lost files.")
    elif findings.lost:
        click.echo("The rows of lost files were kept; --forget-lost deletes them.")
        click.get_current_context().exit(1)


def _verify(grace: int) -> Findings:
    with _reachable_storage(), click.progressbar(length=upkeep.count_files(), label="Reading the storage") as bar:
        return upkeep.verify(grace_seconds=grace, progress=bar.update)


def _forget(names: list[str]) -> int:
    """Delete lost files, those of the library with all references in posts, and return how many that were."""
    entries = media_queries.find_media_by_names(names)
    for entry in entries:
        uploader = accounts_queries.actor_of(accounts_queries.get_user(entry.uploaded_by))
        library.delete_media(actor=uploader, media_id=entry.id)
    return len(entries) + upkeep.forget_lost(names)


def _show(findings: Findings) -> None:
    parts: tuple[tuple[str, list[str]], ...] = (
        ("stored files without a row", findings.stray_keys),
        ("rows whose file is lost", findings.lost),
        ("rows that nothing refers to", [str(identifier) for identifier in findings.unreferenced]),
        ("contents of derivatives that no file has", findings.orphans),
        ("interrupted uploads", [path.name for path in findings.leftovers]),
        ("deletions to be tried again", findings.waiting),
        ("users whose used space is miscounted", [str(identifier) for identifier in findings.miscounted]),
    )
    for name, items in parts:
        click.echo(f"{len(items):>8}  {name}")
        for item in items[:MOST_SHOWN]:
            click.echo(f"          {item}")
        if len(items) > MOST_SHOWN:
            click.echo(f"          and {len(items) - MOST_SHOWN} more")
    if findings.too_young:
        click.echo(f"{findings.too_young:>8}  not judged, younger than --grace")


@contextmanager
def _reachable_storage() -> Iterator[None]:
    try:
        yield
    except (StorageError, APIError) as error:
        failure = click.ClickException(f"The storage cannot be used: {error.__cause__ or error}")
        failure.exit_code = 2
        raise failure from error
