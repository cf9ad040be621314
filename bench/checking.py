"""Whether the measured lists hold what they must: a list that wrongly is empty would pass as a fast one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Select, func, select

from bench.dataset import COMMON_CATEGORY_ID
from bench.measuring import Measurement
from bench.place import Place
from nxfs.extensions import db
from nxfs.tasks.models import Task, task_categories


def find_wrong_counts(place: Place, measurements: Sequence[Measurement]) -> list[str]:
    """Return a sentence for each list whose count is not that of the stored rows."""
    counts = {(each.case.role, each.case.name): each.count for each in measurements}
    with place.app.app_context():
        expected = {name: db.session.scalar(statement) for name, statement in _statements().items()}
        db.session.remove()
    # The texts have the commonest word in two tasks of every four.
    expected["search commonest"] = sum(number % 4 < 2 for number in range(1, expected["no filter"] + 1))
    return [*_differences(counts, expected), *_empty(counts)]


def _differences(counts: dict[tuple[str, str], int], expected: dict[str, int]) -> Iterator[str]:
    for name, count in expected.items():
        if counts["admin", name] != count:
            yield f"{name}: {counts['admin', name]} instead of {count}"


def _empty(counts: dict[tuple[str, str], int]) -> Iterator[str]:
    for (role, name), count in counts.items():
        if name in ("no filter", "status", "search commonest") and not count:
            yield f"{name} as {role}: nothing"


def _statements() -> dict[str, Select[tuple[int]]]:
    tasks = select(func.count()).select_from(Task)
    links = select(func.count()).select_from(task_categories)
    return {
        "no filter": tasks,
        "status": tasks.where(Task.status == "todo"),
        "completed": tasks.where(Task.status == "completed"),
        "assignee none": tasks.where(Task.assignee_id.is_(None)),
        "project none": tasks.where(Task.project_id.is_(None)),
        "category common": links.where(task_categories.c.category_id == COMMON_CATEGORY_ID),
    }
