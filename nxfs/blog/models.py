"""Posts with their slugs, tags, pictures, recordings and videos, and the media library."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text
from sqlalchemy.orm import Mapped, mapped_column

from nxfs.core import clock
from nxfs.core.database import (
    IDS_ARE_NEVER_REUSED,
    BigIdentifier,
    Identifier,
    Moment,
    Ranked,
    SortKey,
    Timestamped,
    Versioned,
)
from nxfs.extensions import db

STATUSES = ("draft", "published", "archived")
# Where in a post a media file is used.
PLACES = ("body", "featured_image", "gallery")

post_tags = Table(
    "post_tags",
    db.metadata,
    Column("post_id", BigIdentifier, ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True),
    Column("tag_id", BigIdentifier, ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_post_tags_tag_id_post_id", "tag_id", "post_id"),
)


class Tag(Versioned, Timestamped, db.Model):
    """A tag that all authors share. Uniqueness compares ``name_key``, search reads ``search_document``."""

    __tablename__ = "tags"
    __table_args__ = (
        Index("uq_tags_slug", "slug", unique=True),
        Index("uq_tags_name_key", "name_key", unique=True),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    name: Mapped[str] = mapped_column(String(100))
    name_key: Mapped[str] = mapped_column(SortKey)
    slug: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(500), default="")
    color: Mapped[str | None] = mapped_column(String(7))
    created_by: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    search_document: Mapped[str] = mapped_column(Text, default="")


class Post(Versioned, Timestamped, db.Model):
    """A post. It is public when its status is published and ``published_at`` is not in the future.

    ``announced_at`` is set once its publication was told. ``body_html`` and ``body_html_nb`` are made from the
    Markdown whenever that changes; ``search_title`` and ``search_text`` hold the folded words of both languages.
    """

    __tablename__ = "posts"
    __table_args__ = (
        Index("ix_posts_status_published_at_id", "status", "published_at", "id"),
        Index("ix_posts_published_at_id", "published_at", "id"),
        Index("ix_posts_author_id_created_at_id", "author_id", "created_at", "id"),
        Index("ix_posts_created_at_id", "created_at", "id"),
        Index("ix_posts_updated_at_id", "updated_at", "id"),
        Index("ix_posts_title_key_id", "title_key", "id"),
        Index("ix_posts_featured_image_id", "featured_image_id"),
        Index("ix_posts_announced_at_published_at", "announced_at", "published_at"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    title: Mapped[str] = mapped_column(String(200))
    title_key: Mapped[str] = mapped_column(SortKey)
    title_nb: Mapped[str] = mapped_column(String(200), default="")
    slug: Mapped[str] = mapped_column(String(100))
    excerpt: Mapped[str] = mapped_column(Text, default="")
    excerpt_nb: Mapped[str] = mapped_column(Text, default="")
    body_markdown: Mapped[str] = mapped_column(Text, default="")
    body_markdown_nb: Mapped[str] = mapped_column(Text, default="")
    body_html: Mapped[str] = mapped_column(Text, default="")
    body_html_nb: Mapped[str] = mapped_column(Text, default="")
    meta_title: Mapped[str] = mapped_column(String(200), default="")
    meta_description: Mapped[str] = mapped_column(String(500), default="")
    status: Mapped[str] = mapped_column(Ranked(STATUSES), default="draft")
    published_at: Mapped[Moment | None]
    announced_at: Mapped[Moment | None]
    featured_image_id: Mapped[int | None] = mapped_column(ForeignKey("media_files.id", ondelete="SET NULL"))
    search_title: Mapped[str] = mapped_column(Text, default="")
    search_text: Mapped[str] = mapped_column(Text, default="")


class PostSlug(db.Model):
    """A slug that a post has or had; it stays the post's, so that old addresses find it."""

    __tablename__ = "post_slugs"
    __table_args__ = (Index("ix_post_slugs_post_id", "post_id"),)

    slug: Mapped[str] = mapped_column(String(100), primary_key=True)
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    created_at: Mapped[Moment] = mapped_column(default=clock.now)


class MediaFile(Versioned, db.Model):
    """A file of the media library, and what its owner says about it."""

    __tablename__ = "media_files"
    __table_args__ = (
        Index("uq_media_files_file_id", "file_id", unique=True),
        # With what lists are filtered by, so that they are counted and walked along without reading the wide rows.
        Index("ix_media_files_upload_date_id", "upload_date", "id", "format", "uploaded_by"),
        Index("ix_media_files_uploaded_by_upload_date_id", "uploaded_by", "upload_date", "id", "format"),
        Index("ix_media_files_file_size_id", "file_size", "id"),
        Index("ix_media_files_filename_key_id", "filename_key", "id"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    file_id: Mapped[int] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    uploaded_by: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    upload_date: Mapped[Moment] = mapped_column(default=clock.now)
    updated_at: Mapped[Moment] = mapped_column(default=clock.now, onupdate=clock.now)
    # Copies of what never changes of the file, so that a list is filtered and ordered by this table's indexes.
    format: Mapped[str] = mapped_column(String(10))
    file_size: Mapped[int] = mapped_column(db.BigInteger)
    filename_key: Mapped[str] = mapped_column(SortKey)
    description: Mapped[str] = mapped_column(String(1000), default="")
    alt_text: Mapped[str] = mapped_column(String(500), default="")
    search_title: Mapped[str] = mapped_column(Text, default="")
    search_text: Mapped[str] = mapped_column(Text, default="")


class MediaUsage(db.Model):
    """A place in a post where a media file is used, kept when the post is saved.

    The post ``opens`` the file to its readers when whoever put it there may do so: its owner, or who manages all files.
    """

    __tablename__ = "media_usages"
    __table_args__ = (Index("ix_media_usages_post_id", "post_id"),)

    media_id: Mapped[int] = mapped_column(
        BigIdentifier, ForeignKey("media_files.id", ondelete="CASCADE"), primary_key=True
    )
    post_id: Mapped[int] = mapped_column(BigIdentifier, ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    place: Mapped[str] = mapped_column(String(20), primary_key=True)
    opens: Mapped[bool] = mapped_column(Boolean, default=True)


class PostImage(db.Model):
    """A picture of a post's gallery; it lives in the media library."""

    __tablename__ = "post_images"
    __table_args__ = (
        Index("uq_post_images_post_id_media_id", "post_id", "media_id", unique=True),
        Index("ix_post_images_media_id", "media_id"),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    media_id: Mapped[int] = mapped_column(ForeignKey("media_files.id", ondelete="CASCADE"))
    alt_text: Mapped[str] = mapped_column(String(500), default="")
    caption: Mapped[str] = mapped_column(String(500), default="")
    position: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[Moment] = mapped_column(default=clock.now)


class PostAudio(db.Model):
    """A recording that belongs to a post."""

    __tablename__ = "post_audio"
    __table_args__ = (
        Index("ix_post_audio_post_id", "post_id"),
        Index("uq_post_audio_file_id", "file_id", unique=True),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    # Not cascaded: whoever deletes a post has to delete the files as well.
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="RESTRICT"))
    file_id: Mapped[int] = mapped_column(ForeignKey("files.id", ondelete="RESTRICT"))
    title: Mapped[str] = mapped_column(String(200), default="")
    duration: Mapped[float | None] = mapped_column(Double)
    position: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[Moment] = mapped_column(default=clock.now)


class PostVideo(db.Model):
    """A YouTube video that a post shows."""

    __tablename__ = "post_videos"
    __table_args__ = (
        Index("uq_post_videos_post_id_video_id", "post_id", "video_id", unique=True),
        IDS_ARE_NEVER_REUSED,
    )

    id: Mapped[Identifier]
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"))
    video_id: Mapped[str] = mapped_column(String(11))
    url: Mapped[str] = mapped_column(String(500))
    title: Mapped[str] = mapped_column(String(200), default="")
    position: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[Moment] = mapped_column(default=clock.now)
