"""Sends a thousand ids at once, the same one by one, and the same to Django REST Framework, and takes the time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from statistics import median
from typing import Any

from sqlalchemy import select, update

from bench.bulk_place import Pair
from bench.dataset import ADMIN_ID
from bench.measuring import KeptConnection, statements_of
from bench.place import Place
from nxfs.extensions import db
from nxfs.tasks.models import Task, task_categories

SEED = 11
UPDATE, DELETE = "/api/tasks/bulk-update/", "/api/tasks/bulk-delete/"
WARM_UP = 10
STATUSES = ("completed", "in_progress")
# Whoever gets all tasks of a batch; somebody of whom no other measurement speaks.
ASSIGNEE_ID = 4
ONLY_STATUS = "update: status"
ALL_FOUR = "update: status, priority, category, project"
WITH_ASSIGNEE = "update: the four, and assignee"
OWN = "update: the four, one's own tasks"
DELETION = "delete"


@dataclass(frozen=True)
class Scale:
    """How much is measured; ``ids`` are those of a request, the other server gets the first ``peer_rounds`` rounds."""

    tasks: int = 200_000
    ids: int = 1_000
    rounds: int = 10
    peer_rounds: int = 5
    singles: int = 1_000
    job_ids: int = 100_000
    quiet_seconds: float = 10


QUICK = Scale(tasks=20_000, rounds=2, peer_rounds=1, job_ids=5_000, quiet_seconds=3)


@dataclass(frozen=True)
class Series:
    """Requests of one kind: milliseconds from the client, and how many statements each took, if that is known."""

    name: str
    times: Sequence[float]
    statements: Sequence[int] = ()

    @property
    def median(self) -> float:
        """Return the median time."""
        return median(self.times)

    @property
    def worst(self) -> float:
        """Return the longest time."""
        return max(self.times)


@dataclass(frozen=True)
class RequestResults:
    """All series by their names; ``singles`` is the time of all single requests together; ``wrong`` are sentences."""

    ours: dict[str, Series]
    peer: dict[str, Series]
    singles: float
    single_statements: int
    wrong: Sequence[str]


class Deck:
    """Ids of tasks in an order of chance, each dealt once."""

    def __init__(self, tasks: int) -> None:
        self._ids = iter(Random(SEED).sample(range(1, tasks + 1), tasks))

    def deal(self, count: int) -> list[int]:
        """Return ``count`` more ids; raise ValueError when there are not so many left."""
        ids = list(islice(self._ids, count))
        if len(ids) < count:
            raise ValueError("The data set has too few tasks.")
        return ids


def measure(pair: Pair, scale: Scale, deck: Deck) -> RequestResults:
    """Measure every series, both servers in turn; changes and deletes tasks of ``deck``."""
    ours = KeptConnection(pair.ours.server.port, pair.ours.headers["admin"])
    peer = KeptConnection(pair.peer.port, pair.peer.headers)
    mine: dict[str, Series] = {}
    others: dict[str, Series] = {}
    wrong: list[str] = []
    for name in (ONLY_STATUS, ALL_FOUR, OWN, WITH_ASSIGNEE, DELETION):
        is_compared = name in (ALL_FOUR, DELETION)
        _send(ours, name, 0, deck.deal(WARM_UP))
        if is_compared:
            _send(peer, name, 0, deck.deal(WARM_UP))
        rounds, peer_times = [], []
        for number in range(scale.rounds):
            ids = deck.deal(scale.ids)
            if name == OWN:
                _make_own(pair.ours, ids)
            rounds.append(_send(ours, name, number, ids))
            wrong += _find_wrong(pair.ours, name, number, ids)
            if is_compared and number < scale.peer_rounds:
                peer_times.append(_send(peer, name, number, ids)[0])
        times, statements = zip(*rounds, strict=True)
        mine[name] = Series(name, times, statements)
        if is_compared:
            others[name] = Series(name, peer_times)
        print(f"  measured {name}", flush=True)
    singles, single_statements = _send_singly(ours, deck.deal(scale.singles))
    ours.close()
    peer.close()
    return RequestResults(mine, others, singles, single_statements, wrong)


def values_of(name: str, number: int) -> dict[str, Any]:
    """Return what the tasks of the ``number``-th round of the series get."""
    status = STATUSES[number % len(STATUSES)]
    if name == ONLY_STATUS:
        return {"status": status}
    # Rare ones, so that hardly a task has them already.
    values: dict[str, Any] = {"status": status, "priority": "high", "category": [20, 30 + number % 10], "project": 150}
    return values | {"assignee_id": ASSIGNEE_ID} if name == WITH_ASSIGNEE else values


def _make_own(here: Place, ids: Sequence[int]) -> None:
    """Make the tasks those of who sends the batch: nobody else has to be notified, as of others' tasks."""
    own = update(Task).where(Task.id.in_(ids)).values(user_id=ADMIN_ID, assignee_id=None)
    with here.app.app_context():
        db.session.execute(own.execution_options(synchronize_session=False))
        db.session.commit()
        db.session.remove()


def _send(connection: KeptConnection, name: str, number: int, ids: Sequence[int]) -> tuple[float, int]:
    """Send a batch; return its time and its number of statements, 0 when the server does not say."""
    path, values, counted = UPDATE, {"task_ids": ids, "updates": values_of(name, number)}, "updated_count"
    if name == DELETION:
        path, values, counted = DELETE, {"task_ids": ids}, "deleted_count"
    response, content, milliseconds = connection.send("POST", path, values)
    if response.status != 200 or json.loads(content)[counted] != len(ids):
        raise RuntimeError(f"POST {path} answered {response.status}: {content[:300]!r}")
    return milliseconds, statements_of(response) if "X-DB-Queries" in response.headers else 0


def _send_singly(connection: KeptConnection, ids: Sequence[int]) -> tuple[float, int]:
    """Send what one batch would do as one request for each task; return the time of all and the most statements."""
    total, most_statements = 0.0, 0
    for task_id in ids:
        response, content, milliseconds = connection.send("PATCH", f"/api/tasks/{task_id}/", values_of(ALL_FOUR, 0))
        if response.status != 200:
            raise RuntimeError(f"PATCH answered {response.status}: {content[:300]!r}")
        total += milliseconds
        most_statements = max(most_statements, statements_of(response))
    return total, most_statements


def _find_wrong(here: Place, name: str, number: int, ids: Sequence[int]) -> Iterator[str]:
    """Find tasks that are not as the batch must have left them: what does nothing would pass as fast."""
    columns = {"status": Task.status, "priority": Task.priority, "project": Task.project_id}
    columns["assignee_id"] = Task.assignee_id
    wanted = {} if name == DELETION else values_of(name, number)
    category_ids = wanted.pop("category", None)
    with here.app.app_context():
        rows = db.session.execute(select(*(columns[each] for each in wanted), Task.id).where(Task.id.in_(ids))).all()
        links = db.session.execute(select(task_categories).where(task_categories.c.task_id.in_(ids))).all()
        db.session.remove()
    if len(rows) != (0 if name == DELETION else len(ids)):
        yield f"{name}: {len(rows)} tasks are there after the batch"
    wrong = sum(tuple(row[:-1]) != tuple(wanted.values()) for row in rows)
    if wrong:
        yield f"{name}: {wrong} tasks have other values"
    if category_ids and {tuple(link) for link in links} != {(task, each) for task in ids for each in category_ids}:
        yield f"{name}: tasks have other categories"
