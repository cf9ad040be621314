"""Publishing: telling of posts that became public, at once or when their time comes."""

from __future__ import annotations

from sqlalchemy import select, update

from nxfs.blog.events import PostPublished, post_audience
from nxfs.blog.models import Post
from nxfs.blog.queries.visibility import is_public
from nxfs.core import clock
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.extensions import db
from nxfs.notifications.service.notifying import notify

MOST_AT_ONCE = 100


def is_live(post: Post) -> bool:
    """True when the post is published or scheduled: what it says is for those who may publish."""
    return post.status == "published"


def is_public_now(post: Post) -> bool:
    """True when everybody may read the post at this moment."""
    return is_live(post) and post.published_at is not None and post.published_at <= clock.now()


def settle(post: Post) -> bool:
    """Make the times of publication fit the status, and return whether the post's publication is to be told now.

    A post that is published without a time is published now. One that is taken back, or put off, will be told again.
    """
    if is_live(post) and post.published_at is None:
        post.published_at = clock.now()
    if not is_public_now(post):
        if post.status != "archived":
            post.announced_at = None
        return False
    is_news = post.announced_at is None
    if is_news:
        post.announced_at = clock.now()
    return is_news


def tell(tx: Transaction, post: Post, *, actor_id: int | None) -> None:
    """Tell everybody that the post is public, and notify its author unless that was the author's own doing."""
    heard = post_audience(post.author_id, is_public=True)
    tx.emit(PostPublished(post_id=post.id, slug=post.slug, audience=heard), actor_id=actor_id)
    changes = {"published_at": [None, post.published_at.isoformat()]} if post.published_at else None
    tx.audit("blog.post_published", actor_id=actor_id, target=post, changes=changes)
    tx.revise("blog.posts")
    # Told at once it has been announced just now; by the job it has not been announced yet, and its time has come.
    moment = post.announced_at or post.published_at
    key = f"post_published:{post.id}:{clock.to_wire(moment)}" if moment else None
    data = {"post_id": post.id, "title": post.title, "slug": post.slug}
    notify(tx, "post_published", [post.author_id], actor_id=actor_id, data=data, key=key)


def announce_due_posts() -> int:
    """Tell of the posts whose time has come since the last run, each once, and return how many there were.

    Readers do not wait for it: what they see follows from the time.
    """
    total = 0
    while _is_any_due():
        with transaction() as tx:
            told = _announce_some(tx)
        total += told
        if not told:
            break
    return total


def _is_any_due() -> bool:
    # Most runs find nothing, and shall not wait for those who write.
    is_due = db.session.scalar(select(Post.id).where(is_public(), Post.announced_at.is_(None)).limit(1)) is not None
    release_connection()
    return is_due


def _announce_some(tx: Transaction) -> int:
    due = select(Post).where(is_public(), Post.announced_at.is_(None)).order_by(Post.published_at, Post.id)
    # Another process tells of those that are locked.
    posts = tx.session.scalars(due.limit(MOST_AT_ONCE).with_for_update(skip_locked=True)).all()
    if not posts:
        return 0
    for post in posts:
        tell(tx, post, actor_id=None)
    # Not by the objects: nobody's version of the post becomes stale by its being told of.
    told = update(Post).where(Post.id.in_([post.id for post in posts]))
    told = told.values(announced_at=clock.now(), updated_at=Post.updated_at)
    tx.session.execute(told.execution_options(synchronize_session=False))
    return len(posts)
