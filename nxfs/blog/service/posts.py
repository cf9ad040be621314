"""Changes to posts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import ColumnElement, delete, insert, select, update

from nxfs.blog import policies
from nxfs.blog.errors import PostNotFoundError, PostSlugTakenError, unknown_reference
from nxfs.blog.events import PostCreated, PostDeleted, PostUpdated, post_audience
from nxfs.blog.models import MediaFile, Post, PostAudio, PostSlug, Tag, post_tags
from nxfs.blog.queries.visibility import edits_post, sees_post
from nxfs.blog.service import publishing, references, rendering
from nxfs.blog.service.rendering import BODIES, TEXTS, Derived
from nxfs.core import clock, slugs
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.errors import ConflictError
from nxfs.core.messages import Text
from nxfs.core.names import copy_name
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.extensions import db
from nxfs.files.models import StoredFile
from nxfs.files.service import removal

FIELDS = (*TEXTS, "slug", "status", "published_at", "featured_image_id", "meta_title", "meta_description")
CONFLICTS = {"pk_post_slugs": PostSlugTakenError}
LONGEST_TITLE = 200
# How often a change starts anew because somebody else saved the post, or took its slug, in the meantime.
MOST_ATTEMPTS = 5
SAVED_MEANWHILE = Text("Somebody else is saving this post. Try again.", "Noen andre lagrer innlegget. Prøv igjen.")


class _SavedMeanwhileError(Exception):
    """The post no longer has the texts that were there when the new ones were rendered."""


def create_post(*, actor: Actor, values: Mapping[str, Any]) -> int:
    """Create a post of ``actor`` from ``values`` (see ``PostCreateSchema``) and return its id.

    A blank slug is made from the title. Raises ``PublishingForbiddenError``, ``PostSlugTakenError``, or
    ``InvalidInputError`` for a tag or an image that the actor cannot use.
    """
    values = {**dict.fromkeys(TEXTS, ""), **values}
    # No connection of the pool is held while a thread works.
    release_connection()
    derived = rendering.derive(values, {})
    for _ in range(MOST_ATTEMPTS):
        try:
            return _create(actor, values, derived)
        except PostSlugTakenError:
            # Somebody else has just taken the slug that was free for this title; another one is.
            if values.get("slug"):
                raise
    raise PostSlugTakenError


def update_post(
    *, actor: Actor, post_id: int, values: Mapping[str, Any], precondition: Precondition = NO_PRECONDITION
) -> None:
    """Change the fields of the post that are in ``values``; nothing is written when they hold already.

    Raises ``PostNotFoundError``, ``ForbiddenError``, ``PreconditionFailedError`` and what ``create_post`` does.
    """
    for _ in range(MOST_ATTEMPTS):
        derived = rendering.derive(values, _find_texts(actor, post_id)) if values.keys() & set(TEXTS) else None
        try:
            with transaction(CONFLICTS) as tx:
                tag_ids = _hold_tags(values["tags"]) if "tags" in values else None
                post = lock_post(actor, post_id)
                precondition.require(post.version)
                if derived is not None and derived.present != _texts_of(post):
                    # Raised, so that nothing stays locked while they are rendered again.
                    raise _SavedMeanwhileError
                _update(tx, actor, post, values, derived, tag_ids)
            return
        except _SavedMeanwhileError:
            continue
        except PostSlugTakenError:
            # As in ``create_post``.
            if values.get("slug"):
                raise
    raise ConflictError(SAVED_MEANWHILE)


def delete_post(*, actor: Actor, post_id: int, precondition: Precondition = NO_PRECONDITION) -> None:
    """Delete the post with its slugs and recordings; pictures stay in the library.

    Raises ``PostNotFoundError``, ``ForbiddenError``, ``PreconditionFailedError``.
    """
    with transaction() as tx:
        post = lock_post(actor, post_id)
        precondition.require(post.version)
        tx.emit(PostDeleted(post_id=post.id, audience=audience(post)), actor_id=actor.id)
        changes = _shortened(difference(plain_values(post, FIELDS) | {"tags": _tags_of(post_id)}, {}))
        tx.audit("blog.post_deleted", actor_id=actor.id, target=post, changes=changes)
        _revise(tx, post)
        media_ids = references.media_of(post_id)
        of_post = delete(PostAudio).where(PostAudio.post_id == post_id).returning(PostAudio.file_id)
        recordings = list(tx.session.scalars(of_post))
        tx.session.delete(post)
        tx.session.flush()
        references.refresh_publicity(tx, media_ids)
        removal.remove_files(tx, recordings)


def duplicate_post(*, actor: Actor, post_id: int) -> int:
    """Create a draft with the texts, tags and featured image of the post, owned by ``actor``, and return its id.

    The gallery, recordings and videos are not copied. Raises ``PostNotFoundError``, ``ForbiddenError``.
    """
    for _ in range(MOST_ATTEMPTS):
        # As in ``create_post``.
        with suppress(PostSlugTakenError):
            return _duplicate(actor, post_id)
    raise PostSlugTakenError


def touch_posts(condition: ColumnElement[bool]) -> None:
    """Count up the versions of many posts in one statement, as an update of each would."""
    # Locked in one order, so that two such statements cannot wait for each other.
    locked = select(Post.id).where(condition).order_by(Post.id).with_for_update().correlate(None)
    touch = update(Post).where(Post.id.in_(locked)).values(version=Post.version + 1, updated_at=clock.now())
    db.session.execute(touch.execution_options(synchronize_session=False))


def lock_post(actor: Actor, post_id: int) -> Post:
    """Return the post, locked until the transaction ends, for a change that ``actor`` may make.

    Raises ``PostNotFoundError``, ``ForbiddenError``, and ``PublishingForbiddenError`` when the post is published or
    scheduled and the actor may not publish.
    """
    return _require_change(actor, db.session.scalar(_select(actor, post_id).with_for_update(of=Post)))


def require_may_change(actor: Actor, post_id: int) -> None:
    """Raise what ``lock_post`` does, before work that is in vain otherwise; outside of transactions."""
    try:
        _require_change(actor, db.session.scalar(_select(actor, post_id)))
    finally:
        # No connection of the pool is held during that work.
        release_connection()


def audience(post: Post) -> tuple[str, ...]:
    """Return who may hear of changes to the post."""
    return post_audience(post.author_id, is_public=publishing.is_public_now(post))


def _create(actor: Actor, values: Mapping[str, Any], derived: Derived) -> int:
    with transaction(CONFLICTS) as tx:
        tag_ids = _hold_tags(values.get("tags", ()))
        post = Post(author_id=actor.id, status="draft")
        _require_image(actor, post, values)
        _assign(post, values, derived)
        return _insert(tx, actor, post, tag_ids)


def _duplicate(actor: Actor, post_id: int) -> int:
    with transaction(CONFLICTS) as tx:
        original = _find(actor, post_id)
        tag_ids = _hold_tags(_tags_of(post_id), named_by_actor=False)
        copy = Post(author_id=actor.id, status="draft")
        for field in (*TEXTS, *BODIES.values(), "search_text", "meta_title", "meta_description", "featured_image_id"):
            setattr(copy, field, getattr(original, field))
        copy.title = copy_name(original.title, language=actor.language, longest=LONGEST_TITLE)
        for column, value in rendering.titles(copy.title, copy.title_nb).items():
            setattr(copy, column, value)
        copy.slug = _free_slug(copy)
        # The copy opens what the original opens, and nothing else that it merely names.
        opened, text = references.opened_by(post_id), references.text_of(copy)
        return _insert(tx, actor, copy, tag_ids, former_text=text, also_opened=opened)


def _insert(
    tx: Transaction,
    actor: Actor,
    post: Post,
    tag_ids: list[int],
    *,
    former_text: str = "",
    also_opened: Collection[int] = (),
) -> int:
    if publishing.is_live(post) or post.published_at is not None:
        policies.require_publishing(actor)
    is_news = publishing.settle(post)
    tracked = references.track(actor, post, former_text=former_text, also_opened=also_opened)
    tx.session.add(post)
    tx.session.flush()
    tx.session.add(PostSlug(slug=post.slug, post_id=post.id))
    _link_tags(post.id, tag_ids)
    references.store(tx, post, tracked)
    tx.emit(PostCreated(post_id=post.id, audience=audience(post)), actor_id=actor.id)
    changes = _shortened(difference({}, plain_values(post, FIELDS) | {"tags": tag_ids}))
    tx.audit("blog.post_created", actor_id=actor.id, target=post, changes=changes)
    _revise(tx, post)
    if is_news:
        publishing.tell(tx, post, actor_id=actor.id)
    return post.id


def _update(
    tx: Transaction,
    actor: Actor,
    post: Post,
    values: Mapping[str, Any],
    derived: Derived | None,
    tag_ids: list[int] | None,
) -> None:
    heard_before = audience(post)
    before = plain_values(post, FIELDS) | {"tags": _tags_of(post.id)}
    former_text = references.text_of(post)
    _revise(tx, post)
    with tx.session.no_autoflush:
        _require_image(actor, post, values)
        _assign(post, values, derived)
        is_news = publishing.settle(post)
        tracked = references.track(actor, post, former_text=former_text)
    changes = difference(before, plain_values(post, FIELDS) | {"tags": before["tags"] if tag_ids is None else tag_ids})
    if not changes:
        tx.session.expire(post)
        return
    if publishing.is_live(post) or "published_at" in changes:
        policies.require_publishing(actor)
    post.updated_at = clock.now()
    if "slug" in changes:
        _keep_slug(tx, post)
    if "tags" in changes:
        tx.session.execute(delete(post_tags).where(post_tags.c.post_id == post.id))
        _link_tags(post.id, tag_ids or ())
    tx.session.flush()
    references.store(tx, post, tracked)
    heard = tuple(dict.fromkeys((*heard_before, *audience(post))))
    tx.emit(PostUpdated(post_id=post.id, fields=tuple(changes), audience=heard), actor_id=actor.id)
    tx.audit("blog.post_updated", actor_id=actor.id, target=post, changes=_shortened(changes))
    _revise(tx, post)
    if is_news:
        publishing.tell(tx, post, actor_id=actor.id)


def _revise(tx: Transaction, post: Post) -> None:
    """Give the public lists a new revision if the post is in them, or will be."""
    if publishing.is_live(post):
        tx.revise("blog.posts")


def _select(actor: Actor, post_id: int) -> Any:
    return select(Post).where(Post.id == post_id, sees_post(actor))


def _find(actor: Actor, post_id: int) -> Post:
    """Return the post, which ``actor`` may edit. Raises ``PostNotFoundError``, ``ForbiddenError``."""
    post = db.session.scalar(_select(actor, post_id))
    if post is None:
        raise PostNotFoundError
    policies.require(policies.can_edit_post(actor, post))
    return post


def _require_change(actor: Actor, post: Post | None) -> Post:
    if post is None:
        raise PostNotFoundError
    policies.require(policies.can_edit_post(actor, post))
    if publishing.is_live(post):
        policies.require_publishing(actor)
    return post


def _find_texts(actor: Actor, post_id: int) -> dict[str, str]:
    """Return the present texts of the post; of none that is not there or that ``actor`` may not edit."""
    columns = [getattr(Post, field) for field in TEXTS]
    row = db.session.execute(select(*columns).where(Post.id == post_id, edits_post(actor))).one_or_none()
    # No connection of the pool is held while a thread works.
    release_connection()
    return dict(row._mapping) if row else {}


def _texts_of(post: Post) -> dict[str, str]:
    return {field: getattr(post, field) for field in TEXTS}


def _assign(post: Post, values: Mapping[str, Any], derived: Derived | None) -> None:
    for field in FIELDS:
        if field in values and field != "slug":
            setattr(post, field, values[field])
    for column, value in (derived.columns if derived else {}).items():
        setattr(post, column, value)
    if values.get("slug"):
        post.slug = values["slug"]
    elif post.slug is None or "slug" in values:
        post.slug = _free_slug(post)


def _free_slug(post: Post) -> str:
    """Return a slug made of the title that no other post has or had."""
    stem = slugs.slug_of(post.title) or "post"
    with db.session.no_autoflush:
        others = select(PostSlug.slug).where(slugs.is_similar(PostSlug.slug, stem))
        if post.id is not None:
            others = others.where(PostSlug.post_id != post.id)
        return slugs.free_slug(stem, taken=set(db.session.scalars(others)))


def _keep_slug(tx: Transaction, post: Post) -> None:
    """Write the slug into the history of the post, unless it is one of its former ones."""
    owner = tx.session.scalar(select(PostSlug.post_id).where(PostSlug.slug == post.slug))
    if owner is None:
        tx.session.add(PostSlug(slug=post.slug, post_id=post.id))
    elif owner != post.id:
        raise PostSlugTakenError


def _hold_tags(tag_ids: Iterable[int], *, named_by_actor: bool = True) -> list[int]:
    """Return the ids in order; the tags stay until the transaction ends. Raises ``InvalidInputError`` for no such."""
    wanted = set(tag_ids)
    if not wanted:
        return []
    found = select(Tag.id).where(Tag.id.in_(wanted)).order_by(Tag.id).with_for_update(read=True, key_share=True)
    held = list(db.session.scalars(found))
    missing = wanted - set(held)
    if missing and named_by_actor:
        raise unknown_reference("tags", min(missing))
    return held


def _tags_of(post_id: int) -> list[int]:
    linked = select(post_tags.c.tag_id).where(post_tags.c.post_id == post_id)
    return list(db.session.scalars(linked.order_by(post_tags.c.tag_id)))


def _link_tags(post_id: int, tag_ids: Iterable[int]) -> None:
    links = [{"post_id": post_id, "tag_id": tag_id} for tag_id in tag_ids]
    if links:
        db.session.execute(insert(post_tags), links)


def _require_image(actor: Actor, post: Post, values: Mapping[str, Any]) -> None:
    """Raise ``InvalidInputError`` unless the post may have the featured image that ``values`` name."""
    media_id = values.get("featured_image_id")
    if media_id in (None, post.featured_image_id):
        return
    image = select(MediaFile.uploaded_by, StoredFile.width).join(StoredFile, StoredFile.id == MediaFile.file_id)
    row = db.session.execute(image.where(MediaFile.id == media_id)).one_or_none()
    is_usable = row is not None and (
        policies.can_manage_media(actor, row.uploaded_by)
        or (post.id is not None and media_id in references.opened_by(post.id))
    )
    if row is None or not is_usable or row.width is None:
        raise unknown_reference("featured_image_id", media_id)


def _shortened(changes: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Return ``changes`` with the lengths of the bodies in the place of the bodies."""
    return {
        name: [value if value is None else f"{len(value)} characters" for value in values] if name in BODIES else values
        for name, values in changes.items()
    }
