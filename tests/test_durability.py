"""Acknowledged writes survive kill -9 of the server, batches are done as a whole and once; the checks notice damage."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from bench import bulk_remains, kill, kill_bulk, remains
from bench.kill import Ordeal
from bench.kill_bulk import Ordeal as BulkOrdeal
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests import services

ROUNDS = 3
A_TASK = "(SELECT max(tasks.id) FROM tasks JOIN task_categories ON task_id = tasks.id WHERE version > 1)"
LAST_EVENT = "(SELECT max(id) FROM events WHERE type = 'task_updated')"
LAST_ENTRY = "(SELECT max(id) FROM audit_entries WHERE action = 'tasks.task_updated')"
SOME_TASKS = "(SELECT id FROM tasks WHERE version > 1 ORDER BY id LIMIT 50)"
LAST_BULK_EVENT = "(SELECT max(id) FROM events WHERE type = 'tasks_bulk_updated')"
LAST_BULK_ENTRY = "(SELECT max(id) FROM audit_entries WHERE action = 'tasks.tasks_bulk_updated')"
LAST_JOB = "(SELECT max(id) FROM jobs WHERE kind = 'tasks.bulk_update')"
OTHER_RESULT = """'{"updated_count": 1, "failed_updates": []}'"""


@pytest.fixture(scope="module")
def ordeal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordeal]:
    """A server that was killed during writes and started again, three times."""
    if services.chosen_engine() != "sqlite":
        pytest.skip(
            "Single writes are killed beside SQLite, batches beside PostgreSQL; python -m bench.kill does both."
        )
    directory = tmp_path_factory.mktemp("kill")
    with kill.begin(services.chosen_engine(), directory, seed=7) as ordeal:
        for _ in range(ROUNDS):
            ordeal.run_round()
        yield ordeal


def test_kill_loses_no_acknowledged_write_and_leaves_no_half(ordeal: Ordeal) -> None:
    assert ordeal.report.problems == []
    assert ordeal.report.lost == 0
    assert ordeal.report.rounds == ROUNDS
    assert ordeal.report.acknowledged >= ROUNDS
    assert ordeal.report.in_flight >= ROUNDS


@pytest.mark.parametrize(
    ("damage", "sentences"),
    [
        (f"DELETE FROM events WHERE id = {LAST_EVENT}", ["and other audit entries"]),
        (f"DELETE FROM audit_entries WHERE id = {LAST_ENTRY}", ["and other audit entries", "Lost: task_updated"]),
        (f"UPDATE tasks SET title = 'Old' WHERE id = {A_TASK}", ["its audit entries tell", "was acknowledged"]),
        (f"UPDATE tasks SET version = 77 WHERE id = {A_TASK}", ["has version 77"]),
        (f"DELETE FROM task_categories WHERE task_id = {A_TASK}", ["has the category '[]'"]),
        (f"DELETE FROM tasks WHERE id = {A_TASK}", ["is missing with the events", "against what was acknowledged"]),
    ],
)
def test_check_notices_damage(ordeal: Ordeal, damage: str, sentences: list[str]) -> None:
    with ordeal.app.app_context():
        db.session.execute(text(damage))
        found = ordeal.judge(remains.read())
        db.session.rollback()
        assert ordeal.judge(remains.read()) == []
    assert [sentence for sentence in sentences if not any(sentence in problem for problem in found)] == []


@pytest.fixture(scope="module")
def bulk_ordeal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BulkOrdeal]:
    """A server that was killed during bulk updates and jobs and started again, three times."""
    if services.chosen_engine() != "postgresql":
        pytest.skip("Batches are killed beside PostgreSQL, single writes beside SQLite; bench.kill_bulk does both.")
    directory = tmp_path_factory.mktemp("kill_bulk")
    with kill_bulk.begin(services.chosen_engine(), directory, kill_bulk.SHORT, seed=7) as ordeal:
        for _ in range(ROUNDS):
            ordeal.run_round(wait_for_lease=False)
        yield ordeal


def test_kill_leaves_no_half_batch_and_does_nothing_twice(bulk_ordeal: BulkOrdeal) -> None:
    assert bulk_ordeal.report.problems == []
    assert bulk_ordeal.report.rounds == ROUNDS
    assert bulk_ordeal.report.answered >= ROUNDS
    assert bulk_ordeal.report.in_flight >= ROUNDS


@pytest.mark.parametrize(
    ("damage", "sentences"),
    [
        (f"DELETE FROM events WHERE id = {LAST_BULK_EVENT}", ["in the event log"]),
        (f"DELETE FROM audit_entries WHERE id = {LAST_BULK_ENTRY}", ["in the event log", "Lost: batch"]),
        (f"UPDATE tasks SET due_date = NULL WHERE id IN {SOME_TASKS}", ["have the due_date None instead of"]),
        (f"UPDATE tasks SET version = version + 1 WHERE id IN {SOME_TASKS}", ["have the version"]),
        (f"DELETE FROM task_categories WHERE task_id = {A_TASK}", ["have the category [] instead of"]),
        (
            f"UPDATE jobs SET done = done - 1 WHERE id = {LAST_JOB}",
            ["is at 1499, and has changed 1500", "1499 of 1500"],
        ),
        (f"UPDATE jobs SET state = 'failed' WHERE id = {LAST_JOB}", ["is failed with 1500 of 1500"]),
        (f"UPDATE jobs SET result = {OTHER_RESULT} WHERE id = {LAST_JOB}", ["has the result {'updated_count': 1,"]),
        (f"DELETE FROM jobs WHERE id = {LAST_JOB}", ["There are 2 jobs, and 3 were queued"]),
    ],
)
def test_check_of_batches_notices_damage(bulk_ordeal: BulkOrdeal, damage: str, sentences: list[str]) -> None:
    with bulk_ordeal.app.app_context():
        db.session.execute(text(damage))
        found = bulk_ordeal.judge(bulk_remains.read())
        db.session.rollback()
        assert bulk_ordeal.judge(bulk_remains.read()) == []
        db.session.rollback()
    assert [sentence for sentence in sentences if not any(sentence in problem for problem in found)] == []


def test_check_of_batches_notices_an_answer_that_was_not_kept(bulk_ordeal: BulkOrdeal) -> None:
    # Not a job, which would have another id the second time.
    batch = [batch for batch in bulk_ordeal.batches if not batch.is_job][-1]
    with bulk_ordeal.app.app_context(), transaction() as tx:
        tx.session.execute(text("DELETE FROM idempotency_records"))
    assert ["is done again" in problem for problem in bulk_ordeal.send_again(batch, was_done=True)] == [True]
    assert list(bulk_ordeal.send_again(batch, was_done=True)) == []
