"""The facets of tasks: the short words under which the index knows their properties.

The triggers of the migrations write the same words. ``s`` status, ``p`` priority, ``u`` owner, ``a`` assignee, ``j``
project, ``c`` category; ``a0``, ``j0`` and ``d0`` say that there is none. A due date is ``d20261122``, and also its
month, year, decade, century and millennium (``m202611 y2026 e202 h20 k2``), so that any range is a few words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from nxfs.tasks.models import PRIORITIES, STATUSES

NO_ASSIGNEE, NO_PROJECT, NO_DUE_DATE = "a0", "j0", "d0"
# How many digits of YYYYMMDD each unit has, the largest first.
_UNITS = (("k", 1), ("h", 2), ("e", 3), ("y", 4), ("m", 6))


def statuses(values: Iterable[str]) -> list[str]:
    """Return the facets of these statuses."""
    return [f"s{STATUSES.index(value)}" for value in values]


def priorities(values: Iterable[str]) -> list[str]:
    """Return the facets of these priorities."""
    return [f"p{PRIORITIES.index(value)}" for value in values]


def owner(user_id: int) -> str:
    """Return the facet of tasks that the user created."""
    return f"u{user_id}"


def assignee(user_id: int) -> str:
    """Return the facet of tasks that are assigned to the user."""
    return f"a{user_id}"


def projects(project_ids: Iterable[int]) -> list[str]:
    """Return the facets of these projects."""
    return [f"j{project_id}" for project_id in project_ids]


def categories(category_ids: Iterable[int]) -> list[str]:
    """Return the facets of these categories."""
    return [f"c{category_id}" for category_id in category_ids]


def due_between(first: date | None, last: date | None) -> list[str]:
    """Return the facets of due dates from ``first`` to ``last``, both inclusive; None is an open side.

    At most about 120, and some 40 for an open range from today: whole units where they fit, days at the ends.
    """
    return list(_cover(first or date.min, last or date.max))


def _cover(day: date, last: date) -> Iterator[str]:
    while True:
        letter, digits, end = next(_units_from(day, last))
        yield f"{letter}{_digits(day)[:digits]}"
        if end >= last:
            return
        day = end + timedelta(days=1)


def _units_from(day: date, last: date) -> Iterator[tuple[str, int, date]]:
    """Yield the units that begin with ``day`` and end by ``last``, the largest first; the day itself always does."""
    for letter, digits in _UNITS:
        end = _end_of(day, digits)
        if _begins(day, digits) and end <= last:
            yield letter, digits, end
    yield "d", 8, day


def _begins(day: date, digits: int) -> bool:
    if digits == 6:
        return day.day == 1
    # There is no year 0: the first unit of each size begins with the year 1.
    is_first_year = day.year % 10 ** (4 - digits) == 0 or day == date.min
    return is_first_year and (day.month, day.day) == (1, 1)


def _end_of(day: date, digits: int) -> date:
    if digits == 6:
        return date.max if (day.year, day.month) == (9999, 12) else _first_of_next_month(day) - timedelta(days=1)
    years = 10 ** (4 - digits)
    return date(day.year - day.year % years + years - 1, 12, 31)


def _first_of_next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def _digits(day: date) -> str:
    return f"{day.year:04}{day.month:02}{day.day:02}"
