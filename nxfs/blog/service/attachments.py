"""Changes to what is attached to a post: its gallery, its recordings and its YouTube videos."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import delete, func, select

from nxfs.blog import policies
from nxfs.blog.errors import (
    ImageExistsError,
    PostAudioNotFoundError,
    PostImageNotFoundError,
    PostVideoNotFoundError,
    VideoExistsError,
    unknown_reference,
)
from nxfs.blog.events import PostUpdated
from nxfs.blog.models import MediaFile, Post, PostAudio, PostImage, PostVideo
from nxfs.blog.service import media as library
from nxfs.blog.service import posts, publishing, references
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.audit import difference, plain_values
from nxfs.core.errors import BusinessRuleError, InvalidInputError
from nxfs.core.messages import Text
from nxfs.core.transaction import Transaction, transaction
from nxfs.extensions import db
from nxfs.files.formats import AUDIO, IMAGE_FORMATS, IMAGES
from nxfs.files.service import removal, uploads

MOST = {PostImage: 100, PostAudio: 50, PostVideo: 50}
TOO_MANY = Text("A post can have at most {most} of these.", "Et innlegg kan ha høyst {most} av disse.")
NOT_AN_IMAGE = Text("This file of the media library is no image.", "Denne filen i mediebiblioteket er ikke et bilde.")
NOT_YOUTUBE = Text("Give the address of a YouTube video.", "Oppgi adressen til en YouTube-video.")
CONFLICTS = {
    "uq_post_images_post_id_media_id": ImageExistsError,
    "uq_post_videos_post_id_video_id": VideoExistsError,
}
YOUTUBE = frozenset({"youtube.com", "youtube-nocookie.com"})
_VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_VIDEO_PATH = re.compile(r"/(?:v|e|embed|shorts|live)/([A-Za-z0-9_-]{11})/?")


@dataclass
class Change:
    """A change to a post under way: the locked post, and what the audit log will say about it."""

    tx: Transaction
    post: Post
    field: str
    changes: dict[str, Any]


def add_image(*, actor: Actor, post_id: int, values: Mapping[str, Any]) -> int:
    """Add an image (``image``, an upload, or ``media_id``) to the post's gallery and return its id.

    An upload becomes a file of the actor's library. Raises what ``posts.lock_post`` and ``uploads.received`` raise,
    ``InvalidInputError`` for a file that is no image or not the actor's, ``ImageExistsError``, ``BusinessRuleError``.
    """
    if "media_id" in values:
        with _change(actor, post_id, "images") as change:
            return _add_to_gallery(change, _hold_image(actor, change.post, values["media_id"]), values)
    posts.require_may_change(actor, post_id)
    with uploads.received(values["image"], IMAGES, owner_id=actor.id) as received:
        with _change(actor, post_id, "images") as change:
            media = library.add_to_library(change.tx, actor, received, {"alt_text": values["alt_text"]})
            return _add_to_gallery(change, media, values)


def update_image(*, actor: Actor, post_id: int, image_id: int, values: Mapping[str, Any]) -> None:
    """Change ``alt_text``, ``caption`` or ``order`` of an image. Raises ``PostImageNotFoundError``."""
    names = {"alt_text": "alt_text", "caption": "caption", "order": "position"}
    with _change(actor, post_id, "images") as change:
        image = change.tx.session.scalar(
            select(PostImage).where(PostImage.id == image_id, PostImage.post_id == post_id)
        )
        if image is None:
            raise PostImageNotFoundError
        before = plain_values(image, tuple(names.values()))
        for field, value in values.items():
            setattr(image, names[field], value)
        change.changes |= difference(before, plain_values(image, tuple(names.values())))


def remove_images(*, actor: Actor, post_id: int, image_id: int | None = None) -> int:
    """Take one image, or all, out of the post's gallery and return how many; the library keeps the files.

    Raises ``PostNotFoundError``, ``PostImageNotFoundError``.
    """
    with _change(actor, post_id, "images") as change:
        removed = _remove(change, PostImage, PostImage.media_id, image_id)
    if image_id is not None and not removed:
        raise PostImageNotFoundError
    return len(removed)


def add_audio(*, actor: Actor, post_id: int, values: Mapping[str, Any]) -> int:
    """Add a recording (``audio``, an upload, and ``title``) to the post and return its id.

    Raises ``PostNotFoundError``, ``BusinessRuleError``, and what ``uploads.received`` raises.
    """
    posts.require_may_change(actor, post_id)
    with uploads.received(values["audio"], AUDIO, owner_id=actor.id) as received:
        with _change(actor, post_id, "audio_files") as change:
            position = _next_position(PostAudio, post_id)
            file = received.keep(change.tx)
            audio = PostAudio(post_id=post_id, file_id=file.id, duration=file.duration, position=position)
            audio.title = values["title"]
            return _add(change, audio, file.id)


def remove_audio(*, actor: Actor, post_id: int, audio_id: int | None = None) -> int:
    """Delete one recording, or all, of the post, with the files, and return how many.

    Raises ``PostNotFoundError``, ``PostAudioNotFoundError``.
    """
    with _change(actor, post_id, "audio_files") as change:
        removed = _remove(change, PostAudio, PostAudio.file_id, audio_id)
        removal.remove_files(change.tx, removed)
    if audio_id is not None and not removed:
        raise PostAudioNotFoundError
    return len(removed)


def add_video(*, actor: Actor, post_id: int, values: Mapping[str, Any]) -> int:
    """Add a YouTube video (``url``, ``title``) to the post and return its id.

    Raises ``InvalidInputError`` for another address, ``VideoExistsError``, ``BusinessRuleError``, and what
    ``posts.lock_post`` raises.
    """
    video_id = youtube_id(values["url"])
    if video_id is None:
        raise InvalidInputError(field_errors={"url": [NOT_YOUTUBE]})
    with _change(actor, post_id, "youtube_videos") as change:
        video = PostVideo(post_id=post_id, video_id=video_id, url=f"https://www.youtube.com/watch?v={video_id}")
        video.title, video.position = values["title"], _next_position(PostVideo, post_id)
        return _add(change, video, video_id)


def remove_videos(*, actor: Actor, post_id: int, video_id: int | None = None) -> int:
    """Take one YouTube video, or all, out of the post and return how many.

    Raises ``PostNotFoundError``, ``PostVideoNotFoundError``.
    """
    with _change(actor, post_id, "youtube_videos") as change:
        removed = _remove(change, PostVideo, PostVideo.video_id, video_id)
    if video_id is not None and not removed:
        raise PostVideoNotFoundError
    return len(removed)


def youtube_id(url: str) -> str | None:
    """Return the eleven characters that name the video at this address of YouTube, None for any other address."""
    try:
        address = urlsplit(url)
        host = (address.hostname or "").lower()
    except ValueError:
        return None
    if address.scheme.lower() not in ("http", "https"):
        return None
    site = re.sub(r"^(www|m|music)\.", "", host)
    if site == "youtu.be":
        return _only_id(address.path.strip("/"))
    if site not in YOUTUBE:
        return None
    in_path = _VIDEO_PATH.fullmatch(address.path)
    return in_path[1] if in_path else _only_id((parse_qs(address.query).get("v") or [""])[0])


def _only_id(text: str) -> str | None:
    return text if _VIDEO_ID.fullmatch(text) else None


@contextmanager
def _change(actor: Actor, post_id: int, field: str) -> Iterator[Change]:
    """Lock the post, let the block change what is attached to it, and tell of that if it changed anything."""
    with transaction(CONFLICTS) as tx:
        post = posts.lock_post(actor, post_id)
        change = Change(tx, post, field, {})
        yield change
        if not change.changes:
            return
        tx.session.flush()
        post.updated_at = clock.now()
        references.refresh(tx, actor, post)
        references.refresh_audio(tx, post.id)
        tx.emit(PostUpdated(post_id=post.id, fields=(field,), audience=posts.audience(post)), actor_id=actor.id)
        tx.audit("blog.post_updated", actor_id=actor.id, target=post, changes=change.changes)
        if publishing.is_live(post):
            tx.revise("blog.posts")


def _add_to_gallery(change: Change, media: MediaFile, values: Mapping[str, Any]) -> int:
    image = PostImage(post_id=change.post.id, media_id=media.id, position=_next_position(PostImage, change.post.id))
    image.alt_text, image.caption = values["alt_text"], values["caption"]
    return _add(change, image, media.id)


def _add(change: Change, attachment: Any, named: object) -> int:
    """Write a new attachment, called ``named`` in the audit log, and return its id."""
    change.tx.session.add(attachment)
    change.tx.session.flush()
    change.changes[change.field] = [None, named]
    return attachment.id


def _remove(change: Change, model: Any, named: Any, attachment_id: int | None) -> list[Any]:
    """Delete one attachment of the post, or all, and return the values of the column ``named`` that they had."""
    gone = delete(model).where(model.post_id == change.post.id)
    if attachment_id is not None:
        gone = gone.where(model.id == attachment_id)
    removed = list(change.tx.session.scalars(gone.returning(named)))
    if removed:
        change.changes[change.field] = [removed, None]
    return removed


def _next_position(model: Any, post_id: int) -> int:
    """Return the position behind all attachments of this kind; raise ``BusinessRuleError`` when there are too many."""
    known = select(func.count(model.id), func.coalesce(func.max(model.position), 0)).where(model.post_id == post_id)
    count, last = db.session.execute(known).one()
    if count >= MOST[model]:
        raise BusinessRuleError(TOO_MANY.fill(most=MOST[model]))
    return last + 1


def _hold_image(actor: Actor, post: Post, media_id: int) -> MediaFile:
    """Return an image of the library that ``actor`` may use, which stays until the transaction ends."""
    # With the files that the post uses already, in one order: those are locked anyway when the usages are stored.
    together = {media_id, *references.media_of(post.id)}
    wanted = select(MediaFile).where(MediaFile.id.in_(together)).order_by(MediaFile.id).with_for_update(key_share=True)
    media = {each.id: each for each in db.session.scalars(wanted)}.get(media_id)
    if media is None or not policies.can_manage_media(actor, media.uploaded_by):
        raise unknown_reference("media_id", media_id)
    if media.format not in IMAGE_FORMATS:
        raise InvalidInputError(field_errors={"media_id": [NOT_AN_IMAGE]})
    return media
