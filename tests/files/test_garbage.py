"""The daily clean-up: it mends what upkeep finds, and stops before it could delete what is only unknown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from nxfs.core import clock
from nxfs.core.jobs import queue
from nxfs.core.jobs.models import Job
from nxfs.extensions import db
from nxfs.files.service import garbage, upkeep
from nxfs.files.storage.selection import current_storage
from tests.files.conftest import keep, picture
from tests.jobs import run_due_jobs
from tests.pictures import stored_keys

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture(autouse=True)
def two_days_later() -> Iterator[None]:
    """The time: what the test stores has been there for long, as the storage tells it."""
    with time_machine.travel(clock.now() + timedelta(days=2)):
        yield


def stray(number: int = 0) -> str:
    """Store bytes that no row knows."""
    key = f"originals/ab/ab{number:030x}.jpg"
    source = current_storage().incoming() / "stray"
    source.write_bytes(b"x")
    current_storage().save(key, source)
    return key


def collect() -> tuple[str, Any, str | None]:
    """Run the job; return its state, its result and its error."""
    queue.enqueue_own("files.collect_garbage")
    assert run_due_jobs() == 1
    row = db.session.execute(select(Job.state, Job.result, Job.error)).one()
    db.session.rollback()
    return tuple(row)


def test_job_deletes_what_belongs_to_nothing_and_counts_it() -> None:
    file = keep(picture())
    key = stray()
    assert key in stored_keys()

    state, result, error = collect()

    assert (state, error) == ("succeeded", None)
    expected = dict.fromkeys(("unreferenced", "orphans", "leftovers", "waiting", "miscounted", "lost"), 0)
    assert result == expected | {"stray": 1, "too_young": 0}
    assert key not in stored_keys()
    assert current_storage().exists(f"originals/{file.name[:2]}/{file.name}")


def test_job_deletes_nothing_when_it_is_the_rows_that_are_missing(monkeypatch) -> None:
    monkeypatch.setattr(garbage, "MOST_STRAYS", 2)
    for number in range(3):
        stray(number)
    before = stored_keys()

    state, result, error = collect()

    assert (state, result) == ("failed", None)
    assert error is not None
    assert error.startswith("The database misses 3 stored files")
    assert stored_keys() == before


def test_progress_counts_what_was_looked_at_and_what_was_mended(monkeypatch) -> None:
    monkeypatch.setattr(upkeep, "ROWS_AT_ONCE", 2)
    for number in range(5):
        stray(number)
    told: list[tuple[int, int]] = []

    garbage.collect(lambda done, total: told.append((done, total)))

    assert told == [(2, 2), (4, 4), (5, 5), *((5 + count, 10) for count in range(1, 6))]
