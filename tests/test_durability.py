"""Acknowledged writes survive kill -9 of the server, and the check of that notices when they do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from bench import kill, remains
from bench.kill import Ordeal
from nxfs.extensions import db
from tests import services

ROUNDS = 3
A_TASK = "(SELECT max(tasks.id) FROM tasks JOIN task_categories ON task_id = tasks.id WHERE version > 1)"
LAST_EVENT = "(SELECT max(id) FROM events WHERE type = 'task_updated')"
LAST_ENTRY = "(SELECT max(id) FROM audit_entries WHERE action = 'tasks.task_updated')"


@pytest.fixture(scope="module")
def ordeal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordeal]:
    """A server that was killed during writes and started again, three times."""
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
