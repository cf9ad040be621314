"""Facts about posts, tags and media that others may want to hear of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nxfs.core.events import EVERYBODY, Event, audience_of


@dataclass(frozen=True, kw_only=True)
class PostCreated(Event):
    """A post was created."""

    type: ClassVar[str] = "post_created"
    post_id: int


@dataclass(frozen=True, kw_only=True)
class PostUpdated(Event):
    """Fields of a post changed; ``fields`` names them."""

    type: ClassVar[str] = "post_updated"
    post_id: int
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PostDeleted(Event):
    """A post was deleted."""

    type: ClassVar[str] = "post_deleted"
    post_id: int


@dataclass(frozen=True, kw_only=True)
class PostPublished(Event):
    """A post became public, at once or because its time had come."""

    type: ClassVar[str] = "post_published"
    post_id: int
    slug: str


@dataclass(frozen=True, kw_only=True)
class TagCreated(Event):
    """A tag was created."""

    type: ClassVar[str] = "tag_created"
    tag_id: int


@dataclass(frozen=True, kw_only=True)
class TagUpdated(Event):
    """Fields of a tag changed; ``fields`` names them."""

    type: ClassVar[str] = "tag_updated"
    tag_id: int
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TagDeleted(Event):
    """A tag was deleted; ``merged_into`` is the one that took its posts, if any."""

    type: ClassVar[str] = "tag_deleted"
    tag_id: int
    merged_into: int | None = None


@dataclass(frozen=True, kw_only=True)
class MediaUploaded(Event):
    """A file came into the media library."""

    type: ClassVar[str] = "media_uploaded"
    media_id: int


@dataclass(frozen=True, kw_only=True)
class MediaUpdated(Event):
    """What is said about a file of the media library changed."""

    type: ClassVar[str] = "media_updated"
    media_id: int


@dataclass(frozen=True, kw_only=True)
class MediaDeleted(Event):
    """A file of the media library was deleted."""

    type: ClassVar[str] = "media_deleted"
    media_id: int


def post_audience(author_id: int, *, is_public: bool) -> tuple[str, ...]:
    """Return who may hear of changes to a post: its author, and everybody when it is public."""
    return (*audience_of(user_ids=(author_id,)), *(EVERYBODY if is_public else ()))
