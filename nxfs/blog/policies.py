"""Who may do what with posts, tags and media."""

from __future__ import annotations

from nxfs.blog.errors import PublishingForbiddenError
from nxfs.blog.models import Post, Tag
from nxfs.core.actor import Actor
from nxfs.core.errors import ForbiddenError


def can_edit_all_posts(actor: Actor) -> bool:
    """Editors see and edit the posts of all authors."""
    return "blog.edit" in actor.permissions


def can_edit_post(actor: Actor, post: Post) -> bool:
    """A post is its author's and the editors'."""
    return post.author_id == actor.id or can_edit_all_posts(actor)


def can_publish(actor: Actor) -> bool:
    """What the public sees is decided by those who may publish."""
    return "blog.publish" in actor.permissions


def can_change_tag(actor: Actor, tag: Tag) -> bool:
    """Tags are shared: only staff and the creator change one."""
    return actor.is_staff or tag.created_by == actor.id


def can_manage_media(actor: Actor, uploaded_by: int) -> bool:
    """A file of the media library is its uploader's and of those who manage the files of all."""
    return uploaded_by == actor.id or "media.manage" in actor.permissions


def require(allowed: bool) -> None:
    """Raise ``ForbiddenError`` unless ``allowed``."""
    if not allowed:
        raise ForbiddenError


def require_publishing(actor: Actor) -> None:
    """Raise ``PublishingForbiddenError`` unless the actor may publish."""
    if not can_publish(actor):
        raise PublishingForbiddenError
