"""Mentions in the notes of tasks: ``@username``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlalchemy import or_, select

from nxfs.auth.models import User
from nxfs.auth.queries import comparable
from nxfs.extensions import db
from nxfs.tasks.models import Project, ProjectMember, Task

MOST_MENTIONS = 20
# Neither a part of an address (kari@example.com, @kari@example.com) nor of a longer word.
_MENTION = re.compile(r"(?<![\w.+@-])@([A-Za-z0-9_-]{3,30})(?![\w@-])")


def names_in(notes: str) -> list[str]:
    """Return the names that ``notes`` mention, as ``username_key`` has them, each once."""
    return list(dict.fromkeys(comparable(name) for name in _MENTION.findall(notes)))


def find_mentioned(task: Task, *, former_notes: str) -> Sequence[int]:
    """Return the ids of the users whom the notes of ``task`` mention, the former ones did not, and who see the task.

    The first ``MOST_MENTIONS`` names count. Without a new one nothing is asked of the database.
    """
    former = set(names_in(former_notes))
    names = [name for name in names_in(task.notes)[:MOST_MENTIONS] if name not in former]
    if not names:
        return []
    members = select(ProjectMember.user_id).where(ProjectMember.project_id == task.project_id)
    owner = select(Project.user_id).where(Project.id == task.project_id)
    sees_it = or_(
        User.role == "admin",
        User.id.in_([user_id for user_id in (task.user_id, task.assignee_id) if user_id is not None]),
        User.id.in_(members),
        User.id.in_(owner),
    )
    return db.session.scalars(select(User.id).where(User.username_key.in_(names), sees_it)).all()
