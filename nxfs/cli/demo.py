"""``flask demo``: a data set to look at and to try things with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

import click
from flask.cli import AppGroup

from nxfs.auth import queries as accounts_queries
from nxfs.auth.models import User
from nxfs.auth.service import accounts, passwords, sessions
from nxfs.cli.demo_data import CATEGORIES, CHORES, NOTES, PASSWORD, PEOPLE, PROJECTS, Person, ProjectText, Step
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.errors import APIError, InvalidInputError
from nxfs.core.settings import setting
from nxfs.core.transaction import transaction
from nxfs.notifications.service.notifying import be_quiet
from nxfs.tasks.models import STATUSES
from nxfs.tasks.queries import projects as projects_queries
from nxfs.tasks.queries import references
from nxfs.tasks.service import categories, projects, tasks

SEED = 20_260_131
# How many days lie between the first and the last due date of a project.
PROJECT_DAYS = 120

Actors = Mapping[str, Actor]
Identifiers = Mapping[str, int]

demo = AppGroup("demo", help="Load demonstration data.")


@dataclass(frozen=True)
class _PlannedTask:
    """A task to create open, and what its assignee or else its creator then makes of it."""

    creator: Actor
    values: dict[str, Any]
    worker: Actor
    status: str


@demo.command("load")
@click.option("--yes", is_flag=True, help="Load it in production too, where its published password is a risk.")
def load(yes: bool) -> None:
    """Load people, projects, categories and some hundred tasks in Norwegian and English.

    The due dates lie around today; otherwise the data are always the same. All accounts have one password, which is
    shown at the end. What is in the database stays. Run again it changes nothing.
    """
    if setting("NXFS_ENV") == "production" and not yes:
        raise click.ClickException(
            f"This is production, and the demo's {len(PEOPLE)} accounts have a password that everybody can read. "
            "Give --yes to load them anyway."
        )
    if _is_loaded():
        click.echo("The demo data are loaded already.")
        return
    # The passwords are hashed before the transaction; a load that was interrupted here continues.
    actors = {person.username: _open_account(person) for person in PEOPLE}
    with transaction() as tx:
        # A second load that runs at the same time waits here, and then finds the data.
        sessions.lock_user(tx, actors[PEOPLE[0].username].id)
        if _is_loaded():
            click.echo("The demo data are loaded already.")
            return
        # Hundreds of notifications about a few months of work would be no demonstration.
        be_quiet(tx)
        count = _load(actors)
    click.echo(f"Loaded {len(PEOPLE)} people, {len(CATEGORIES)} categories, {len(PROJECTS)} projects, {count} tasks.")
    click.echo(f"The password of every account is {PASSWORD}")
    for person in PEOPLE:
        click.echo(f"  {person.email} ({person.role})")


def _is_loaded() -> bool:
    owner = accounts_queries.find_user(PEOPLE[0].email)
    if owner is None:
        return False
    filters = {"user_id": owner.id, "page": 1, "page_size": 1}
    return projects_queries.list_projects(actor=accounts_queries.actor_of(owner), filters=filters).count > 0


def _open_account(person: Person) -> Actor:
    user = accounts_queries.find_user(person.email)
    if user is None:
        user = _create_account(person)
    elif user.role != person.role or not passwords.verify_password(user.password_hash, PASSWORD):
        raise click.ClickException(f"There is an account {person.email} that is not the demo's.")
    values = {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "display_name": f"{person.first_name} {person.last_name}",
        "language": person.language,
        "city": person.city,
    }
    return accounts_queries.actor_of(accounts.update_profile(actor=accounts_queries.actor_of(user), values=values))


def _create_account(person: Person) -> User:
    try:
        created = accounts.create_account(
            email=person.email, username=person.username, role=person.role, password=PASSWORD
        )
    except APIError as error:
        raise click.ClickException(f"{person.email}: {error.message.en}") from error
    return created.user


def _load(actors: Actors) -> int:
    """Create everything but the accounts, and return how many tasks there are."""
    today = clock.today(setting("TIME_ZONE"))
    category_ids = {text.name: _category_id(actors, vars(text)) for text in CATEGORIES}
    planned = [*_plan_chores(actors, category_ids, today)]
    for text in PROJECTS:
        planned += _plan_project(text, _create_project(text, actors), actors, category_ids, today)
    with click.progressbar(planned, label="Loading tasks") as bar:
        for task in bar:
            _create_task(task)
    return len(planned)


def _category_id(actors: Actors, values: dict[str, Any]) -> int:
    try:
        owner = actors[PEOPLE[0].username]
        return references.find_references(owner, categories=[values["name"]], projects=()).categories[0][0]
    except InvalidInputError:
        return categories.create_category(actor=actors[PEOPLE[0].username], values=values)


def _create_project(text: ProjectText, actors: Actors) -> int:
    owner = actors[text.owner]
    status = "completed" if text.progress == 1 else "in_progress" if text.progress else "todo"
    fields = ("name", "name_nb", "description", "description_nb")
    values = {name: getattr(text, name) for name in fields} | {"status": status}
    project_id = projects.create_project(actor=owner, values=values)
    for username in text.members:
        projects.add_member(actor=owner, project_id=project_id, user_id=actors[username].id)
    return project_id


def _create_task(task: _PlannedTask) -> None:
    task_id = tasks.create_task(actor=task.creator, values=task.values)
    if task.status != "todo":
        tasks.update_task(actor=task.worker, task_id=task_id, values={"status": task.status})


def _plan_project(
    text: ProjectText, project_id: int, actors: Actors, category_ids: Identifiers, today: date
) -> Iterator[_PlannedTask]:
    """Plan each step for each thing, in this order: what lies behind the project's progress is mostly done."""
    random = Random(f"{SEED} {text.name}")
    people = [actors[username] for username in (text.owner, *text.members)]
    work = [(step, thing) for step in text.steps for thing in text.things]
    for number, (step, thing) in enumerate(work):
        ahead = number / len(work) - text.progress
        creator = random.choices(people, [len(people), *[1] * len(text.members)])[0]
        assignee = random.choice([*people, None])
        values = _texts(step, thing) | {
            "notes": _note(random, people),
            "priority": random.choices(("low", "medium", "high"), (2, 5, 3))[0],
            "estimated_time": random.choice((None, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24)),
            "due_date": _due_date(random, today, ahead),
            "category": [category_ids[name] for name in step.categories],
            "project": project_id,
            "assignee_id": assignee and assignee.id,
        }
        status = "completed" if text.progress == 1 else _status(random, ahead)
        yield _PlannedTask(creator, values, worker=assignee or creator, status=status)


def _plan_chores(actors: Actors, category_ids: Identifiers, today: date) -> Iterator[_PlannedTask]:
    random = Random(f"{SEED} chores")
    for chore in CHORES:
        owner = actors[chore.owner]
        values = {
            "title": chore.title,
            "title_nb": chore.title_nb,
            "category": [category_ids[chore.category]],
            "priority": random.choice(("low", "medium", "high")),
            "due_date": _due_date(random, today, random.uniform(-0.2, 0.4)),
        }
        yield _PlannedTask(owner, values, worker=owner, status=random.choices(STATUSES, (4, 1, 1))[0])


def _texts(step: Step, thing: tuple[str, str]) -> dict[str, str]:
    return {
        "title": step.title.format(thing[0]),
        "title_nb": step.title_nb.format(thing[1]),
        "description": step.description,
        "description_nb": step.description_nb,
    }


def _note(random: Random, people: list[Actor]) -> str:
    if random.random() < 0.5:
        return ""
    usernames = [person.username for person in random.sample(people, 2)]
    return random.choice(NOTES).format(*usernames)


def _due_date(random: Random, today: date, ahead: float) -> date | None:
    if random.random() < 0.1:
        return None
    return today + timedelta(days=round(ahead * PROJECT_DAYS) + random.randint(-6, 12))


def _status(random: Random, ahead: float) -> str:
    if ahead < -0.1:
        weights = (1, 1, 10)
    elif ahead < 0.1:
        weights = (3, 4, 3)
    else:
        weights = (12, 1, 0)
    return random.choices(STATUSES, weights)[0]
