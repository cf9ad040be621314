"""What somebody finds among the own notifications."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from nxfs.extensions import db
from nxfs.notifications.models import Notification
from tests.tasks.person import Person

URL = "/api/notifications/"


def inbox(person: Person, **query: Any) -> list[dict[str, Any]]:
    """Return the first hundred notifications, the newest first."""
    answer = person.get(URL, **{"page_size": 100, **query})
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()["results"]


def types(person: Person) -> list[str]:
    """Return the types of all notifications, sorted."""
    return sorted(item["type"] for item in inbox(person))


def only(person: Person) -> dict[str, Any]:
    """Return the only notification."""
    (item,) = inbox(person)
    return item


def unread_count(person: Person) -> int:
    """Return the number on the badge."""
    return person.get(f"{URL}unread-count/").get_json()["count"]


def read(person: Person, notification: dict[str, Any]) -> dict[str, Any]:
    """Mark a notification as read and return it."""
    return person.post(f"{URL}{notification['id']}/read/").get_json()


def want(person: Person, **wishes: bool) -> None:
    """Change the preferences: ``want(kari, mention=False)``."""
    assert person.put(f"{URL}preferences/", json={"preferences": wishes}).status_code == 200


def count_stored() -> int:
    """Return how many notifications there are, deleted ones included."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Notification))
