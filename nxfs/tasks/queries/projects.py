"""Reads of projects: one, the filtered list, members and figures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, String, case, cast, exists, func, select, union_all

from nxfs.auth.models import User
from nxfs.core import search
from nxfs.core.actor import Actor
from nxfs.core.database import IdentifierList
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db
from nxfs.tasks.errors import MemberNotFoundError, ProjectNotFoundError
from nxfs.tasks.models import Project, ProjectMember, Task
from nxfs.tasks.queries.images import OF_PROJECTS, images_column
from nxfs.tasks.queries.visibility import sees_project

DEFAULT_ORDERING = [("created_at", True)]

_task_ids = (
    select(func.aggregate_strings(cast(Task.id, String), ",")).where(Task.project_id == Project.id).scalar_subquery()
)
_has_tasks = exists().where(Task.project_id == Project.id)

COLUMNS = (
    Project.id,
    Project.version,
    Project.user_id,
    Project.name,
    Project.name_nb,
    Project.slug,
    Project.description,
    Project.description_nb,
    Project.status,
    Project.completed_at,
    Project.created_at,
    Project.updated_at,
    db.type_coerce(_task_ids, IdentifierList).label("tasks"),
    images_column(OF_PROJECTS),
)


def get_project(*, actor: Actor, project_id: int) -> Row[Any]:
    """Return the project; raise ``ProjectNotFoundError`` when there is none or ``actor`` may not see it."""
    row = db.session.execute(select(*COLUMNS).where(Project.id == project_id, sees_project(actor))).one_or_none()
    if row is None:
        raise ProjectNotFoundError
    return row


def find_projects(project_ids: Iterable[int]) -> dict[int, Row[Any]]:
    """Return those of the projects that exist, by id, for delivery: who sees which is for the caller to ask."""
    rows = db.session.execute(select(*COLUMNS).where(Project.id.in_(project_ids)))
    return {row.id: row for row in rows}


def find_people(project_ids: Iterable[int]) -> dict[int, frozenset[int]]:
    """Return the ids of owner and members of those of the projects that exist, by the project's id."""
    wanted = list(project_ids)
    owners = select(Project.id, Project.user_id).where(Project.id.in_(wanted))
    members = select(ProjectMember.project_id, ProjectMember.user_id).where(ProjectMember.project_id.in_(wanted))
    people: dict[int, set[int]] = {}
    for project_id, user_id in db.session.execute(union_all(owners, members)):
        people.setdefault(project_id, set()).add(user_id)
    return {project_id: frozenset(user_ids) for project_id, user_ids in people.items()}


def list_projects(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of the projects that ``actor`` sees and that pass all ``filters`` (see ``ProjectQuerySchema``)."""
    conditions = [sees_project(actor), *_conditions(filters)]
    rows = select(*COLUMNS).where(*conditions).order_by(*_ordering(filters))
    counted = select(Project.id).where(*conditions)
    return fetch_page(rows, counted=counted, page=filters["page"], page_size=filters["page_size"])


def list_members(*, actor: Actor, project_id: int, filters: dict[str, Any]) -> Page:
    """Return a page of the project's people: its owner and its members, by when they came."""
    owner_id = get_project_owner(actor=actor, project_id=project_id)
    rows = _select_people(project_id).where(ProjectMember.user_id.is_not(None) | (User.id == owner_id))
    rows = rows.order_by(ProjectMember.added_at.asc().nulls_first(), User.id)
    return fetch_page(rows, page=filters["page"], page_size=filters["page_size"])


def get_member(*, project_id: int, user_id: int) -> Row[Any]:
    """Return one person of the project as ``list_members`` does; raise ``MemberNotFoundError`` when it has no such."""
    rows = _select_people(project_id).where(User.id == user_id, ProjectMember.user_id.is_not(None))
    row = db.session.execute(rows).one_or_none()
    if row is None:
        raise MemberNotFoundError
    return row


def _select_people(project_id: int) -> Select[Any]:
    membership = (ProjectMember.user_id == User.id) & (ProjectMember.project_id == project_id)
    role = case((ProjectMember.user_id.is_(None), "owner"), else_="member").label("role")
    columns = (User.id.label("user_id"), User.username, User.display_name, ProjectMember.added_at, role)
    return select(*columns).select_from(User).outerjoin(ProjectMember, membership)


def get_project_owner(*, actor: Actor, project_id: int) -> int:
    """Return the id of the project's owner; raise ``ProjectNotFoundError`` as ``get_project`` does."""
    owner_id = db.session.scalar(select(Project.user_id).where(Project.id == project_id, sees_project(actor)))
    if owner_id is None:
        raise ProjectNotFoundError
    return owner_id


def get_statistics(*, actor: Actor, project_id: int) -> dict[str, Any]:
    """Return how many tasks the project has by status, and the share of completed ones in percent."""
    get_project_owner(actor=actor, project_id=project_id)
    counted = select(Task.status, func.count()).where(Task.project_id == project_id).group_by(Task.status)
    by_status = dict(db.session.execute(counted).all())
    total = sum(by_status.values())
    completed = by_status.get("completed", 0)
    return {
        "total_tasks": total,
        "completed_tasks": completed,
        "in_progress_tasks": by_status.get("in_progress", 0),
        "todo_tasks": by_status.get("todo", 0),
        "completion_percentage": round(100 * completed / total, 1) if total else 0.0,
    }


def _conditions(filters: dict[str, Any]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if "status" in filters:
        conditions.append(Project.status.in_(filters["status"]))
    if "completed" in filters:
        is_completed = Project.status == "completed"
        conditions.append(is_completed if filters["completed"] else Project.status.in_(("todo", "in_progress")))
    if "user_id" in filters:
        conditions.append(Project.user_id == filters["user_id"])
    if "has_tasks" in filters:
        conditions.append(_has_tasks if filters["has_tasks"] else ~_has_tasks)
    if "search" in filters:
        conditions.append(search.has_words(Project.search_document, search.words_of(filters["search"])))
    return conditions


def _ordering(filters: dict[str, Any]) -> list[ColumnElement[Any]]:
    names = filters.get("ordering") or DEFAULT_ORDERING
    columns = {"name": Project.name_key}
    ordering = []
    for name, is_descending in names:
        column = columns.get(name, getattr(Project, name))
        ordering.append(column.desc() if is_descending else column.asc())
    return [*ordering, Project.id.desc() if names[-1][1] else Project.id.asc()]
