"""Posts and tags, made as their services make them, and files of the media library without bytes behind them."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import select

from nxfs.auth.models import User, UserPermission
from nxfs.auth.queries import actor_of
from nxfs.blog.models import MediaFile, Post, PostAudio, PostImage, PostVideo
from nxfs.blog.service import posts, references, tags
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.files.models import StoredFile

_numbers = count(1)


def grant(user: User, *permissions: str) -> None:
    """Give ``user`` permissions; of a session that has been used, they are seen after a second."""
    with transaction() as tx:
        tx.session.add_all(UserPermission(user_id=user.id, permission=permission) for permission in permissions)


def create_post(
    author: User, *, public: bool = False, scheduled: bool = False, archived: bool = False, **values: Any
) -> int:
    """Create a post of ``author``, a draft unless a trait says otherwise, and return its id.

    ``values`` are fields of the wire. The author needs no permission: somebody else publishes.
    """
    now = clock.now()
    traits: dict[str, Any] = {}
    if public or archived:
        traits = {"status": "published", "published_at": now - timedelta(hours=1)}
    if scheduled:
        traits = {"status": "published", "published_at": now + timedelta(hours=1)}
    defaults = {"title": f"Post {next(_numbers)}", "slug": "", "meta_title": "", "meta_description": ""}
    wanted = {**defaults, **traits, **values}
    actor = actor_of(author)
    later = {name: wanted.pop(name) for name in ("status", "published_at") if name in wanted}
    post_id = posts.create_post(actor=actor, values=wanted)
    editor = _editor(actor.id)
    if later:
        posts.update_post(actor=editor, post_id=post_id, values=later)
    if archived:
        posts.update_post(actor=editor, post_id=post_id, values={"status": "archived"})
    return post_id


def create_tag(creator: User, **values: Any) -> int:
    """Create a tag and return its id."""
    return tags.create_tag(actor=actor_of(creator), values={"name": f"Tag {next(_numbers)}", **values})


def create_media(
    uploader: User, *, format: str = "jpeg", public_from: datetime | None = None, width: int | None = 1200
) -> tuple[int, str]:
    """Create a file of the media library; return its id there and its name."""
    name = f"{secrets.token_hex(16)}.{format}"
    with transaction() as tx:
        file = _file(name, uploader, public_from=public_from, width=width)
        tx.session.add(file)
        tx.session.flush()
        media = MediaFile(
            file_id=file.id, uploaded_by=uploader.id, format=format, file_size=file.size, filename_key="cabin.jpg"
        )
        tx.session.add(media)
        tx.session.flush()
        return media.id, name


def add_image(post_id: int, media_id: int, **values: Any) -> int:
    """Put a file of the library into the gallery of a post and return the id there."""
    return _add(PostImage(post_id=post_id, media_id=media_id, **{"position": next(_numbers), **values}), post_id)


def add_audio(post_id: int, owner: User, **values: Any) -> tuple[int, str]:
    """Add a recording to a post; return its id and the name of its file."""
    name = f"{secrets.token_hex(16)}.mp3"
    with transaction() as tx:
        file = _file(name, owner, width=None)
        tx.session.add(file)
        tx.session.flush()
        audio = PostAudio(post_id=post_id, file_id=file.id, **{"position": next(_numbers), **values})
        return _add(audio, post_id), name


def add_video(post_id: int, **values: Any) -> int:
    """Add a YouTube video to a post and return its id."""
    number = next(_numbers)
    defaults = {"video_id": f"video{number:06}", "url": f"https://youtu.be/video{number:06}", "position": number}
    return _add(PostVideo(post_id=post_id, **{**defaults, **values}), post_id)


def public_from(name: str) -> datetime | None:
    """Return from when everybody may read the file."""
    db.session.rollback()
    return db.session.scalar(select(StoredFile.public_from).where(StoredFile.name == name))


def _add(attachment: Any, post_id: int) -> int:
    with transaction() as tx:
        tx.session.add(attachment)
        tx.session.flush()
        post = tx.session.get_one(Post, post_id)
        references.refresh(tx, _editor(post.author_id), post)
        tx.revise("blog.posts")
        return attachment.id


def _file(name: str, owner: User, *, width: int | None, public_from: datetime | None = None) -> StoredFile:
    return StoredFile(
        name=name,
        owner_id=owner.id,
        format=name.rpartition(".")[2],
        size=1000,
        sha256=secrets.token_hex(32),
        original_filename="cabin.jpg",
        width=width,
        height=width,
        public_from=public_from,
    )


def _editor(user_id: int) -> Actor:
    return Actor(id=user_id, role="user", username="editor", permissions=frozenset({"blog.edit", "blog.publish"}))
