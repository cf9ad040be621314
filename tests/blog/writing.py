"""What tests of media ask of posts: what they use, and whether a link opens."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from sqlalchemy import select

from nxfs.auth.queries import actor_of
from nxfs.blog.models import MediaUsage, Post
from nxfs.blog.service import posts
from nxfs.extensions import db
from tests.tasks.person import Person


def change_post(editor: Person, post_id: int, **values: Any) -> None:
    """Change fields of the post as ``editor``."""
    posts.update_post(actor=actor_of(editor.user), post_id=post_id, values=values)


def post_row(post_id: int) -> Post:
    """Return the post as the database has it now."""
    db.session.rollback()
    row = db.session.get_one(Post, post_id, populate_existing=True)
    db.session.close()
    return row


def usages() -> set[tuple[int, int, str]]:
    """Return all usages: the file, the post and the place."""
    db.session.rollback()
    rows = db.session.execute(select(MediaUsage.media_id, MediaUsage.post_id, MediaUsage.place)).all()
    return {tuple(row) for row in rows}


def opens(client: FlaskClient, url: str) -> bool:
    """Return whether somebody who is not signed in can open the file at ``url``."""
    address = urlsplit(url)
    answer = client.get(f"{address.path}?{address.query}" if address.query else address.path)
    assert answer.status_code in (200, 404)
    return answer.status_code == 200
