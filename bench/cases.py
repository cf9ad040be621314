"""What is asked of ``GET /api/tasks/``: each filter alone, the known worst cases, and seeded random combinations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from bench import texts
from nxfs.core import clock
from nxfs.tasks.models import PRIORITIES
from nxfs.tasks.schemas.tasks import ORDERINGS

ROLES = ("ordinary", "heavy", "admin")
SEED = 7
COMMON_CATEGORY = "kategori-1"
SECOND_COMMON_WORD = "skjemaet"

Parameters = dict[str, str]


@dataclass(frozen=True)
class Case:
    """One list to ask for, as one of the users of the data set."""

    name: str
    role: str
    parameters: Parameters


def single_cases() -> list[Case]:
    """Return each filter, ordering and search alone, for every role."""
    return [Case(name, role, parameters) for role in ROLES for name, parameters in _singles().items()]


def random_cases(count: int) -> list[Case]:
    """Return ``count`` combinations of filters with an ordering, the roles in turn; always the same ones."""
    random = Random(SEED)
    return [Case(f"random {number}", ROLES[number % len(ROLES)], _combination(random)) for number in range(count)]


def search_cases() -> list[Case]:
    """Return the searches of the word that half of the tasks have, with every ordering and with narrow filters."""
    word = {"search": texts.COMMON_WORD}
    orderings = {f"commonest word by {name}": {**word, "ordering": name} for name in _both_ways(ORDERINGS)}
    narrowed = {
        "commonest word and category": {**word, "category": COMMON_CATEGORY},
        "commonest word, category, status": {**word, "category": COMMON_CATEGORY, "status": "todo"},
        "commonest word and project": {**word, "project": "1"},
        "commonest word overdue": {**word, "overdue": "true"},
    }
    return [Case(name, "admin", parameters) for name, parameters in (orderings | narrowed).items()]


def _singles() -> dict[str, Parameters]:
    return {
        "no filter": {},
        "page 100": {"page": "100"},
        "status": {"status": "todo"},
        "status any of two": {"status": "todo,in_progress"},
        "priority": {"priority": "high"},
        "completed": {"completed": "true"},
        "overdue": {"overdue": "true"},
        "not overdue": {"overdue": "false"},
        "due in a month": {"due_date_start": _day(0), "due_date_end": _day(30)},
        "due from": {"due_date_start": _day(0)},
        "due until": {"due_date_end": _day(0)},
        "assignee me": {"assignee": "me"},
        "assignee none": {"assignee": "none"},
        "user_id": {"user_id": "3"},
        "category common": {"category": COMMON_CATEGORY},
        "category rare": {"category": "kategori-40"},
        "categories all": {"category": "kategori-1,kategori-2"},
        "categories any": {"category": "kategori-1,kategori-2,kategori-3", "category_match": "any"},
        "project none": {"project": "none"},
        "search commonest": {"search": texts.COMMON_WORD},
        "search rare": {"search": texts.RARE_WORD},
        "search two words": {"search": f"{texts.COMMON_WORD} {SECOND_COMMON_WORD}"},
        "search one letter": {"search": "k"},
        "search nothing found": {"search": "xylofon"},
        "search by relevance": {"search": texts.COMMON_WORD, "ordering": "relevance"},
        **{f"by {name}": {"ordering": name} for name in _both_ways(ORDERINGS)},
        "by priority and due date": {"ordering": "-priority,due_date"},
    }


def _combination(random: Random) -> Parameters:
    choices = {
        "status": ["todo", "in_progress", "completed", "todo,in_progress"],
        "priority": [*PRIORITIES, "medium,high"],
        "category": [COMMON_CATEGORY, "kategori-2", "kategori-30", "kategori-1,kategori-2"],
        "project": ["none"],
        "assignee": ["me", "none"],
        "overdue": ["true", "false"],
        "completed": ["true", "false"],
        "due_date_start": [_day(-200), _day(0), _day(90)],
        "due_date_end": [_day(100), _day(300)],
        "search": [texts.COMMON_WORD, texts.RARE_WORD, "k", "st", f"{texts.COMMON_WORD} sk", "storgata", "tavla"],
    }
    names = random.sample(sorted(choices), random.randint(1, 4))
    parameters = {name: random.choice(choices[name]) for name in names}
    if "category" in parameters and random.random() < 0.5:
        parameters["category_match"] = "any"
    parameters["ordering"] = random.choice(_both_ways(ORDERINGS))
    return parameters


def _both_ways(names: Sequence[str]) -> list[str]:
    return [sign + name for name in names for sign in ("", "-")]


def _day(distance: int) -> str:
    return (clock.now().date() + timedelta(days=distance)).isoformat()
