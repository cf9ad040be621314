"""Tasks, projects and categories, made as their services make them."""

from __future__ import annotations

from datetime import date
from itertools import count
from typing import Any

from sqlalchemy import insert, select

from nxfs.auth.models import User
from nxfs.auth.queries import actor_of
from nxfs.core import clock
from nxfs.core.transaction import transaction
from nxfs.tasks.models import Category, Task, task_categories
from nxfs.tasks.service import categories, projects, tasks

LONG_AGO = date(2020, 1, 1)

_numbers = count(1)


def create_task(owner: User, *, done: bool = False, overdue: bool = False, **values: Any) -> int:
    """Create a task of ``owner`` and return its id; ``values`` are fields of the wire, ``category`` a list of ids."""
    traits: dict[str, Any] = {"status": "completed"} if done else {}
    traits |= {"due_date": LONG_AGO} if overdue else {}
    defaults = {"title": f"Task {next(_numbers)}", "status": "todo"}
    return tasks.create_task(actor=actor_of(owner), values={**defaults, **traits, **values})


def create_many_tasks(owner: User, count: int, *, category: tuple[int, ...] = (), **columns: Any) -> list[int]:
    """Create ``count`` tasks of ``owner`` in one statement, without telling anybody, and return their ids."""
    moment = clock.now()
    row = {"user_id": owner.id, "title": "Many", "title_key": "many", "search_title": "many", "version": 1}
    row |= {"created_at": moment, "updated_at": moment, **columns}
    with transaction() as tx:
        ids = list(tx.session.scalars(insert(Task).returning(Task.id), [dict(row) for _ in range(count)]))
        if category:
            # In one statement, as triggers look at each by itself.
            pairs = select(Task.id, Category.id).join(Category, Category.id.in_(category)).where(Task.id.in_(ids))
            tx.session.execute(insert(task_categories).from_select(["task_id", "category_id"], pairs))
    return ids


def create_project(owner: User, *, members: tuple[User, ...] = (), done: bool = False, **values: Any) -> int:
    """Create a project of ``owner`` with ``members`` and return its id."""
    defaults = {"name": f"Project {next(_numbers)}", "status": "completed" if done else "todo"}
    project_id = projects.create_project(actor=actor_of(owner), values={**defaults, **values})
    for member in members:
        add_member(project_id, member, owner=owner)
    return project_id


def add_member(project_id: int, user: User, *, owner: User) -> None:
    """Make ``user`` a member of the project of ``owner``."""
    projects.add_member(actor=actor_of(owner), project_id=project_id, user_id=user.id)


def create_category(creator: User, **values: Any) -> int:
    """Create a category and return its id."""
    return categories.create_category(actor=actor_of(creator), values={"name": f"Category {next(_numbers)}", **values})
