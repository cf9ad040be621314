"""Reads of posts: one, the list of those one may edit, and the public list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, literal, literal_column, select

from nxfs.auth.models import User
from nxfs.blog.errors import PostNotFoundError, unknown_reference
from nxfs.blog.models import MediaFile, MediaUsage, Post, PostAudio, PostImage, PostSlug, PostVideo, Tag, post_tags
from nxfs.blog.queries.visibility import edits_post, is_public, sees_post
from nxfs.core import clock, search, search_index
from nxfs.core.actor import Actor
from nxfs.core.database import UtcDateTime, aggregated
from nxfs.core.names import ids_named, is_named
from nxfs.core.pagination import Page
from nxfs.core.revisions import revisions_of
from nxfs.core.search_index import FEW_ROWS, Key, Listing
from nxfs.extensions import db
from nxfs.files.models import StoredFile
from nxfs.files.queries import file_columns

DEFAULT_ORDERING = [("published_at", True)]
BY_POSITION = ("position", "id")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

# A file that the post does not open is linked to as if it were public: whether it is, is not for this post to say.
_readable_from = case((MediaUsage.opens, StoredFile.public_from), else_=literal(LONG_AGO, UtcDateTime))

# The last counts of posts by tag, under the revision of the posts that were counted.
_counts: dict[str, dict[int, int]] = {}


class PublicationKey(Key):
    """Orders by ``published_at``, as if what has none were published last of all; both engines walk an index so."""

    def clause(self) -> ColumnElement[Any]:
        """Return the element of ``ORDER BY``."""
        return self.column.desc().nulls_first() if self.is_descending else self.column.asc().nulls_last()


class PublicKey(Key):
    """Orders public posts by ``published_at``, which they all have."""

    def clause(self) -> ColumnElement[Any]:
        """Return the element of ``ORDER BY``."""
        return self.column.desc() if self.is_descending else self.column.asc()


class PublicListing(Listing):
    """Public posts: the first of its conditions is that they are."""

    def ids(self, keys: Sequence[Key], count: int) -> Select[Any]:
        """Return the statement of the ids in order, made for a list of ``count`` rows."""
        if count <= FEW_ROWS or isinstance(keys[0], PublicKey) or db.engine.dialect.name != "sqlite":
            return super().ids(keys, count)
        # SQLite cannot use an index for "+status", which leaves the one of the ordering: half a second less of 200,000.
        status = literal_column("+posts.status", Post.status.type)
        public = (status == "published") & (Post.published_at <= clock.now())
        return Listing(self.model, self.question, (public, *self.conditions[1:])).ids(keys, count)


@cache
def columns(*, has_email: bool) -> tuple[Any, ...]:
    """Return what a post is on the wire, with everything attached to it, as columns of one statement.

    ``has_email`` says whether the reader may know the author's address.
    """
    email = User.email if has_email else literal_column("NULL")
    author = {"id": User.id, "display_name": User.display_name, "email": email}
    # The field that reads these is called "picture".
    picture = {"id": StoredFile.id, **file_columns(prefix="picture")}
    image = {"id": PostImage.id, "alt_text": PostImage.alt_text, "caption": PostImage.caption}
    audio = {"id": PostAudio.id, "title": PostAudio.title, "duration": PostAudio.duration}
    video = {"id": PostVideo.id, "url": PostVideo.url, "video_id": PostVideo.video_id, "title": PostVideo.title}
    is_used = (MediaUsage.post_id == Post.id) & (MediaUsage.place == "body")
    is_in_library = StoredFile.id == MediaFile.file_id
    return (
        Post.id,
        Post.version,
        Post.title,
        Post.title_nb,
        Post.slug,
        Post.excerpt,
        Post.excerpt_nb,
        Post.body_markdown,
        Post.body_markdown_nb,
        Post.body_html,
        Post.body_html_nb,
        Post.status,
        Post.author_id,
        Post.featured_image_id,
        Post.meta_title,
        Post.meta_description,
        Post.published_at,
        Post.created_at,
        Post.updated_at,
        aggregated(
            {"id": Tag.id, "name": Tag.name, "key": Tag.name_key},
            post_tags.c.post_id == Post.id,
            Tag.id == post_tags.c.tag_id,
            order_by=("key", "id"),
        ).label("tag_rows"),
        aggregated(author, User.id == Post.author_id).label("author_rows"),
        aggregated(picture, User.id == Post.author_id, StoredFile.id == User.profile_picture_id).label("picture_rows"),
        aggregated(
            {"id": StoredFile.id, **file_columns()}, MediaFile.id == Post.featured_image_id, is_in_library
        ).label("featured_rows"),
        aggregated(
            {"id": StoredFile.id, **file_columns(), "file_public_from": _readable_from},
            is_used,
            MediaFile.id == MediaUsage.media_id,
            is_in_library,
        ).label("body_files"),
        aggregated(
            {**image, "position": PostImage.position, **file_columns()},
            PostImage.post_id == Post.id,
            MediaFile.id == PostImage.media_id,
            is_in_library,
            order_by=BY_POSITION,
        ).label("images"),
        aggregated(
            {**audio, "position": PostAudio.position, **file_columns()},
            PostAudio.post_id == Post.id,
            StoredFile.id == PostAudio.file_id,
            order_by=BY_POSITION,
        ).label("audio_files"),
        aggregated({**video, "position": PostVideo.position}, PostVideo.post_id == Post.id, order_by=BY_POSITION).label(
            "youtube_videos"
        ),
    )


def get_post(*, actor: Actor | None, post_id: int) -> Row[Any]:
    """Return the post; raise ``PostNotFoundError`` when there is none or the reader may not see it."""
    return _get(actor, Post.id == post_id)


def get_post_by_slug(*, actor: Actor | None, slug: str) -> Row[Any]:
    """Return the post that has or had the slug; raise ``PostNotFoundError`` as ``get_post`` does."""
    found = select(PostSlug.post_id).where(PostSlug.slug == slug).scalar_subquery()
    return _get(actor, Post.id == found)


def list_posts(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of the posts that ``actor`` may edit and that pass all ``filters`` (see ``PostQuerySchema``)."""
    return _list(filters, edits_post(actor), Listing, PublicationKey, me=actor.id)


def list_public_posts(*, filters: dict[str, Any]) -> Page:
    """Return a page of the public posts that pass all ``filters`` (see ``PublicPostQuerySchema``)."""
    return _list(filters, is_public(), PublicListing, PublicKey)


def public_revision() -> str:
    """Return a text that changes with everything that public posts show, at the very time when one becomes public."""
    newest = db.session.scalar(select(func.max(Post.published_at)).where(is_public()))
    return f"{revisions_of('blog.posts', 'people')} {newest}"


def count_public_posts_by_tag() -> dict[int, int]:
    """Return how many public posts have each tag, by the tags' ids; tags without any are left out.

    Counted again only when public posts have changed.
    """
    revision = public_revision()
    known = _counts.get(revision)
    if known is None:
        links = select(post_tags.c.tag_id, func.count()).join(Post, Post.id == post_tags.c.post_id)
        known = dict(db.session.execute(links.where(is_public()).group_by(post_tags.c.tag_id)).all())
        _counts.clear()
        _counts[revision] = known
    return known


def _get(actor: Actor | None, condition: ColumnElement[bool]) -> Row[Any]:
    wanted = select(*columns(has_email=actor is not None)).where(condition, sees_post(actor))
    row = db.session.execute(wanted).one_or_none()
    if row is None:
        raise PostNotFoundError
    return row


def _list(
    filters: dict[str, Any],
    visible: ColumnElement[bool],
    listing: type[Listing],
    publication: type[Key],
    *,
    me: int | None = None,
) -> Page:
    words = search.words_of(filters["search"]) if "search" in filters else None
    names = filters.get("ordering") or DEFAULT_ORDERING
    return search_index.fetch_page(
        listing(Post, search_index.question(words, ()), (visible, *_conditions(filters, me))),
        columns(has_email=me is not None),
        _keys(names, publication),
        titles_first=bool(words) and names[0][0] == "relevance",
        page=filters["page"],
        page_size=filters["page_size"],
    )


def _conditions(filters: dict[str, Any], me: int | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if "status" in filters:
        conditions.append(Post.status.in_(filters["status"]))
    if "author_id" in filters:
        # Nobody has the id 0.
        author_id = me or 0 if filters["author_id"] == "me" else int(filters["author_id"])
        conditions.append(Post.author_id == author_id)
    if "published_after" in filters:
        conditions.append(Post.published_at >= filters["published_after"])
    if "published_before" in filters:
        conditions.append(Post.published_at <= filters["published_before"])
    if "tags" in filters:
        groups = _tag_ids(filters["tags"])
        if filters["tags_match"] == "any":
            groups = [list(chain(*groups))]
        conditions += [
            Post.id.in_(select(post_tags.c.post_id).where(post_tags.c.tag_id.in_(group))) for group in groups
        ]
    return conditions


def _tag_ids(values: Sequence[str]) -> list[list[int]]:
    """Return the ids that each of ``values`` names; raise ``InvalidInputError`` for one that names no tag."""
    rows = db.session.execute(select(Tag.id, Tag.slug, Tag.name_key).where(is_named(Tag, values))).all()
    groups = [ids_named(value, rows) for value in values]
    for value, group in zip(values, groups, strict=True):
        if not group:
            raise unknown_reference("tags", value)
    return groups


def _keys(names: Sequence[tuple[str, bool]], publication: type[Key]) -> list[Key]:
    keys: list[Key] = []
    for name, is_descending in names:
        if name == "relevance":
            # Behind the titles that have all words, the newest first.
            keys.append(publication(Post.published_at, not is_descending))
        elif name == "published_at":
            keys.append(publication(Post.published_at, is_descending))
        else:
            keys.append(Key(Post.title_key if name == "title" else getattr(Post, name), is_descending))
    return [*keys, Key(Post.id, keys[-1].is_descending)]
