"""The published posts as RSS, Atom and a sitemap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from feedgen.feed import FeedGenerator

from nxfs.blog.schemas.posts import html_with_links
from nxfs.core import clock
from nxfs.core.api import fields
from nxfs.core.api.schema import Schema

LANGUAGES = ("en", "no")
TITLES = {"en": "NXFS blog", "no": "NXFS-bloggen"}
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
# Feeds of no posts have a time all the same.
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class FeedQuerySchema(Schema):
    """Which language."""

    lang = fields.Choice(
        LANGUAGES,
        load_default="en",
        metadata={"example": "no", "description": "Texts that a post has not got are in the other language."},
    )


@dataclass(frozen=True)
class Entry:
    """A post in the language of a feed."""

    id: int
    slug: str
    title: str
    summary: str
    content: str
    author: str
    tags: tuple[str, ...]
    published_at: datetime
    updated_at: datetime


def entry_of(post: Any, language: str) -> Entry:
    """Return the entry of a post that was read with everything attached to it; its texts are as they were written."""
    return Entry(
        id=post.id,
        slug=post.slug,
        title=_text(post, "title", language),
        summary=_text(post, "excerpt", language),
        content=html_with_links(_text(post, "body_html", language), post.body_files),
        author=post.author_rows[0]["display_name"],
        tags=tuple(tag["name"] for tag in post.tag_rows),
        published_at=post.published_at,
        updated_at=max(post.updated_at, post.published_at),
    )


def rss(entries: Sequence[Entry], *, language: str, site: str, address: str) -> bytes:
    """Return the entries as RSS 2.0. ``site`` is the address of the front end, ``address`` that of the feed."""
    return _feed(entries, language, site, address).rss_str()


def atom(entries: Sequence[Entry], *, language: str, site: str, address: str) -> bytes:
    """Return the entries as Atom. ``site`` is the address of the front end, ``address`` that of the feed."""
    return _feed(entries, language, site, address).atom_str()


def sitemap(posts: Sequence[Any], *, site: str) -> bytes:
    """Return the addresses of the posts at the front end ``site`` for search engines."""
    root = ElementTree.Element("urlset", xmlns=SITEMAP)
    for post in posts:
        url = ElementTree.SubElement(root, "url")
        ElementTree.SubElement(url, "loc").text = _address_of(post, site)
        changed = max(post.updated_at, post.published_at)
        ElementTree.SubElement(url, "lastmod").text = clock.to_wire(changed.replace(microsecond=0))
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def _feed(entries: Sequence[Entry], language: str, site: str, address: str) -> FeedGenerator:
    feed = FeedGenerator()
    feed.load_extension("dc", atom=False)
    feed.id(address)
    feed.title(TITLES[language])
    feed.description(TITLES[language])
    # RSS takes the last one as the address of what the feed is about.
    feed.link(href=address, rel="self")
    feed.link(href=f"{site}/blog", rel="alternate")
    feed.language(language)
    updated = max((entry.updated_at for entry in entries), default=LONG_AGO)
    feed.updated(updated)
    feed.lastBuildDate(updated)
    for entry in entries:
        _add_entry(feed, _cleaned(entry), site)
    return feed


def _add_entry(feed: FeedGenerator, entry: Entry, site: str) -> None:
    item = feed.add_entry(order="append")
    # Stays the same when the slug changes.
    identity = f"tag:{urlsplit(site).hostname},2025:blog/posts/{entry.id}"
    item.id(identity)
    item.guid(identity, permalink=False)
    item.link(href=_address_of(entry, site), rel="alternate")
    item.title(entry.title)
    item.published(entry.published_at)
    item.updated(entry.updated_at)
    if entry.author:
        item.author(name=entry.author)
        item.dc.dc_creator(entry.author)
    for tag in entry.tags:
        item.category(term=tag)
    # Also when it is empty: RSS would take the content for it.
    item.summary(entry.summary)
    item.content(entry.content, type="html")


def _address_of(post: Any, site: str) -> str:
    return f"{site}/blog/{post.slug}"


def _text(post: Any, field: str, language: str) -> str:
    """Return the text of the post in ``language``, or in the other one when it has none in that."""
    english, norwegian = getattr(post, field), getattr(post, f"{field}_nb")
    return (norwegian or english) if language == "no" else (english or norwegian)


def _cleaned(entry: Entry) -> Entry:
    """Return ``entry`` without characters that no XML can hold."""
    texts = {name: _NOT_IN_XML.sub("", getattr(entry, name)) for name in ("title", "summary", "content", "author")}
    return replace(entry, tags=tuple(_NOT_IN_XML.sub("", tag) for tag in entry.tags), **texts)
