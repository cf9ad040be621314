"""Which files of the media library a post uses, and which of them the public may therefore read.

Locks are taken in this order: tags, posts, files of the library, each by id.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, tuple_, update

from nxfs.blog import policies
from nxfs.blog.models import MediaFile, MediaUsage, Post, PostAudio, PostImage
from nxfs.blog.service.rendering import BODIES
from nxfs.core.actor import Actor
from nxfs.core.transaction import Transaction
from nxfs.extensions import db
from nxfs.files import links
from nxfs.files.models import StoredFile

# Without its scheme and host such an address would be no link any more.
_AUTOLINK = re.compile(r"(<https?://[^\s<>]*>)")


def refresh(tx: Transaction, actor: Actor, post: Post) -> None:
    """Store anew which files the post uses, after any change to it, and which of them are public.

    The post is locked. ``post_images`` are as they shall be.
    """
    tracked = track(actor, post)
    tx.session.flush()
    store(tx, post, tracked)


def track(
    actor: Actor, post: Post, *, former_text: str | None = None, also_opened: Collection[int] = ()
) -> dict[int, bool]:
    """Return the files that the texts of the post name, each with whether it opens them; make addresses canonical.

    The post opens a file that it opens already or that is in ``also_opened``. Any other must be the actor's (or the
    actor one who manages those of all), and must not have stood in ``former_text`` (that of the post as it is, when it
    is None) without being opened: an editor who saves a post does not thereby open the files that its author named in
    it. A file that everybody may read is named without being opened: it stays as public as its owner has it.
    """
    text = text_of(post)
    standing = links.names_in(text if former_text is None else former_text)
    with db.session.no_autoflush:
        known = _find_files(links.names_in(text))
        usages = _usages_of(post.id) if known else {}
    opened = {*also_opened, *(media_id for (media_id, _), opens in usages.items() if opens)}
    used = {media_id for media_id, _ in usages}
    opens = {row.id: row.id in opened or _may_open(actor, post, row, standing) for row in known}
    tracked = {row.name: row.id for row in known if opens[row.id] or row.id in used or links.is_public(row.public_from)}
    _make_canonical(post, tracked)
    return {media_id: opens[media_id] for media_id in tracked.values()}


def store(tx: Transaction, post: Post, tracked: Mapping[int, bool]) -> None:
    """Write down where the post uses which files, ``tracked`` being those of its texts, and what is public now."""
    usages = {(media_id, "body"): opens for media_id, opens in tracked.items()}
    # Only who may open a file can put it into these places.
    if post.featured_image_id is not None:
        usages[post.featured_image_id, "featured_image"] = True
    gallery = select(PostImage.media_id).where(PostImage.post_id == post.id)
    usages |= {(media_id, "gallery"): True for media_id in tx.session.scalars(gallery)}
    before = _usages_of(post.id)
    # All at once and by id, also those that go: whoever saves another post with them waits here.
    media_ids = {media_id for media_id, _ in usages.keys() | before.keys()}
    _lock(media_ids)
    changed = dict(usages.items() - before.items())
    _delete_usages(tx, post.id, dict(before.items() - usages.items()))
    added = [
        {"media_id": media_id, "post_id": post.id, "place": place, "opens": opens}
        for (media_id, place), opens in sorted(changed.items())
    ]
    if added:
        tx.session.execute(insert(MediaUsage), added)
    refresh_publicity(tx, media_ids)
    refresh_audio(tx, post.id)


def refresh_publicity(tx: Transaction, media_ids: Iterable[int]) -> None:
    """Let everybody read each of these files from when the first published post that opens it is public."""
    wanted = _lock(media_ids)
    if not wanted:
        return
    tx.session.flush()
    earliest = (
        select(func.min(Post.published_at))
        .join(MediaUsage, MediaUsage.post_id == Post.id)
        .join(MediaFile, MediaFile.id == MediaUsage.media_id)
        .where(MediaFile.file_id == StoredFile.id, MediaUsage.opens, Post.status == "published")
    )
    of_media = select(MediaFile.file_id).where(MediaFile.id.in_(wanted))
    _publish(tx, StoredFile.id.in_(of_media), earliest)


def refresh_audio(tx: Transaction, post_id: int) -> None:
    """Let everybody read the recordings of the post from when it is public."""
    tx.session.flush()
    since = select(Post.published_at).where(Post.id == post_id, Post.status == "published")
    recordings = select(PostAudio.file_id).where(PostAudio.post_id == post_id)
    _publish(tx, StoredFile.id.in_(recordings), since)


def media_of(post_id: int) -> set[int]:
    """Return the ids of the files of the library that the post uses."""
    return {media_id for media_id, _ in _usages_of(post_id)}


def opened_by(post_id: int) -> set[int]:
    """Return the ids of the files of the library that the post opens to its readers."""
    return {media_id for (media_id, _), opens in _usages_of(post_id).items() if opens}


def text_of(post: Post) -> str:
    """Return the texts of the post in which files can be named.

    Also as HTML, since Markdown has more than one way to write an address: ``&#46;`` or ``\\.`` or ``%2E`` for a dot.
    """
    html = unquote(f"{post.body_html} {post.body_html_nb}")
    return f"{post.body_markdown} {post.body_markdown_nb} {html}"


def _publish(tx: Transaction, files: ColumnElement[bool], since: Any) -> None:
    moment = since.scalar_subquery()
    changed = update(StoredFile).where(files, StoredFile.public_from.is_distinct_from(moment))
    changed = changed.values(public_from=moment).execution_options(synchronize_session=False)
    tx.session.execute(changed)


def _lock(media_ids: Iterable[int]) -> list[int]:
    """Lock these files in the order of their ids and return the ids of those that are there."""
    wanted = sorted(set(media_ids))
    if not wanted:
        return []
    found = select(MediaFile.id).where(MediaFile.id.in_(wanted)).order_by(MediaFile.id)
    # The weaker lock, since rows that refer to a file hold on to it as well.
    return list(db.session.scalars(found.with_for_update(key_share=True)))


def _find_files(names: Collection[str]) -> list[Row[Any]]:
    if not names:
        return []
    columns = (MediaFile.id, MediaFile.uploaded_by, StoredFile.name, StoredFile.public_from)
    found = select(*columns).join(StoredFile, StoredFile.id == MediaFile.file_id).where(StoredFile.name.in_(names))
    return list(db.session.execute(found).all())


def _usages_of(post_id: int | None) -> dict[tuple[int, str], bool]:
    """Return where the post uses which files, and whether it opens them."""
    if post_id is None:
        return {}
    columns = (MediaUsage.media_id, MediaUsage.place, MediaUsage.opens)
    rows = db.session.execute(select(*columns).where(MediaUsage.post_id == post_id))
    return {(row.media_id, row.place): row.opens for row in rows}


def _delete_usages(tx: Transaction, post_id: int, usages: Collection[tuple[int, str]]) -> None:
    if usages:
        named = tuple_(MediaUsage.media_id, MediaUsage.place).in_(sorted(usages))
        tx.session.execute(delete(MediaUsage).where(MediaUsage.post_id == post_id, named))


def _may_open(actor: Actor, post: Post, file: Row[Any], standing: Collection[str]) -> bool:
    if not policies.can_manage_media(actor, file.uploaded_by):
        return False
    return file.name not in standing or file.uploaded_by == actor.id == post.author_id


def _make_canonical(post: Post, tracked: Mapping[str, int]) -> None:
    if not tracked:
        return

    def canonical(name: str, width: int | None) -> str | None:
        return links.canonical(name, width) if name in tracked else None

    for body, html in BODIES.items():
        parts = _AUTOLINK.split(getattr(post, body))
        parts[::2] = [links.replace_addresses(part, canonical) for part in parts[::2]]
        setattr(post, body, "".join(parts))
        setattr(post, html, links.replace_addresses(getattr(post, html), canonical))
