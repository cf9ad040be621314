"""Scheduled publishing: exact in what readers see, told once, and safe across processes and restarts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from nxfs.blog.jobs import SCHEDULE
from nxfs.blog.models import Post
from nxfs.blog.service import publishing
from nxfs.core import clock
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests.factories.blog import create_post, create_tag, grant
from tests.factories.users import create_user
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person
from tests.tasks.racing import run_together

POSTS = "/api/blog/posts/"
PUBLIC = f"{POSTS}public/"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUE = START + timedelta(minutes=10)


def shown(client: FlaskClient) -> list[int]:
    """Return the ids of the public list."""
    return [post["id"] for post in client.get(PUBLIC).get_json()["results"]]


def make_due(count: int) -> list[int]:
    """Make public posts that nothing was told of yet."""
    author = create_user()
    posts = [create_post(author, public=True) for _ in range(count)]
    with transaction() as tx:
        tx.session.execute(update(Post).values(announced_at=None, updated_at=Post.updated_at))
    return posts


def test_scheduled_post_is_public_at_its_time_without_any_job(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False) as time:
        kari = Person(client)
        grant(kari.user, "blog.publish")
        tag = create_tag(kari.user)
        body = {"title": "A", "slug": "a", "status": "published", "published_at": DUE.isoformat(), "tags": [tag]}
        created = kari.post(POSTS, json=body).get_json()
        assert created["is_scheduled"] is True
        seen = client.get(PUBLIC)
        feed = client.get("/feeds/blog.rss")
        assert seen.get_json()["results"] == []
        assert client.get(f"{POSTS}by-slug/a/").status_code == 404
        time.move_to(DUE - timedelta(microseconds=1))
        assert client.get(PUBLIC, headers={"If-None-Match": seen.headers["ETag"]}).status_code == 304
        assert client.get(f"/api/blog/tags/{tag}/").get_json()["post_count"] == 0

        time.move_to(DUE)
        assert client.get(PUBLIC, headers={"If-None-Match": seen.headers["ETag"]}).status_code == 200
        assert client.get("/feeds/blog.rss", headers={"If-None-Match": feed.headers["ETag"]}).status_code == 200
        assert shown(client) == [created["id"]]
        assert client.get(f"/api/blog/tags/{tag}/").get_json()["post_count"] == 1
        found = client.get(f"{POSTS}by-slug/a/").get_json()
        assert (found["is_scheduled"], found["published_at"]) == (False, "2026-03-01T12:10:00Z")


def test_job_tells_of_a_scheduled_post_once_and_leaves_its_version(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False) as time:
        author = create_user()
        post = create_post(author, scheduled=True, published_at=DUE)
        assert publishing.announce_due_posts() == 0
        time.move_to(DUE + timedelta(seconds=2))
        before = client.get(f"{POSTS}{post}/").get_json()
        logbook = Logbook()
        list_tag = client.get(PUBLIC).headers["ETag"]

        assert publishing.announce_due_posts() == 1
        assert publishing.announce_due_posts() == 0

        assert logbook.types() == (["post_published"], ["blog.post_published"])
        (event,) = logbook.events()
        assert (event.payload["post_id"], event.audience) == (post, [f"user:{author.id}", "everybody"])
        assert event.actor_id is None
        assert client.get(f"{POSTS}{post}/").get_json() == before
        assert client.get(PUBLIC, headers={"If-None-Match": list_tag}).status_code == 200


def test_publishing_at_once_is_told_with_the_change(client: FlaskClient) -> None:
    kari = Person(client)
    grant(kari.user, "blog.publish")
    logbook = Logbook()
    post = kari.post(POSTS, json={"title": "A", "status": "published"}).get_json()
    kari.patch(f"{POSTS}{post['id']}/", json={"title": "B"})

    assert publishing.announce_due_posts() == 0
    assert logbook.types()[0] == ["post_created", "post_published", "post_updated"]
    assert post["is_scheduled"] is False


def test_post_that_was_taken_back_or_put_off_is_told_of_again(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False) as time:
        staff = Person(client, role="staff")
        url = f"{POSTS}{create_post(staff.user, public=True)}/"
        logbook = Logbook()
        for body in ({"status": "draft"}, {"status": "published"}, {"published_at": DUE.isoformat()}):
            assert staff.patch(url, json=body).status_code == 200
        time.move_to(DUE)
        # A run of the job begins without an older view of the database.
        db.session.rollback()
        assert publishing.announce_due_posts() == 1
        staff_again = Person(client, role="staff")
        for body in ({"status": "archived"}, {"status": "published"}):
            assert staff_again.patch(url, json=body).status_code == 200

        # Not after it was archived: readers have it already.
        assert logbook.types()[0].count("post_published") == 2


@pytest.mark.parametrize(
    ("before", "body", "expected"),
    [
        ({}, {"status": "published"}, START),
        ({}, {"status": "published", "published_at": None}, START),
        (
            {},
            {"status": "published", "published_at": "2026-04-01T00:00:00+02:00"},
            datetime(2026, 3, 31, 22, tzinfo=UTC),
        ),
        ({}, {"published_at": "2025-01-01T00:00:00Z"}, datetime(2025, 1, 1, tzinfo=UTC)),
        ({"scheduled": True}, {"published_at": None}, START),
        ({"scheduled": True}, {"title": "B"}, START + timedelta(hours=1)),
        ({"public": True}, {"status": "archived"}, START - timedelta(hours=1)),
        ({"public": True}, {"status": "draft"}, START - timedelta(hours=1)),
        ({"archived": True}, {"status": "published"}, START - timedelta(hours=1)),
    ],
)
def test_time_of_publication_follows_from_the_change(client: FlaskClient, before, body, expected) -> None:
    with time_machine.travel(START, tick=False):
        staff = Person(client, role="staff")
        url = f"{POSTS}{create_post(staff.user, **before)}/"

        assert staff.patch(url, json=body).get_json()["published_at"] == clock.to_wire(expected)


def test_job_tells_of_many_in_several_transactions(app: Flask) -> None:
    posts = make_due(publishing.MOST_AT_ONCE + 5)
    logbook = Logbook()

    assert publishing.announce_due_posts() == len(posts)
    assert sorted(event.payload["post_id"] for event in logbook.events()) == posts


def test_jobs_of_several_processes_tell_once(app: Flask, engine_name: str) -> None:
    posts = make_due(7)
    logbook = Logbook()

    def announce() -> int:
        with app.app_context():
            try:
                return publishing.announce_due_posts()
            finally:
                db.session.remove()

    assert sum(run_together(engine_name, [announce] * 6)) == 7
    assert sorted(event.payload["post_id"] for event in logbook.events()) == posts


@pytest.mark.usefixtures("app")
def test_job_is_due_well_within_five_seconds_and_writes_nothing_without_need() -> None:
    (job,) = SCHEDULE
    assert (job.name, job.seconds) == ("blog.announce", 2)
    logbook = Logbook()

    assert job.run() == 0

    assert logbook.types() == ([], [])
