"""Domain events: facts, written to the event log in the transaction that made them true."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, is_dataclass
from typing import Any, ClassVar

# In an audience: whoever is signed in.
EVERYBODY = ("everybody",)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events: ids and plain values only. Subclasses are named in the past tense and set ``type``.

    ``audience`` names who may hear of it: ``user:7`` for one person, ``project:3`` for its members, ``EVERYBODY``.
    """

    type: ClassVar[str]
    audience: tuple[str, ...] = field(default=())

    def payload(self) -> dict[str, Any]:
        """Return the event's own fields as JSON values."""
        return {name: _plain(value) for name, value in vars(self).items() if name != "audience"}


def _plain(value: Any) -> Any:
    # Not asdict, which copies each of the thousands of ids that a batch has.
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return [vars(part) for part in value]
    return value


def audience_of(*, user_ids: Iterable[int | None] = (), project_ids: Iterable[int | None] = ()) -> tuple[str, ...]:
    """Return the audience entries of these users and projects; ``None`` is passed over, repeats do not matter."""
    users = {f"user:{user_id}" for user_id in user_ids if user_id is not None}
    projects = {f"project:{project_id}" for project_id in project_ids if project_id is not None}
    return tuple(sorted(users | projects))
