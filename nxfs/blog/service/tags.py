"""Changes to tags."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import delete, insert, select

from nxfs.blog import policies
from nxfs.blog.errors import (
    MergeIntoItselfError,
    TagNameTakenError,
    TagNotFoundError,
    TagSlugTakenError,
    unknown_reference,
)
from nxfs.blog.events import TagCreated, TagDeleted, TagUpdated
from nxfs.blog.models import Post, Tag, post_tags
from nxfs.blog.service import posts
from nxfs.core import search, slugs
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.batches import Failure, find_failures, is_among, require_all
from nxfs.core.events import EVERYBODY
from nxfs.core.names import name_key
from nxfs.core.transaction import Transaction, transaction
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.extensions import db

FIELDS = ("name", "slug", "description", "color")
CONFLICTS = {"uq_tags_name_key": TagNameTakenError, "uq_tags_slug": TagSlugTakenError}


def create_tag(*, actor: Actor, values: Mapping[str, Any]) -> int:
    """Create a tag from ``values`` (see ``TagCreateSchema``) and return its id.

    A blank slug is made from the name. Raises ``TagNameTakenError``, ``TagSlugTakenError``.
    """
    with transaction(CONFLICTS) as tx:
        tag = Tag(created_by=actor.id)
        _assign(tag, values)
        tx.session.add(tag)
        tx.session.flush()
        tx.emit(TagCreated(tag_id=tag.id, audience=EVERYBODY), actor_id=actor.id)
        tx.audit("blog.tag_created", actor_id=actor.id, target=tag, changes=difference({}, plain_values(tag, FIELDS)))
        tx.revise("blog.posts")
    return tag.id


def update_tag(
    *, actor: Actor, tag_id: int, values: Mapping[str, Any], precondition: Precondition = NO_PRECONDITION
) -> None:
    """Change the fields of the tag that are in ``values``; nothing is written when they hold already.

    Raises ``TagNotFoundError``, ``ForbiddenError``, ``PreconditionFailedError`` and what ``create_tag`` does.
    """
    with transaction(CONFLICTS) as tx:
        tag = _lock_tag(tag_id)
        policies.require(policies.can_change_tag(actor, tag))
        precondition.require(tag.version)
        before = plain_values(tag, FIELDS)
        _assign(tag, values)
        changes = difference(before, plain_values(tag, FIELDS))
        if not changes:
            return
        tx.emit(TagUpdated(tag_id=tag_id, fields=tuple(changes), audience=EVERYBODY), actor_id=actor.id)
        tx.audit("blog.tag_updated", actor_id=actor.id, target=tag, changes=changes)
        tx.revise("blog.posts")


def delete_tag(*, actor: Actor, tag_id: int, precondition: Precondition = NO_PRECONDITION) -> None:
    """Delete the tag; posts lose it. Raises ``TagNotFoundError``, ``ForbiddenError``, ``PreconditionFailedError``."""
    with transaction() as tx:
        tag = _lock_tag(tag_id)
        precondition.require(tag.version)
        policies.require(policies.can_change_tag(actor, tag))
        _touch_posts([tag_id])
        _delete(tx, actor, [tag], merged_into=None)


def delete_tags(
    *, actor: Actor, tag_ids: Sequence[int], atomic: bool = False, dry_run: bool = False
) -> Sequence[Failure]:
    """Delete the tags, detach them from all posts, and return those of them that ``actor`` cannot delete.

    With ``dry_run`` nothing changes. Raises ``BatchFailedError`` with ``atomic``.
    """
    if dry_run:
        found = db.session.scalars(select(Tag).where(is_among(Tag.id, tag_ids))).all()
        return _find_failures(actor, tag_ids, found, atomic=atomic)
    with transaction() as tx:
        locked = _lock_tags(tag_ids)
        failures = _find_failures(actor, tag_ids, locked, atomic=atomic)
        failed = {failure.id for failure in failures}
        tags = [tag for tag in locked if tag.id not in failed]
        if tags:
            _touch_posts([tag.id for tag in tags])
            _delete(tx, actor, tags, merged_into=None)
    return failures


def merge_tags(*, actor: Actor, tag_id: int, source_ids: Sequence[int]) -> None:
    """Give the posts of the tags ``source_ids`` to the tag and delete those.

    Raises ``TagNotFoundError``, ``ForbiddenError``, ``MergeIntoItselfError``, or ``InvalidInputError`` for an unknown
    source.
    """
    if tag_id in source_ids:
        raise MergeIntoItselfError
    with transaction() as tx:
        locked = {tag.id: tag for tag in _lock_tags([tag_id, *source_ids])}
        if tag_id not in locked:
            raise TagNotFoundError
        for source_id in source_ids:
            if source_id not in locked:
                raise unknown_reference("source_tag_ids", source_id)
            policies.require(policies.can_change_tag(actor, locked[source_id]))
        # Their posts are locked before they are moved, so that none is deleted in between.
        _touch_posts(source_ids)
        _move_posts(source_ids, tag_id)
        _delete(tx, actor, [locked[source_id] for source_id in source_ids], merged_into=tag_id)


def _find_failures(actor: Actor, tag_ids: Sequence[int], found: Sequence[Tag], *, atomic: bool) -> Sequence[Failure]:
    may_change = partial(policies.can_change_tag, actor)
    failures = find_failures(tag_ids, found, missing=TagNotFoundError.message, may_change=may_change)
    if atomic:
        require_all(failures, language=actor.language)
    return failures


def _touch_posts(tag_ids: Collection[int]) -> None:
    tagged = select(post_tags.c.post_id).where(post_tags.c.tag_id.in_(tag_ids))
    posts.touch_posts(Post.id.in_(tagged))


def _delete(tx: Transaction, actor: Actor, tags: Sequence[Tag], *, merged_into: int | None) -> None:
    action = "blog.tag_deleted" if merged_into is None else "blog.tag_merged"
    for tag in tags:
        tx.emit(TagDeleted(tag_id=tag.id, merged_into=merged_into, audience=EVERYBODY), actor_id=actor.id)
        changes = difference(plain_values(tag, FIELDS), {"merged_into": merged_into} if merged_into else {})
        tx.audit(action, actor_id=actor.id, target=tag, changes=changes)
    gone = delete(Tag).where(Tag.id.in_([tag.id for tag in tags]))
    tx.session.execute(gone.execution_options(synchronize_session=False))
    for tag in tags:
        tx.session.expunge(tag)
    tx.revise("blog.posts")


def _move_posts(source_ids: Sequence[int], target_id: int) -> None:
    links = post_tags.c
    already = select(links.post_id).where(links.tag_id == target_id)
    moved = select(links.post_id, db.literal(target_id)).distinct()
    moved = moved.where(links.tag_id.in_(source_ids), links.post_id.not_in(already))
    db.session.execute(insert(post_tags).from_select(["post_id", "tag_id"], moved))


def _lock_tag(tag_id: int) -> Tag:
    for tag in _lock_tags([tag_id]):
        return tag
    raise TagNotFoundError


def _lock_tags(tag_ids: Collection[int]) -> Sequence[Tag]:
    """Return those of the tags that there are, locked in the order of their ids, so that nobody waits in a circle."""
    return db.session.scalars(select(Tag).where(Tag.id.in_(tag_ids)).order_by(Tag.id).with_for_update()).all()


def _assign(tag: Tag, values: Mapping[str, Any]) -> None:
    for field in FIELDS:
        if field in values and field != "slug":
            setattr(tag, field, values[field])
    if "name" in values:
        tag.name_key = name_key(tag.name)
    if values.get("slug"):
        tag.slug = values["slug"]
    elif tag.slug is None or "slug" in values:
        tag.slug = _free_slug(tag)
    tag.search_document = search.document_of(tag.name, tag.slug, tag.description)


def _free_slug(tag: Tag) -> str:
    stem = slugs.slug_of(tag.name) or "tag"
    with db.session.no_autoflush:
        similar = db.session.scalars(select(Tag.slug).where(slugs.is_similar(Tag.slug, stem)))
        return slugs.free_slug(stem, taken=set(similar) - {tag.slug})
