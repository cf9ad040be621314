"""Changes to the media library. A file that is deleted takes every reference to it along, in one transaction.

Locks are taken in this order: posts by id, files of the library by id, stored files. Whoever saves a post holds it
before the files that it uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sqlalchemy import delete, select

from nxfs.auth.models import User
from nxfs.blog.errors import MediaNotFoundError
from nxfs.blog.events import MediaDeleted, MediaUpdated, MediaUploaded, PostUpdated
from nxfs.blog.models import MediaFile, MediaUsage, Post, PostImage
from nxfs.blog.queries.media import sees_media
from nxfs.blog.service import posts, publishing, rendering
from nxfs.blog.service.unlinking import spelled_out, unlink
from nxfs.core import clock, search
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.errors import APIError, ConflictError
from nxfs.core.events import audience_of
from nxfs.core.threads import run_long_in_thread
from nxfs.core.transaction import Transaction, release_connection, transaction
from nxfs.core.uploads import Upload
from nxfs.core.versions import NO_PRECONDITION, Precondition
from nxfs.extensions import db
from nxfs.files.formats import LIBRARY
from nxfs.files.models import StoredFile
from nxfs.files.service import quota, removal, uploads
from nxfs.files.service.uploads import Received

AUDITED = ("file_id", "format", "file_size", "uploaded_by", "description", "alt_text")
# How often a deletion starts anew because posts were saved in the meantime.
ATTEMPTS = 5


class _SavedMeanwhileError(Exception):
    """The posts are no longer those whose texts were made anew."""


@dataclass(frozen=True)
class Uploaded:
    """What became of one of several files: its id in the library, or why it was refused."""

    original_filename: str
    media_id: int | None = None
    error: APIError | None = None


@dataclass(frozen=True)
class Rewritten:
    """The texts of a post without the file, made of those that ``version`` of the post has."""

    version: int
    texts: Mapping[str, str]


def upload_media(*, actor: Actor, upload: Upload, values: Mapping[str, Any]) -> int:
    """Inspect and keep ``upload`` as a file of ``actor`` and return its id.

    ``values`` may have ``description`` and ``alt_text``. Raises what ``uploads.received`` raises.
    """
    with uploads.received(upload, LIBRARY, owner_id=actor.id) as received, transaction() as tx:
        media = add_to_library(tx, actor, received, values)
    return media.id


def upload_many(*, actor: Actor, files: Sequence[Upload], values: Mapping[str, Any]) -> list[Uploaded]:
    """Keep each of ``files`` as a file of ``actor``, or tell why not; one that is refused does not touch the others."""
    with ExitStack() as receiving:
        # All are inspected before one transaction keeps them, which nothing may hold up.
        arrived = [_receive(receiving, actor, upload) for upload in files]
        kept = _keep_what_fits(actor, [each for each in arrived if isinstance(each, Received)], values)
    return [
        _uploaded(upload, kept[each.name] if isinstance(each, Received) else each)
        for upload, each in zip(files, arrived, strict=True)
    ]


def add_to_library(tx: Transaction, actor: Actor, received: Received, values: Mapping[str, Any]) -> MediaFile:
    """Keep an inspected upload as a file of the library when ``tx`` commits."""
    file = received.keep(tx)
    media = MediaFile(
        file_id=file.id,
        uploaded_by=actor.id,
        format=file.format,
        file_size=file.size,
        filename_key=search.sort_key(file.original_filename),
        search_title=search.document_of(file.original_filename),
    )
    _assign(media, {"description": "", "alt_text": "", **values})
    tx.session.add(media)
    tx.session.flush()
    tx.emit(MediaUploaded(media_id=media.id, audience=_audience(media)), actor_id=actor.id)
    changes = difference({}, plain_values(media, AUDITED))
    tx.audit("blog.media_uploaded", actor_id=actor.id, target=media, changes=changes)
    return media


def update_media(
    *, actor: Actor, media_id: int, values: Mapping[str, Any], precondition: Precondition = NO_PRECONDITION
) -> None:
    """Change what is said about the file; nothing is written when it says that already.

    Raises ``MediaNotFoundError``, ``PreconditionFailedError``.
    """
    with transaction() as tx:
        media = _lock_media(actor, media_id)
        precondition.require(media.version)
        before = plain_values(media, AUDITED)
        _assign(media, values)
        changes = difference(before, plain_values(media, AUDITED))
        if not changes:
            return
        tx.emit(MediaUpdated(media_id=media.id, audience=_audience(media)), actor_id=actor.id)
        tx.audit("blog.media_updated", actor_id=actor.id, target=media, changes=changes)


def delete_media(*, actor: Actor, media_id: int, precondition: Precondition = NO_PRECONDITION) -> None:
    """Delete the file, its derivatives, and every reference to it in posts, also in those of others.

    The texts of the posts are made anew outside of the transaction, and again when a post was saved in the meantime.
    Raises ``MediaNotFoundError``, ``PreconditionFailedError``, ``ConflictError`` when posts never stop being saved.
    """
    for _ in range(ATTEMPTS):
        rewritten = _rewrite_posts(actor, media_id)
        with suppress(_SavedMeanwhileError):
            return _delete(actor, media_id, rewritten, precondition)
    raise ConflictError


def _receive(receiving: ExitStack, actor: Actor, upload: Upload) -> Received | APIError:
    try:
        return receiving.enter_context(uploads.received(upload, LIBRARY, owner_id=actor.id))
    except APIError as error:
        return error


def _uploaded(upload: Upload, outcome: int | APIError) -> Uploaded:
    name = uploads.clean_filename(upload.filename)
    return Uploaded(name, error=outcome) if isinstance(outcome, APIError) else Uploaded(name, media_id=outcome)


def _keep_what_fits(actor: Actor, arrived: Sequence[Received], values: Mapping[str, Any]) -> dict[str, int | APIError]:
    """Keep those for which there is room, and return their ids, or why there is none, by their generated names."""
    if not arrived:
        return {}
    with transaction() as tx:
        # Before the quota is locked, as everybody does: the new rows refer to the user.
        tx.session.execute(select(User.id).where(User.id == actor.id).with_for_update(read=True, key_share=True))
        refusals = quota.refuse_beyond(tx, actor.id, [each.findings["size"] for each in arrived])
        return {
            each.name: refusal or add_to_library(tx, actor, each, values).id
            for each, refusal in zip(arrived, refusals, strict=True)
        }


def _assign(media: MediaFile, values: Mapping[str, Any]) -> None:
    for field, value in values.items():
        setattr(media, field, value)
    media.search_text = search.document_of(media.description, media.alt_text)


def _lock_media(actor: Actor, media_id: int) -> MediaFile:
    wanted = select(MediaFile).where(MediaFile.id == media_id, sees_media(actor))
    media = db.session.scalar(wanted.with_for_update())
    if media is None:
        raise MediaNotFoundError
    return media


def _audience(media: MediaFile) -> tuple[str, ...]:
    return audience_of(user_ids=(media.uploaded_by,))


def _rewrite_posts(actor: Actor, media_id: int) -> dict[int, Rewritten]:
    """Return the texts that the posts which use the file have without it, by the posts' ids."""
    named = select(StoredFile.name).join(MediaFile, MediaFile.file_id == StoredFile.id)
    name = db.session.scalar(named.where(MediaFile.id == media_id, sees_media(actor)))
    if name is None:
        raise MediaNotFoundError
    fields = (*rendering.TEXTS, *rendering.BODIES.values())
    columns = (Post.id, Post.version, *(getattr(Post, field) for field in fields))
    rows = db.session.execute(select(*columns).where(Post.id.in_(_select_post_ids(media_id)))).mappings().all()
    # No connection of the pool is held while a thread works.
    release_connection()
    return {row["id"]: Rewritten(row["version"], _without_file(row, name)) for row in rows}


def _without_file(present: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return the columns of a post that change when the file ``name`` goes from its texts."""
    named = [body for body, html in rendering.BODIES.items() if name in present[body] or name in unquote(present[html])]
    texts = {body: run_long_in_thread(_unlinked, present[body], name) for body in named}
    derived = rendering.derive(texts, {field: present[field] for field in rendering.TEXTS})
    return {**texts, **derived.columns}


def _unlinked(markdown: str, name: str) -> str:
    """Return the text without the file ``name``, also where its address is written in an odd way."""
    text = unlink(markdown, name)
    return unlink(spelled_out(text), name) if name in unquote(rendering.render(text)) else text


def _select_post_ids(media_id: int) -> Any:
    used = select(MediaUsage.post_id).where(MediaUsage.media_id == media_id)
    featured = select(Post.id).where(Post.featured_image_id == media_id)
    shown = select(PostImage.post_id).where(PostImage.media_id == media_id)
    return used.union(featured, shown)


def _delete(actor: Actor, media_id: int, rewritten: Mapping[int, Rewritten], precondition: Precondition) -> None:
    """Delete the file; raise ``_SavedMeanwhileError`` unless its posts are as ``rewritten`` knows them."""
    with transaction() as tx:
        known = select(Post).where(Post.id.in_(rewritten)).order_by(Post.id).with_for_update()
        affected = tx.session.scalars(known).all()
        media = _lock_media(actor, media_id)
        precondition.require(media.version)
        present = set(tx.session.scalars(_select_post_ids(media_id)))
        if present != rewritten.keys() or any(post.version != rewritten[post.id].version for post in affected):
            # Raised, so that nothing stays locked while their texts are made anew.
            raise _SavedMeanwhileError
        galleries = set(
            tx.session.scalars(delete(PostImage).where(PostImage.media_id == media_id).returning(PostImage.post_id))
        )
        tx.session.execute(delete(MediaUsage).where(MediaUsage.media_id == media_id))
        for post in affected:
            _take_out(tx, actor, post, media_id, rewritten[post.id].texts, had_in_gallery=post.id in galleries)
        tx.emit(MediaDeleted(media_id=media.id, audience=_audience(media)), actor_id=actor.id)
        changes = difference(plain_values(media, AUDITED), {})
        tx.audit("blog.media_deleted", actor_id=actor.id, target=media, changes=changes)
        tx.session.flush()
        tx.session.delete(media)
        removal.remove_files(tx, [media.file_id])
        if any(publishing.is_live(post) for post in affected):
            tx.revise("blog.posts")


def _take_out(
    tx: Transaction, actor: Actor, post: Post, media_id: int, texts: Mapping[str, str], *, had_in_gallery: bool
) -> None:
    """Change one post that loses the file."""
    before = _audited(post)
    for column, text in texts.items():
        setattr(post, column, text)
    if post.featured_image_id == media_id:
        post.featured_image_id = None
    post.updated_at = clock.now()
    changes = difference(before, _audited(post))
    if had_in_gallery:
        changes["images"] = [media_id, None]
    tx.emit(PostUpdated(post_id=post.id, fields=tuple(changes), audience=posts.audience(post)), actor_id=actor.id)
    tx.audit("blog.post_updated", actor_id=actor.id, target=post, changes=changes)


def _audited(post: Post) -> dict[str, Any]:
    """Return what the post may lose with a file, as the audit log has it."""
    bodies = {body: f"{len(getattr(post, body))} characters" for body in rendering.BODIES}
    return {**bodies, "featured_image_id": post.featured_image_id}
