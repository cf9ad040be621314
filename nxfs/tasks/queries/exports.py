"""Reads for exports of tasks: which ones, their rows, and the names of what they refer to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from nxfs.auth.queries import find_people
from nxfs.core import search_index
from nxfs.core.actor import Actor
from nxfs.core.jobs.models import Job
from nxfs.extensions import db
from nxfs.tasks.models import Category, Project, Task, TaskExport
from nxfs.tasks.queries import tasks
from nxfs.tasks.queries.visibility import sees_named_task, sees_project

# Addresses of pictures are signed, and would be dead in a file after an hour.
COLUMNS = tuple(column for column in tasks.COLUMNS if column.key != "images")


@dataclass(frozen=True)
class NamedTask:
    """A task's row (see ``COLUMNS``) with the names of what it refers to; an empty one for what there is not.

    The project of a task is named only to those who see the project.
    """

    row: Row[Any]
    categories: list[str]
    project: str
    user: str
    assignee: str


def list_ids(*, actor: Actor, filters: dict[str, Any]) -> list[int]:
    """Return the ids of all tasks of the list with ``filters`` (see ``TaskFilterSchema``), in its order.

    Others run meanwhile. Raises ``InvalidInputError`` as ``tasks.find_wanted`` does.
    """
    wanted = tasks.find_wanted(actor=actor, filters=filters)
    return search_index.fetch_ids(wanted.listing, wanted.keys, titles_first=wanted.titles_first)


def list_rows(actor: Actor, task_ids: Sequence[int]) -> list[Row[Any]]:
    """Return the rows of those of the tasks that ``actor`` still sees, in the order of the ids."""
    wanted = select(*COLUMNS).where(Task.id.in_(task_ids), sees_named_task(actor))
    rows = {row.id: row for row in db.session.execute(wanted)}
    return [rows[task_id] for task_id in task_ids if task_id in rows]


class Names:
    """The names of what tasks refer to, in ``language`` and as ``actor`` may know them; each is looked up once."""

    def __init__(self, actor: Actor, language: str) -> None:
        self._actor = actor
        self._is_norwegian = language == "no"
        self._categories: dict[int, str] = {}
        self._projects: dict[int, str] = {}
        self._people: dict[int, str] = {}

    def name(self, rows: Collection[Row[Any]]) -> list[NamedTask]:
        """Return the rows with names, in at most three statements."""
        self._learn_categories({each for row in rows for each in row.category} - self._categories.keys())
        self._learn_projects({row.project for row in rows} - self._projects.keys() - {None})
        people = {each for row in rows for each in (row.user_id, row.assignee_id)}
        self._learn_people(people - self._people.keys() - {None})
        return [
            NamedTask(
                row,
                # One that was created, and given to the task, since the others were looked up is known by now; one
                # that was deleted since is not.
                [self._categories[each] for each in row.category if each in self._categories],
                self._projects.get(row.project, ""),
                self._people.get(row.user_id, ""),
                self._people.get(row.assignee_id, ""),
            )
            for row in rows
        ]

    def _learn_categories(self, ids: Collection[int]) -> None:
        if ids:
            rows = db.session.execute(select(Category.id, Category.name, Category.name_nb).where(Category.id.in_(ids)))
            self._categories |= {row.id: self._in_language(row) for row in rows}

    def _learn_projects(self, ids: Collection[int]) -> None:
        if ids:
            columns = (Project.id, Project.name, Project.name_nb)
            rows = db.session.execute(select(*columns).where(Project.id.in_(ids), sees_project(self._actor)))
            self._projects |= dict.fromkeys(ids, "") | {row.id: self._in_language(row) for row in rows}

    def _learn_people(self, ids: Collection[int]) -> None:
        if ids:
            self._people |= {row.id: row.display_name or row.username for row in find_people(ids)}

    def _in_language(self, row: Row[Any]) -> str:
        return (row.name_nb if self._is_norwegian else "") or row.name


def count_kept(owner_id: int) -> int:
    """Return how many exports of this user are kept."""
    kept = select(func.count()).select_from(TaskExport).join(Job, Job.id == TaskExport.job_id)
    return db.session.scalar(kept.where(Job.owner_id == owner_id)) or 0


def list_ended(*, before: datetime, most: int) -> Sequence[Row[Any]]:
    """Return ``job_id`` and ``file_id`` of at most ``most`` exports whose jobs ended before this moment."""
    found = select(TaskExport.job_id, TaskExport.file_id).join(Job, Job.id == TaskExport.job_id)
    return db.session.execute(found.where(Job.finished_at < before).order_by(TaskExport.job_id).limit(most)).all()
