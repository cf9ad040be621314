"""The data set: the same rows for the same size and day, skewed as real data are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

from bench import texts
from nxfs.core import clock, search
from nxfs.core.names import name_key
from nxfs.core.slugs import slug_of
from nxfs.tasks.models import PRIORITIES, STATUSES

SEED = 20_260_131
Row = dict[str, Any]

# Users of whom the measurements speak.
ADMIN_ID, HEAVY_ID, ORDINARY_ID = 1, 2, 3
# On every second task.
COMMON_CATEGORY_ID = 1


@dataclass(frozen=True)
class Size:
    """How many rows there are."""

    tasks: int = 200_000
    users: int = 5_000
    projects: int = 200
    categories: int = 40


class Dataset:
    """Rows of every table, as dictionaries of column values."""

    def __init__(self, size: Size, password_hash: str) -> None:
        self.size = size
        self._password_hash = password_hash
        midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        self._today = midnight
        self._began = midnight - timedelta(days=3 * 365)

    def users(self) -> Iterator[Row]:
        """Yield the users: the first is an admin."""
        for number in range(1, self.size.users + 1):
            name = f"user{number}"
            yield {
                "id": number,
                "email": f"{name}@example.com",
                "email_key": f"{name}@example.com",
                "username": name,
                "username_key": name,
                "password_hash": self._password_hash,
                "role": "admin" if number == ADMIN_ID else "user",
                "display_name": f"Bruker {number}",
                "date_joined": self._began,
                "created_at": self._began,
                "updated_at": self._began,
            }

    def categories(self) -> Iterator[Row]:
        """Yield the categories."""
        for number in range(1, self.size.categories + 1):
            name = f"Kategori {number}"
            yield {
                "id": number,
                "name": name,
                "name_key": name_key(name),
                "slug": slug_of(name),
                "created_by": ADMIN_ID,
                "search_document": search.document_of(name),
                "created_at": self._began,
                "updated_at": self._began,
            }

    def projects(self) -> Iterator[Row]:
        """Yield the projects; the first ones are the largest."""
        for number in range(1, self.size.projects + 1):
            name = f"Prosjekt {number}"
            yield {
                "id": number,
                "user_id": number + 100,
                "name": name,
                "name_key": name_key(name),
                "slug": slug_of(name),
                "search_document": search.document_of(name),
                "created_at": self._began,
                "updated_at": self._began,
            }

    def members(self) -> Iterator[Row]:
        """Yield the memberships: one user is in the larger half of the projects, another in four of the middle."""
        random = Random(SEED)
        middle = self.size.projects // 2
        for project_id in range(1, self.size.projects + 1):
            count = min(self.size.users - 400, random.randint(5, 60))
            user_ids = set(random.sample(range(400, self.size.users + 1), count))
            if project_id <= self.size.projects // 10:
                user_ids.add(HEAVY_ID)
            if middle <= project_id < middle + 4:
                user_ids.add(ORDINARY_ID)
            for user_id in sorted(user_ids):
                yield {"project_id": project_id, "user_id": user_id, "added_at": self._began}

    def tasks(self) -> Iterator[Row]:
        """Yield the tasks in the order in which they were created."""
        random = Random(SEED + 1)
        project_ids = range(1, self.size.projects + 1)
        shares = [1 / (number + 10) for number in project_ids]
        chosen = random.choices(project_ids, shares, k=self.size.tasks)
        pause = (self._today - self._began) / self.size.tasks
        for number in range(1, self.size.tasks + 1):
            created_at = self._began + number * pause
            project_id = chosen[number - 1] if random.random() < 0.7 else None
            yield self._task(random, number, created_at, project_id)

    def links(self) -> Iterator[Row]:
        """Yield which tasks are in which categories: every second in the first one, others in up to two more."""
        random = Random(SEED + 2)
        others = range(2, self.size.categories + 1)
        shares = [1 / number for number in others]
        for task_id in range(1, self.size.tasks + 1):
            category_ids = set(random.choices(others, shares, k=random.randint(0, 2)))
            if random.random() < 0.5:
                category_ids.add(COMMON_CATEGORY_ID)
            for category_id in sorted(category_ids):
                yield {"task_id": task_id, "category_id": category_id}

    def _task(self, random: Random, number: int, created_at: datetime, project_id: int | None) -> Row:
        status = random.choices(STATUSES, (45, 20, 35))[0]
        updated_at = min(created_at + timedelta(hours=random.expovariate(1 / 200)), self._today.astimezone(UTC))
        due_date = (self._today + timedelta(days=random.randint(-400, 400))).date() if random.random() < 0.7 else None
        return {
            "id": number,
            "user_id": random.randint(1, self.size.users),
            "assignee_id": random.randint(1, self.size.users) if random.random() < 0.6 else None,
            "project_id": project_id,
            "status": status,
            "completed_at": updated_at if status == "completed" else None,
            "priority": random.choices(PRIORITIES, (25, 55, 20))[0],
            "due_date": due_date,
            "estimated_hours": random.choice((None, 0.5, 1.0, 2.0, 7.5)),
            "version": 1,
            "created_at": created_at,
            "updated_at": updated_at,
            **_texts(random, number),
        }


def _texts(random: Random, number: int) -> Row:
    title, title_nb = texts.title_pair(random, number)
    description, notes = texts.description(random, number), texts.notes(random)
    return {
        "title": title,
        "title_key": search.sort_key(title),
        "title_nb": title_nb,
        "description": " ".join(description),
        "description_nb": "",
        "notes": " ".join(notes),
        "search_title": search.document_of(title, title_nb),
        # The words of a text are the words of its sentences, and there are few different sentences.
        "search_text": " ".join(_words(sentence) for sentence in [*description, *notes]),
    }


@cache
def _words(sentence: str) -> str:
    return search.document_of(sentence)
