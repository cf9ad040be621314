"""Filters and orderings of the list of tasks: each alone, their refusals, and all of them against a model in Python."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from nxfs.extensions import db
from nxfs.tasks.models import Task
from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user
from tests.tasks.person import Person

UNKNOWN_ID = 10**12


def test_list_tasks_without_filters_has_the_newest_first(client: FlaskClient) -> None:
    kari = Person(client)
    first, second, third = (create_task(kari.user) for _ in range(3))

    page = kari.get("/api/tasks/").get_json()

    assert [task["id"] for task in page["results"]] == [third, second, first]
    assert page["filters_applied"] == {}
    assert page["results"][0] == kari.get(f"/api/tasks/{third}/").get_json()


def test_list_tasks_by_status_and_priority_takes_any_of_the_values(client: FlaskClient) -> None:
    kari = Person(client)
    low = create_task(kari.user, priority="low")
    medium = create_task(kari.user, status="in_progress")
    high = create_task(kari.user, priority="high", done=True)

    assert kari.ids(status="todo") == [low]
    assert kari.ids(status="todo,completed") == [high, low]
    assert kari.ids(status=["todo", "in_progress"]) == [medium, low]
    assert kari.ids(status=[" todo , in_progress ", "todo"]) == [medium, low]
    assert kari.ids(priority=["high", "medium"]) == [high, medium]
    assert kari.ids(priority="high,low", status="todo") == [low]
    assert kari.ids(completed="true") == [high]
    assert kari.ids(completed="FALSE") == [medium, low]
    assert kari.ids(completed="true", status="todo") == []


def test_list_tasks_by_due_date_includes_both_ends(client: FlaskClient) -> None:
    kari = Person(client)
    first, second, third = (create_task(kari.user, due_date=date(2026, 1, day)) for day in (1, 2, 3))
    create_task(kari.user)

    assert kari.ids(due_date_start="2026-01-02") == [third, second]
    assert kari.ids(due_date_end="2026-01-02") == [second, first]
    assert kari.ids(due_date_start="2026-01-02", due_date_end="2026-01-02") == [second]
    assert kari.ids(due_date_after="2026-01-02", due_date_before="2026-01-02") == [second]
    assert kari.ids(due_date_after="2026-01-02", due_date_start="2026-01-02") == [third, second]
    assert kari.ids(due_date_start="0001-01-01", due_date_end="9999-12-31") == [third, second, first]


def test_list_tasks_by_category_takes_id_slug_and_name(client: FlaskClient) -> None:
    kari = Person(client)
    web = create_category(kari.user, name="Blåbær & Web", slug="berry")
    mail = create_category(kari.user, name="Mail")
    both, one, other = (create_task(kari.user, category=ids) for ids in ([web, mail], [web], [mail]))
    none = create_task(kari.user)

    for value in (web, "berry", "blåbær & web", "BLÅBÆR  &  WEB"):
        assert kari.ids(category=value) == [one, both]
    assert kari.ids(category=["berry", "mail"]) == kari.ids(category="berry,mail") == [both]
    assert kari.ids(category="berry,mail", category_match="any") == [other, one, both]
    assert kari.ids(category=[web, "berry"]) == [one, both]
    assert kari.ids(category_match="any") == [none, other, one, both]


def test_list_tasks_by_a_category_named_like_an_id_prefers_the_id(client: FlaskClient) -> None:
    kari = Person(client)
    web = create_category(kari.user, name="Web")
    number = create_category(kari.user, name=str(web), slug=f"n{web}")
    in_web, in_number = create_task(kari.user, category=[web]), create_task(kari.user, category=[number])

    assert kari.ids(category=web) == [in_web]
    assert kari.ids(category=f"n{web}") == [in_number]


def test_list_tasks_by_project_takes_id_slug_name_and_none(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    cabin, boat = create_project(kari.user, name="Cabin Å"), create_project(kari.user, name="Boat")
    same = create_project(ola.user, name="Boat", members=(kari.user,))
    a, b, c, free = (create_task(kari.user, project=project) for project in (cabin, boat, same, None))

    for value in (cabin, "cabin-a", "cabin å", "CABIN Å"):
        assert kari.ids(project=value) == [a]
    assert kari.ids(project="boat") == [c, b]
    assert kari.ids(project="none") == [free]
    assert kari.ids(project=["cabin-a", "none"]) == [free, a]
    assert kari.ids(project=[boat, cabin]) == [b, a]


def test_list_tasks_by_a_hidden_project_does_not_know_it(client: FlaskClient) -> None:
    kari = Person(client)
    hidden = create_project(create_user(), name="Secret")

    for value in (hidden, "secret", UNKNOWN_ID, "9" * 30):
        assert kari.field_errors(project=value) == {"project": [f"There is no “{value}” that you can use here."]}


def test_list_tasks_by_people_takes_ids_me_and_none(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    mine = create_task(kari.user, assignee_id=kari.id)
    given_away = create_task(kari.user, assignee_id=ola.id)
    received = create_task(ola.user, assignee_id=kari.id)
    free = create_task(kari.user)

    assert kari.ids(assignee="me") == kari.ids(assignee=kari.id) == [received, mine]
    assert kari.ids(assignee=ola.id) == [given_away]
    assert kari.ids(assignee="none") == [free]
    assert kari.ids(user_id=ola.id) == [received]
    assert kari.ids(user_id=kari.id, assignee="me") == [mine]
    assert kari.ids(assignee=UNKNOWN_ID) == kari.ids(user_id=UNKNOWN_ID) == []


@pytest.mark.parametrize(
    ("moment", "today"),
    [
        ("2026-01-31T22:59:59Z", date(2026, 1, 31)),
        ("2026-01-31T23:00:00Z", date(2026, 2, 1)),
        ("2026-06-30T21:59:59Z", date(2026, 6, 30)),
        ("2026-06-30T22:00:00Z", date(2026, 7, 1)),
    ],
)
def test_list_overdue_tasks_turns_at_midnight_in_oslo(client: FlaskClient, moment: str, today: date) -> None:
    with time_machine.travel(moment, tick=False):
        kari = Person(client)
        due = [create_task(kari.user, due_date=today + timedelta(days=days)) for days in (-1, 0, 1)]
        undated = create_task(kari.user)
        done = create_task(kari.user, due_date=today - timedelta(days=1), done=True)

        assert kari.ids(overdue="true", ordering="created_at") == [due[0]]
        assert sorted(kari.ids(overdue="false")) == [due[1], due[2], undated, done]


def test_order_tasks_by_due_date_puts_undated_last_both_ways(client: FlaskClient) -> None:
    kari = Person(client)
    undated, late, early, same = (
        create_task(kari.user, due_date=day) for day in (None, date(2026, 2, 1), date(2026, 1, 1), date(2026, 1, 1))
    )

    assert kari.ids(ordering="due_date") == [early, same, late, undated]
    assert kari.ids(ordering="-due_date") == [late, same, early, undated]


def test_order_tasks_by_rank_and_several_fields(client: FlaskClient) -> None:
    kari = Person(client)
    a = create_task(kari.user, priority="medium", status="completed")
    b = create_task(kari.user, priority="low", status="in_progress")
    c = create_task(kari.user, priority="high", status="todo")
    d = create_task(kari.user, priority="high", status="completed")

    assert kari.ids(ordering="priority") == [b, a, c, d]
    assert kari.ids(ordering="-priority") == [d, c, a, b]
    assert kari.ids(ordering="status") == [c, b, a, d]
    assert kari.ids(ordering="-priority,status") == [c, d, a, b]
    assert kari.ids(ordering=["status", "-priority"]) == [c, b, d, a]


def test_order_tasks_by_title_is_norwegian_and_without_case(client: FlaskClient) -> None:
    kari = Person(client)
    titles = ("Ål", "zebra", "Éclair", "ære", "Øl", "apple", "B")
    made = {title: create_task(kari.user, title=title) for title in titles}

    expected = [made[title] for title in ("apple", "B", "Éclair", "zebra", "ære", "Øl", "Ål")]
    assert kari.ids(ordering="title") == expected
    assert kari.ids(ordering="-title") == expected[::-1]


def test_filters_applied_echo_exactly_what_was_applied(client: FlaskClient) -> None:
    kari = Person(client)
    create_category(kari.user, name="Web", slug="web")
    create_project(kari.user, name="NXFS")

    query = {
        "category": ["web", "Web"],
        "project": ["nxfs", "none"],
        "status": "todo",
        "priority": ["high", "low"],
        "due_date_start": "2025-01-01",
        "due_date_before": "2025-12-31",
        "completed": "false",
        "assignee": "me",
        "user_id": kari.id,
        "overdue": "true",
        "search": "  bug fix ",
        "ordering": "-due_date,title",
        "page": 1,
        "_t": "123",
    }
    assert kari.get("/api/tasks/", **query).get_json()["filters_applied"] == {
        "categories": ["web", "Web"],
        "category_match": "all",
        "projects": ["nxfs", "none"],
        "status": ["todo"],
        "priority": ["high", "low"],
        "date_range": {"start": "2025-01-01", "end": "2025-12-31"},
        "completed": False,
        "assignee": "me",
        "user_id": kari.id,
        "overdue": True,
        "search": "  bug fix ",
        "ordering": ["-due_date", "title"],
    }


@pytest.mark.parametrize(
    ("query", "applied"),
    [
        ({}, {}),
        ({"search": " "}, {}),
        ({"search": ""}, {}),
        ({"category_match": "any"}, {}),
        ({"due_date_end": "2026-01-01"}, {"date_range": {"start": "", "end": "2026-01-01"}}),
        ({"due_date_after": "2026-01-01"}, {"date_range": {"start": "2026-01-01", "end": ""}}),
        ({"status": "todo, todo ,"}, {"status": ["todo"]}),
    ],
)
def test_filters_applied_leave_out_what_does_not_apply(
    client: FlaskClient, query: dict[str, str], applied: dict[str, object]
) -> None:
    assert Person(client).get("/api/tasks/", **query).get_json()["filters_applied"] == applied


@pytest.mark.parametrize(
    ("query", "name", "hint"),
    [
        ({"status": "done"}, "status", "todo, in_progress, completed"),
        ({"status": "todo,done"}, "status", "“done”"),
        ({"status": ""}, "status", "at least one"),
        ({"status": ","}, "status", "at least one"),
        ({"priority": ["high", "urgent"]}, "priority", "low, medium, high"),
        ({"priority": "HIGH"}, "priority", "low, medium, high"),
        ({"category": "nothing"}, "category", "nothing"),
        ({"category": UNKNOWN_ID}, "category", str(UNKNOWN_ID)),
        ({"category_match": "some"}, "category_match", "all, any"),
        ({"completed": "yes"}, "completed", "boolean"),
        ({"overdue": "1"}, "overdue", "boolean"),
        ({"assignee": "kari"}, "assignee", "me"),
        ({"assignee": "me\n"}, "assignee", "me"),
        ({"assignee": "7\n"}, "assignee", "me"),
        ({"assignee": "0"}, "assignee", "none"),
        ({"assignee": ""}, "assignee", "none"),
        ({"user_id": "me"}, "user_id", "integer"),
        ({"user_id": "0"}, "user_id", "1"),
        ({"user_id": "9" * 30}, "user_id", "1"),
        ({"due_date_start": "01.02.2026"}, "due_date_start", "date"),
        ({"due_date_end": "2026-02-30"}, "due_date_end", "date"),
        ({"due_date_end": "20260228"}, "due_date_end", "date"),
        ({"due_date_end": ""}, "due_date_end", "date"),
        ({"due_date_start": "2026-01-02", "due_date_end": "2026-01-01"}, "due_date_start", "after the end"),
        ({"due_date_after": "2026-01-02", "due_date_before": "2026-01-01"}, "due_date_after", "after the end"),
        ({"due_date_after": "2026-01-02", "due_date_start": "2026-01-01"}, "due_date_after", "due_date_start"),
        ({"ordering": "name"}, "ordering", "due_date, -due_date, priority"),
        ({"ordering": "--title"}, "ordering", "-title"),
        ({"search": "x" * 501}, "search", "500"),
        ({"statu": "todo"}, "statu", "status"),
        ({"due_date": "2026-01-01"}, "due_date", "due_date_"),
        ({"categories": "web"}, "categories", "category"),
        ({"completed": ["true", "false"]}, "completed", "once"),
        ({"assignee": ["me", "none"]}, "assignee", "once"),
        ({"status": ["todo"] * 30 + [f"x{number}" for number in range(51)]}, "status", "at most 50"),
        ({"category": ",".join(str(number) for number in range(1, 5000))}, "category", "at most 50"),
    ],
)
def test_list_tasks_with_a_wrong_parameter_names_it(
    client: FlaskClient, query: dict[str, object], name: str, hint: str
) -> None:
    errors = Person(client).field_errors(**query)

    assert list(errors) == [name]
    assert hint in errors[name][0]


def test_list_tasks_in_norwegian_explains_in_norwegian(client: FlaskClient) -> None:
    kari = Person(client, language="no")

    assert kari.field_errors(status="done")["status"] == [
        "«done» er ikke tillatt; tillatt: todo, in_progress, completed."
    ]
    assert kari.field_errors(statu="todo")["statu"] == ["Ukjent parameter. Mente du «status»?"]
    assert kari.field_errors(assignee="kari")["assignee"] == ["Oppgi en brukers id, «me» eller «none»."]


TODAY = date(2026, 3, 15)
STATUSES, PRIORITIES = ["todo", "in_progress", "completed"], ["low", "medium", "high"]
WORDS = ["blåbær", "cable", "cabin", "ærlig", "web", "wéb"]
DATES = [TODAY + timedelta(days=days) for days in (-40, -1, 0, 1, 40)]
ORDERINGS = ["due_date", "priority", "status", "created_at", "updated_at", "title", "relevance"]


@dataclass
class Model:
    """A task as the model in Python knows it."""

    id: int
    user_id: int
    assignee_id: int | None
    project: int | None
    status: str
    priority: str
    due_date: date | None
    title: str
    created_at: datetime
    updated_at: datetime
    category: set[int] = field(default_factory=set)


@dataclass
class World:
    """Some tasks, categories and projects, and one person who looks at them."""

    viewer: Person
    tasks: list[Model]
    visible_projects: dict[str, int]
    categories: dict[str, int]


def make_world(client: FlaskClient, size: int = 60) -> World:
    """Make ``size`` random tasks of three users, always the same ones."""
    source = random.Random(2026)
    people = [Person(client) for _ in range(3)]
    categories = {name: create_category(people[0].user, name=name) for name in ("red", "green", "blue")}
    shared = create_project(people[1].user, name="shared", members=(people[0].user,))
    own, hidden = create_project(people[0].user, name="own"), create_project(people[2].user, name="hidden")
    # Whoever creates a task in a project must see it.
    projects = {people[0].id: [None, own, shared], people[1].id: [None, shared], people[2].id: [None, hidden]}
    tasks = []
    for number in range(size):
        owner = source.choice(people)
        values = {
            "title": " ".join(source.sample(WORDS, 2)),
            "status": source.choice(STATUSES),
            "priority": source.choice(PRIORITIES),
            "due_date": source.choice([None, *DATES]),
            "project": source.choice(projects[owner.id]),
            "assignee_id": source.choice([None, None, *(person.id for person in people)]),
            "category": source.sample(sorted(categories.values()), source.randrange(4)),
        }
        task_id = create_task(owner.user, **values)
        # Few different times, so that there are ties.
        times = {
            "created_at": datetime(2026, 1, 1 + number % 7, tzinfo=UTC),
            "updated_at": datetime(2026, 2, 1 + number % 5, tzinfo=UTC),
        }
        db.session.execute(update(Task).where(Task.id == task_id).values(times))
        db.session.commit()
        tasks.append(Model(id=task_id, user_id=owner.id, **(values | {"category": set(values["category"])}), **times))
    return World(people[0], tasks, {"own": own, "shared": shared}, categories)


def expected_ids(world: World, query: dict[str, object]) -> list[int]:
    """Return the ids that the list must have for ``query``."""
    me, visible = world.viewer.id, set(world.visible_projects.values())

    def is_shown(task: Model) -> bool:
        is_late = task.due_date is not None and task.due_date < TODAY and task.status != "completed"
        assignee = {"me": me, "none": None}.get(query.get("assignee"), query.get("assignee"))
        wanted = {world.categories[name] for name in query.get("category", [])}
        projects = {world.visible_projects.get(name) for name in query.get("project", [])}
        words = task.title.replace("é", "e").split()
        checks = {
            "status": lambda: task.status in query["status"],
            "priority": lambda: task.priority in query["priority"],
            "completed": lambda: (task.status == "completed") is query["completed"],
            "overdue": lambda: is_late is query["overdue"],
            "due_date_start": lambda: task.due_date is not None and task.due_date >= query["due_date_start"],
            "due_date_end": lambda: task.due_date is not None and task.due_date <= query["due_date_end"],
            "user_id": lambda: task.user_id == query["user_id"],
            "assignee": lambda: task.assignee_id == assignee,
            "category": lambda: (
                task.category & wanted if query.get("category_match") == "any" else wanted <= task.category
            ),
            "project": lambda: task.project in projects,
            "search": lambda: all(any(word.startswith(part) for word in words) for part in query["search"].split()),
        }
        is_visible = me in (task.user_id, task.assignee_id) or task.project in visible
        return is_visible and all(check() for name, check in checks.items() if name in query)

    shown = [task for task in world.tasks if is_shown(task)]
    names = query.get("ordering") or ["-created_at"]
    shown.sort(key=lambda task: task.id, reverse=names[-1].startswith("-"))
    for name in reversed(names):
        sort_by(shown, name.removeprefix("-"), is_descending=name.startswith("-"))
    return [task.id for task in shown]


def sort_by(tasks: list[Model], name: str, *, is_descending: bool) -> None:
    """Sort by one field, keeping the order of equals."""
    if name == "due_date":
        dated = sorted((task for task in tasks if task.due_date), key=lambda task: task.due_date, reverse=is_descending)
        tasks[:] = dated + [task for task in tasks if not task.due_date]
        return
    keys = {
        "priority": lambda task: PRIORITIES.index(task.priority),
        "status": lambda task: STATUSES.index(task.status),
        "title": lambda task: task.title.replace("é", "e").replace("æ", "{").replace("å", "}"),
        # Every match is one in the title here, so what is left is the time of the change.
        "relevance": lambda task: task.updated_at,
    }
    reverse = is_descending if name != "relevance" else not is_descending
    tasks.sort(key=keys.get(name, lambda task: getattr(task, name)), reverse=reverse)


def queries(world: World) -> st.SearchStrategy[dict[str, object]]:
    """Return the strategy of queries: any of the filters, with values that exist."""
    users = sorted({task.user_id for task in world.tasks})
    start, end = st.sampled_from(DATES[:3]), st.sampled_from(DATES[2:])
    orderings = st.sampled_from([sign + name for name in ORDERINGS for sign in ("", "-")])
    return st.fixed_dictionaries(
        {},
        optional={
            "status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=2, unique=True),
            "priority": st.lists(st.sampled_from(PRIORITIES), min_size=1, max_size=2, unique=True),
            "completed": st.booleans(),
            "overdue": st.booleans(),
            "due_date_start": start,
            "due_date_end": end,
            "user_id": st.sampled_from(users),
            "assignee": st.sampled_from(["me", "none", *users]),
            "category": st.lists(st.sampled_from(sorted(world.categories)), min_size=1, max_size=2, unique=True),
            "category_match": st.sampled_from(["all", "any"]),
            "project": st.lists(st.sampled_from(["own", "shared", "none"]), min_size=1, max_size=2, unique=True),
            "search": st.sampled_from(["c", "ca", "cab blå", "web", "æ", "ær we", "bla"]),
            "ordering": st.lists(orderings, min_size=1, max_size=3, unique_by=lambda name: name.removeprefix("-")),
        },
    )


def test_list_tasks_with_any_filters_agrees_with_a_model(client: FlaskClient) -> None:
    with time_machine.travel(datetime(2026, 3, 15, 12, tzinfo=UTC), tick=False):
        world = make_world(client)

        @settings(max_examples=150, deadline=None, derandomize=True, database=None)
        @given(queries(world), st.booleans())
        def check(query: dict[str, object], is_comma_list: bool) -> None:
            # The names of projects may hold commas, so that they are only repeated.
            texts = {
                name: as_text(value, is_comma_list=is_comma_list and name != "project") for name, value in query.items()
            }
            page = world.viewer.get("/api/tasks/", page_size=100, **texts).get_json()
            expected = expected_ids(world, query)
            assert [task["id"] for task in page["results"]] == expected
            assert page["count"] == len(expected)

        check()


def as_text(value: object, *, is_comma_list: bool) -> object:
    """Return ``value`` as a client writes it."""
    if isinstance(value, list):
        return ",".join(value) if is_comma_list else value
    return str(value).lower() if isinstance(value, bool) else value


def test_list_tasks_by_project_name_with_a_comma_finds_it(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user, project=create_project(kari.user, name="Hus, hage"))
    assert kari.ids(project="Hus, hage") == [task]


def test_list_tasks_by_more_words_than_the_limit_is_refused(client: FlaskClient) -> None:
    answer = Person(client).get("/api/tasks/", search="a b c d e f g h i j k")
    assert (answer.status_code, list(answer.get_json()["error"]["field_errors"])) == (400, ["search"])


def test_list_tasks_by_text_that_is_not_utf8_is_refused(client: FlaskClient) -> None:
    assert Person(client).get("/api/tasks/?search=%FF").status_code == 400
