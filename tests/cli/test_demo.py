"""``flask demo``: what it loads, that it does so once, and what it refuses."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

import marshmallow as ma
import pytest
from sqlalchemy import func, select

from nxfs.auth.models import User
from nxfs.cli.demo_data import CATEGORIES, CHORES, PASSWORD, PEOPLE, PROJECTS
from nxfs.core import clock
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db
from nxfs.tasks.models import Category, Project, ProjectMember, Task
from nxfs.tasks.schemas.categories import CategoryCreateSchema
from nxfs.tasks.schemas.projects import ProjectCreateSchema
from nxfs.tasks.schemas.tasks import TaskCreateSchema
from nxfs.tasks.service import tasks
from tests import services
from tests.factories.users import create_user

TASKS = sum(len(project.things) * len(project.steps) for project in PROJECTS) + len(CHORES)
LOADED_ALREADY = "The demo data are loaded already.\n"


# Each loads all of it, which takes PostgreSQL seconds; what is loaded is the same.
once = pytest.mark.skipif(services.chosen_engine() != "sqlite", reason="Once, beside SQLite, is enough.")


@pytest.fixture
def run(app):
    """Run ``flask demo`` with arguments."""
    runner = app.test_cli_runner()
    return lambda *arguments: runner.invoke(args=["demo", *arguments])


def count(model):
    return db.session.scalar(select(func.count()).select_from(model))


def rows():
    """Return what must be the same after each load on one day; ids count on, so they are left out."""
    owner, assignee = User.__table__.alias("owner"), User.__table__.alias("assignee")
    columns = (
        Task.title,
        Task.notes,
        Task.status,
        Task.priority,
        Task.due_date,
        Task.estimated_hours,
        Project.name,
        owner.c.username,
        assignee.c.username,
    )
    joined = select(*columns).join(owner, owner.c.id == Task.user_id).outerjoin(Project, Project.id == Task.project_id)
    statement = joined.outerjoin(assignee, assignee.c.id == Task.assignee_id).order_by(Task.id)
    return [tuple(row) for row in db.session.execute(statement)]


def empty_database():
    db.session.rollback()
    for table in reversed(db.metadata.sorted_tables):
        db.session.execute(table.delete())
    db.session.commit()


def interrupt(**values):
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def test_load_creates_everything_and_shows_the_accounts(run, client):
    result = run("load")
    assert result.exit_code == 0, result.output
    assert [count(model) for model in (User, Category, Project, Task)] == [8, 12, 8, TASKS]
    assert TASKS >= 300
    assert f"Loaded 8 people, 12 categories, 8 projects, {TASKS} tasks." in result.output
    shown = re.findall(r"^  (\S+@\S+) \((\w+)\)$", result.output, re.MULTILINE)
    assert Counter(role for _, role in shown) == {"user": 7, "staff": 1}
    for email, _ in shown:
        answer = client.post("/api/auth/token/", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200


@once
def test_load_covers_every_status_priority_and_side_of_today(run, app):
    run("load")
    today = clock.today(app.config["TIME_ZONE"])
    loaded = db.session.scalars(select(Task)).all()
    assert {task.status for task in loaded} == {"todo", "in_progress", "completed"}
    assert {task.priority for task in loaded} == {"low", "medium", "high"}
    assert {project.status for project in db.session.scalars(select(Project))} == {"todo", "in_progress", "completed"}
    overdue = [task for task in loaded if task.due_date and task.due_date < today and task.status != "completed"]
    future = [task for task in loaded if task.due_date and task.due_date > today + timedelta(days=7)]
    assert len(overdue) >= 20 and len(future) >= 100
    assert all((task.completed_at is not None) == (task.status == "completed") for task in loaded)
    assert all(task.title and task.title_nb and task.title != task.title_nb for task in loaded if task.project_id)
    assert {task.assignee_id is None for task in loaded} == {True, False}


@once
def test_load_mentions_people_of_the_project(run):
    run("load")
    people = {(project.id, project.user_id) for project in db.session.scalars(select(Project))}
    people |= {(member.project_id, member.user_id) for member in db.session.scalars(select(ProjectMember))}
    user_ids = {user.username: user.id for user in db.session.scalars(select(User))}
    notes = db.session.execute(select(Task.project_id, Task.notes).where(Task.notes != "")).all()
    mentioned = {(project_id, name) for project_id, text in notes for name in re.findall(r"@([\w-]+)", text)}
    assert len(notes) >= 100
    assert {(project_id, user_ids[name]) for project_id, name in mentioned} <= people


@once
def test_load_writes_events_and_audit_entries(run):
    run("load")
    types = Counter(db.session.scalars(select(EventRecord.type)))
    actions = Counter(db.session.scalars(select(AuditEntry.action)))
    started = db.session.scalar(select(func.count()).select_from(Task).where(Task.status != "todo"))
    assert (types["task_created"], types["task_updated"]) == (TASKS, started)
    assert (actions["tasks.task_created"], actions["tasks.task_updated"]) == (TASKS, started)
    assert (types["project_created"], types["category_created"], types["user_registered"]) == (8, 12, 8)
    owners = select(func.count()).select_from(AuditEntry).join(Task, Task.id == AuditEntry.target_id)
    is_creation = (AuditEntry.action == "tasks.task_created") & (AuditEntry.actor_id == Task.user_id)
    assert db.session.scalar(owners.where(is_creation)) == TASKS


def test_load_twice_says_so_and_changes_nothing(run):
    run("load")
    before = [count(model) for model in (User, Project, Task, EventRecord, AuditEntry)]
    again = run("load")
    assert (again.exit_code, again.output) == (0, LOADED_ALREADY)
    assert [count(model) for model in (User, Project, Task, EventRecord, AuditEntry)] == before


@once
def test_load_after_the_password_was_changed_says_loaded_already(run):
    run("load")
    for user in db.session.scalars(select(User)):
        user.password_hash = "changed"
    db.session.commit()
    assert run("load").output == LOADED_ALREADY


def test_load_into_another_database_gives_the_same_rows(run):
    run("load")
    first = rows()
    empty_database()
    run("load")
    assert rows() == first


def test_load_that_was_interrupted_leaves_no_half_and_continues(run, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tasks, "update_task", interrupt)
        assert run("load").exit_code == 1
    assert [count(model) for model in (Category, Project, Task)] == [0, 0, 0]
    assert run("load").exit_code == 0
    assert [count(model) for model in (User, Task)] == [8, TASKS]


@once
def test_load_keeps_categories_that_are_there(run):
    creator = create_user()
    name = CATEGORIES[0].name
    values = {"name": name, "name_key": name.casefold(), "slug": name.casefold(), "created_by": creator.id}
    db.session.add(Category(**values))
    db.session.commit()
    assert run("load").exit_code == 0
    assert count(Category) == len(CATEGORIES)


@once
def test_load_into_an_account_of_somebody_else_is_refused(run):
    create_user(email=PEOPLE[1].email, username="stranger")
    result = run("load")
    assert result.exit_code == 1
    assert f"There is an account {PEOPLE[1].email} that is not the demo's." in result.output
    assert count(Task) == 0


@once
def test_load_with_a_taken_username_says_which(run):
    create_user(username=PEOPLE[0].username)
    result = run("load")
    assert result.exit_code == 1
    assert f"Error: {PEOPLE[0].email}: " in result.output


@once
def test_load_in_production_needs_yes(run, app, monkeypatch):
    monkeypatch.setitem(app.config, "NXFS_ENV", "production")
    refused = run("load")
    assert refused.exit_code == 1
    assert "Give --yes" in refused.output
    assert count(User) == 0
    assert run("load", "--yes").exit_code == 0
    assert count(Task) == TASKS


def test_load_obeys_the_rules_of_the_wire(run):
    run("load")
    schemas = {Category: CategoryCreateSchema(), Project: ProjectCreateSchema(), Task: TaskCreateSchema()}
    for model, schema in schemas.items():
        texts = [name for name, field in schema.fields.items() if isinstance(field, ma.fields.String)]
        written = [name for name in texts if hasattr(model, name)]
        rows = db.session.scalars(select(model)).all()
        assert [schema.validate({name: getattr(row, name) for name in written}) for row in rows] == [{}] * len(rows)


@pytest.mark.parametrize("arguments", [[], ["load"]])
def test_help_explains_the_command(run, arguments):
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output
