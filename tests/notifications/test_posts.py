"""Authors are told when a post of theirs goes live without their own doing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import time_machine
from flask.testing import FlaskClient

from nxfs.blog.service import publishing
from nxfs.extensions import db
from nxfs.notifications import queries
from tests.factories.blog import create_post, grant
from tests.factories.notifications import newest_id
from tests.factories.users import create_user
from tests.notifications.inbox import count_stored, inbox, only
from tests.tasks.person import Person

POSTS = "/api/blog/posts/"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def announce() -> int:
    """Run the job as the scheduler does, without an older view of the database."""
    db.session.rollback()
    return publishing.announce_due_posts()


def test_author_is_told_once_when_a_scheduled_post_goes_live(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False) as time:
        kari = create_user(language="no")
        post = create_post(kari, scheduled=True, title="Hytte", slug="hytte")
        assert (announce(), count_stored()) == (0, 0)
        time.shift(timedelta(hours=1))

        assert (announce(), announce(), count_stored()) == (1, 0, 1)

        (pushed,) = queries.find_pushed([newest_id(kari)]).values()
        assert (pushed["type"], pushed["message"]) == ("post_published", "Innlegget ditt «Hytte» er publisert.")
        assert pushed["data"] == {"post_id": post, "title": "Hytte", "slug": "hytte", "actor_name": None}


def test_author_is_told_when_somebody_else_publishes(client: FlaskClient) -> None:
    kari, editor = Person(client), Person(client, role="staff")
    post = create_post(kari.user, title="Cabin", slug="cabin")

    editor.patch(f"{POSTS}{post}/", json={"status": "published"})

    item = only(kari)
    assert (item["type"], item["message"]) == ("post_published", "Your post “Cabin” has been published.")
    facts = {"post_id": post, "title": "Cabin", "slug": "cabin", "actor_name": editor.user.display_name}
    assert item["data"] == facts
    editor.patch(f"{POSTS}{post}/", json={"title": "Boat"})
    assert len(inbox(kari)) == 1


def test_post_that_is_published_again_is_told_of_again(client: FlaskClient) -> None:
    kari, editor = Person(client), Person(client, role="staff")
    url = f"{POSTS}{create_post(kari.user)}/"
    for status in ("published", "draft", "published"):
        assert editor.patch(url, json={"status": status}).status_code == 200

    assert [item["type"] for item in inbox(kari)] == ["post_published"] * 2


def test_author_who_publishes_is_not_told(client: FlaskClient) -> None:
    kari = Person(client)
    grant(kari.user, "blog.publish")

    kari.post(POSTS, json={"title": "A", "status": "published"})

    assert (announce(), count_stored()) == (0, 0)
