"""Which posts a reader sees, and which an actor may edit."""

from __future__ import annotations

from sqlalchemy import ColumnElement, or_, true

from nxfs.blog import policies
from nxfs.blog.models import Post
from nxfs.core import clock
from nxfs.core.actor import Actor


def is_public() -> ColumnElement[bool]:
    """Return the condition that everybody may read a row of ``posts`` at this moment: no job has to make it so."""
    return (Post.status == "published") & (Post.published_at <= clock.now())


def edits_post(actor: Actor) -> ColumnElement[bool]:
    """Return the condition that ``actor`` may edit a row of ``posts``: as its author or as an editor."""
    return true() if policies.can_edit_all_posts(actor) else Post.author_id == actor.id


def sees_post(actor: Actor | None) -> ColumnElement[bool]:
    """Return the condition that ``actor``, or somebody who is not signed in, sees a row of ``posts``."""
    return is_public() if actor is None else or_(is_public(), edits_post(actor))
