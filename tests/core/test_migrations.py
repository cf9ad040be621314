"""Tests of the migrations: from nothing to the models and back, on both engines, with rows inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from nxfs.auth.models import ActiveDay, APIToken, Group, GroupMember, GroupPermission, User
from nxfs.auth.service import accounts
from nxfs.blog.models import (
    MediaFile,
    MediaUsage,
    Post,
    PostAudio,
    PostImage,
    PostSlug,
    PostVideo,
    Tag,
    post_tags,
)
from nxfs.config import PROJECT_ROOT
from nxfs.core import clock
from nxfs.core.audit import AuditEntry
from nxfs.core.audit_verification import verify
from nxfs.core.event_log import EventRecord
from nxfs.core.idempotency import IdempotencyRecord
from nxfs.core.jobs.models import Job, JobPart
from nxfs.core.leadership import Lease
from nxfs.core.request_counts import RequestCount
from nxfs.core.scheduled_runs import ScheduledRun
from nxfs.core.search_index import Key, Listing, question
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.files.models import FileDeletion, FileDerivative, FileOwner
from nxfs.notifications.models import NotificationPreference
from nxfs.tasks.models import Task, TaskExport
from nxfs.tasks.queries.images import OF_PROJECTS, OF_TASKS
from tests import services
from tests.core.laboratory import create_laboratory
from tests.factories.images import create_file, create_image
from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user, open_session

MIGRATIONS = str(PROJECT_ROOT / "migrations")


@pytest.fixture
def empty(engine_name: str, tmp_path: Path) -> Iterator[Flask]:
    """An application on an empty database of its own."""
    url = f"sqlite:///{tmp_path / 'nxfs.db'}" if engine_name == "sqlite" else services.new_postgresql_database()
    application = create_laboratory(DATABASE_URL=url, LOG_LEVEL="WARNING")
    with application.app_context():
        yield application
        db.session.remove()
        db.engine.dispose()


def tables() -> set[str]:
    """Return the names of the tables, those of full-text search included."""
    return set(inspect(db.engine).get_table_names()) - {"alembic_version", "sqlite_stat1", "sqlite_stat4"}


def fill() -> None:
    """Write a row into every table that the application knows how to fill."""
    owner, member = create_user(), create_user()
    open_session(owner)
    project_id = create_project(owner, members=(member,))
    task_id = create_task(owner, title="Blåbær", project=project_id, category=[create_category(owner)])
    create_image(OF_TASKS, task_id, owner)
    create_image(OF_PROJECTS, project_id, member)
    accounts.grant_permission(name=owner.email, permission="blog.publish")
    with transaction() as tx:
        tx.session.get_one(User, owner.id).profile_picture_id = create_file(owner)
        tx.session.add(FileOwner(owner_id=owner.id, used_bytes=638))
        tx.session.add(FileDerivative(sha256="0" * 64, width=320, claimed_at=clock.now()))
        tx.session.add(FileDeletion(key="originals/00/" + "0" * 32 + ".jpg"))
        tx.session.add(NotificationPreference(user_id=owner.id, type="mention", is_enabled=False))
        answer = {"fingerprint": "0" * 64, "status": 204, "headers": {}, "body": b"", "expires_at": clock.now()}
        tx.session.add(IdempotencyRecord(id="0" * 64, **answer))
        job = Job(kind="tasks.export", owner_id=owner.id)
        tx.session.add(job)
        tx.session.flush()
        tx.session.add(JobPart(job_id=job.id, number=0, items=[1]))
        tx.session.add(TaskExport(job_id=job.id, file_id=create_file(owner)))
        tx.session.add(Lease(name="scheduler", holder="one", taken_at=clock.now(), expires_at=clock.now()))
        tx.session.add(ScheduledRun(name="tasks.remind", next_run_at=clock.now()))
        counts = {"requests": 3, "client_errors": 1, "server_errors": 0, "milliseconds": 4.5}
        tx.session.add(RequestCount(hour=clock.now(), method="GET", route="/api/tasks/", **counts))
        tx.session.add(ActiveDay(day=clock.now().date(), user_id=owner.id))
        tx.session.add(APIToken(user_id=owner.id, name="Export", token_hash="0" * 64, scopes=["tasks:read"]))
        group = Group(name="Editors", name_key="editors")
        tx.session.add(group)
        tx.session.flush()
        tx.session.add(GroupMember(group_id=group.id, user_id=owner.id))
        tx.session.add(GroupPermission(group_id=group.id, permission="blog.edit"))
        tx.revise("people")
        fill_blog(tx.session, owner)


def fill_blog(session: Session, author: User) -> None:
    """Write a post with everything that it can have, and a media file that it uses."""
    names = {"name": "Hytte", "name_key": "hytte", "slug": "hytte"}
    title = {"title": "Blåbær", "title_key": "blabaer", "search_title": "blabaer"}
    post, tag = Post(author_id=author.id, slug="blabaer", **title), Tag(**names)
    file = {"format": "jpeg", "file_size": 638, "filename_key": "cabin.jpg", "search_title": "cabin"}
    media = MediaFile(file_id=create_file(author), uploaded_by=author.id, **file)
    session.add_all([post, tag, media])
    session.flush()
    post.featured_image_id = media.id
    session.execute(post_tags.insert().values(post_id=post.id, tag_id=tag.id))
    session.add(PostSlug(slug="blabaer", post_id=post.id))
    session.add(MediaUsage(media_id=media.id, post_id=post.id, place="gallery"))
    session.add(PostImage(post_id=post.id, media_id=media.id, position=1))
    session.add(PostAudio(post_id=post.id, file_id=create_file(author, format="mp3"), position=1))
    session.add(PostVideo(post_id=post.id, video_id="dQw4w9WgXcQ", url="https://youtu.be/dQw4w9WgXcQ", position=1))


def count_rows(table: str) -> int:
    """Return how many rows a table has."""
    return db.session.scalar(text(f"SELECT count(*) FROM {table}"))


def find(word: str) -> list[int]:
    """Return the ids of tasks that full-text search finds."""
    return list(db.session.scalars(Listing(Task, question([word], [])).ids([Key(Task.id, False)], count=0)))


def test_upgrade_from_empty_equals_the_models(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    flask_migrate.check(directory=MIGRATIONS)
    assert set(db.metadata.tables) <= tables()


def test_upgrade_twice_does_nothing_the_second_time(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    fill()
    flask_migrate.upgrade(directory=MIGRATIONS)
    assert len(find("blåbær")) == 1


def test_upgrade_names_every_constraint_as_the_models_do(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    inspector = inspect(db.engine)
    for table in db.metadata.sorted_tables:
        named = {str(each["name"]) for each in inspector.get_foreign_keys(table.name)}
        named |= {str(each["name"]) for each in inspector.get_indexes(table.name)}
        named |= {str(each["name"]) for each in inspector.get_check_constraints(table.name)}
        expected = {str(each.name) for each in table.foreign_key_constraints} | {
            str(each.name) for each in table.indexes
        }
        assert expected <= named, table.name


def test_downgrade_with_rows_leaves_nothing_and_upgrade_works_again(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    fill()
    db.session.remove()
    flask_migrate.downgrade(directory=MIGRATIONS, revision="base")
    assert tables() == set()
    flask_migrate.upgrade(directory=MIGRATIONS)
    flask_migrate.check(directory=MIGRATIONS)
    fill()
    assert len(find("blåbær")) == 1
    assert db.session.scalar(select(func.count()).select_from(EventRecord)) > 0
    assert db.session.scalar(select(func.count()).select_from(AuditEntry)) > 0


def test_downgrade_by_one_and_upgrade_keep_what_refers_to_users_and_their_rules(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    fill()
    kept = ("users", "user_sessions", "refresh_tokens", "tasks", "task_categories", "projects", "project_members")
    before = {name: count_rows(name) for name in kept}
    db.session.remove()
    flask_migrate.downgrade(directory=MIGRATIONS, revision="0001")
    assert {name: count_rows(name) for name in kept} == before
    db.session.remove()
    flask_migrate.upgrade(directory=MIGRATIONS)
    assert {name: count_rows(name) for name in kept} == before
    # What was written before there was a chain is in it now, and what comes is behind it.
    accounts.revoke_permission(name=db.session.scalar(select(User.email).limit(1)), permission="blog.publish")
    verdict = verify()
    assert (verdict.entries, verdict.broken) == (count_rows("audit_entries"), None)
    for wrong in ("role = 'king'", "profile_picture_id = 7"):
        with pytest.raises(IntegrityError):
            db.session.execute(text(f"UPDATE users SET {wrong}"))
        db.session.rollback()
    newest = db.session.scalar(text("SELECT max(id) FROM users"))
    assert create_user().id > newest


def test_every_table_is_filled_by_these_tests(empty):
    flask_migrate.upgrade(directory=MIGRATIONS)
    fill()
    unfilled = {name for name in db.metadata.tables if not count_rows(name)}
    # Written by failed sign-ins and by password resets only, and by servers while they run.
    passing = {"server_processes", "presence", "event_tickets"}
    assert unfilled == {"sign_in_failures", "password_resets"} | passing
