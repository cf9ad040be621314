"""Reads of what is attached to a post: its gallery, its recordings and its videos."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select, exists, select

from nxfs.blog.errors import (
    PostAudioNotFoundError,
    PostImageNotFoundError,
    PostNotFoundError,
    PostVideoNotFoundError,
)
from nxfs.blog.models import MediaFile, Post, PostAudio, PostImage, PostVideo
from nxfs.blog.queries.visibility import sees_post
from nxfs.core.actor import Actor
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db
from nxfs.files.models import StoredFile
from nxfs.files.queries import labelled_file_columns

_IMAGES = (
    select(
        PostImage.id,
        PostImage.media_id,
        PostImage.alt_text,
        PostImage.caption,
        PostImage.position.label("order"),
        PostImage.created_at.label("upload_date"),
        StoredFile.size.label("file_size"),
        StoredFile.original_filename.label("file_name"),
        *labelled_file_columns(prefix="stored"),
    )
    .join(MediaFile, MediaFile.id == PostImage.media_id)
    .join(StoredFile, StoredFile.id == MediaFile.file_id)
    .order_by(PostImage.position, PostImage.id)
)
_AUDIO = (
    select(
        PostAudio.id,
        PostAudio.title,
        PostAudio.duration,
        PostAudio.position.label("order"),
        PostAudio.created_at.label("upload_date"),
        StoredFile.size.label("file_size"),
        StoredFile.original_filename.label("file_name"),
        *labelled_file_columns(prefix="stored"),
    )
    .join(StoredFile, StoredFile.id == PostAudio.file_id)
    .order_by(PostAudio.position, PostAudio.id)
)
_VIDEOS = select(
    PostVideo.id,
    PostVideo.url,
    PostVideo.video_id,
    PostVideo.title,
    PostVideo.position.label("order"),
).order_by(PostVideo.position, PostVideo.id)


def list_images(*, actor: Actor | None, post_id: int, filters: dict[str, Any]) -> Page:
    """Return a page of the post's gallery. Raises ``PostNotFoundError`` for a post that ``actor`` does not see."""
    return _list(_IMAGES.where(PostImage.post_id == post_id), PostImage, actor, post_id, filters)


def list_audio(*, actor: Actor | None, post_id: int, filters: dict[str, Any]) -> Page:
    """Return a page of the post's recordings. Raises ``PostNotFoundError``."""
    return _list(_AUDIO.where(PostAudio.post_id == post_id), PostAudio, actor, post_id, filters)


def list_videos(*, actor: Actor | None, post_id: int, filters: dict[str, Any]) -> Page:
    """Return a page of the post's videos. Raises ``PostNotFoundError``."""
    return _list(_VIDEOS.where(PostVideo.post_id == post_id), PostVideo, actor, post_id, filters)


def get_written_image(*, post_id: int, image_id: int) -> Row[Any]:
    """Return an image of the post's gallery for whoever has just written it."""
    row = db.session.execute(_IMAGES.where(PostImage.post_id == post_id, PostImage.id == image_id)).one_or_none()
    if row is None:
        raise PostImageNotFoundError
    return row


def get_written_audio(*, post_id: int, audio_id: int) -> Row[Any]:
    """Return a recording of the post for whoever has just written it."""
    row = db.session.execute(_AUDIO.where(PostAudio.post_id == post_id, PostAudio.id == audio_id)).one_or_none()
    if row is None:
        raise PostAudioNotFoundError
    return row


def get_written_video(*, post_id: int, video_id: int) -> Row[Any]:
    """Return a video of the post for whoever has just written it."""
    row = db.session.execute(_VIDEOS.where(PostVideo.post_id == post_id, PostVideo.id == video_id)).one_or_none()
    if row is None:
        raise PostVideoNotFoundError
    return row


def _list(rows: Select[Any], model: Any, actor: Actor | None, post_id: int, filters: dict[str, Any]) -> Page:
    if not db.session.scalar(select(exists().where(Post.id == post_id, sees_post(actor)))):
        raise PostNotFoundError
    counted = select(model.id).where(model.post_id == post_id)
    return fetch_page(rows, page=filters["page"], page_size=filters["page_size"], counted=counted)
