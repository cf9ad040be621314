"""``/feeds/`` and ``/sitemap.xml``: the published posts for readers of feeds and for search engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from flask import Response, request

from nxfs.blog.queries import feeds as queries
from nxfs.blog.queries.posts import public_revision
from nxfs.blog.schemas import feeds
from nxfs.blog.schemas.feeds import FeedQuerySchema
from nxfs.core.api.blueprint import Blueprint, View, document
from nxfs.core.errors import ServiceUnavailableError
from nxfs.core.settings import setting
from nxfs.core.threads import run_long_in_thread
from nxfs.files import addresses

blp = Blueprint("feeds", __name__, description="The published posts as RSS, Atom and a sitemap.")

RSS, ATOM, XML = "application/rss+xml", "application/atom+xml", "application/xml"


def answers_with(content_type: str, description: str) -> Callable[[View], View]:
    """Write into the document that the view answers with text of this type."""
    content = {content_type: {"schema": {"type": "string"}, "example": '<?xml version="1.0" encoding="UTF-8"?>'}}
    return lambda view: document(view, responses={"200": {"description": description, "content": content}})


@blp.route("/feeds/blog.rss")
@blp.revised(public_revision)
@blp.arguments(FeedQuerySchema, location="query")
@answers_with(RSS, "The feed.")
@blp.raises(ServiceUnavailableError)
def show_rss(values: dict[str, Any]) -> Response:
    """Show the newest posts as RSS.

    The newest fifty that are published, with their whole texts.
    """
    return _feed(feeds.rss, RSS, values)


@blp.route("/feeds/blog.atom")
@blp.revised(public_revision)
@blp.arguments(FeedQuerySchema, location="query")
@answers_with(ATOM, "The feed.")
@blp.raises(ServiceUnavailableError)
def show_atom(values: dict[str, Any]) -> Response:
    """Show the newest posts as Atom.

    The newest fifty that are published, with their whole texts.
    """
    return _feed(feeds.atom, ATOM, values)


@blp.route("/sitemap.xml")
@blp.revised(public_revision)
@answers_with(XML, "The sitemap.")
@blp.raises(ServiceUnavailableError)
def show_sitemap() -> Response:
    """Show the addresses of published posts.

    Those of the newest ten thousand at the front end, for search engines.
    """
    posts = queries.list_addresses()
    return Response(run_long_in_thread(feeds.sitemap, posts, site=setting("FRONTEND_URL")), mimetype=XML)


def _feed(make: Callable[..., bytes], content_type: str, values: dict[str, Any]) -> Response:
    posts = queries.list_newest_posts()
    entries = []
    for post in posts:
        # Addresses are made here, where the request is known.
        entries.append(feeds.entry_of(post, values["lang"]))
        gevent.sleep(0)
    names = {
        "language": values["lang"],
        "site": setting("FRONTEND_URL"),
        "address": addresses.absolute(f"{request.path}?lang={values['lang']}"),
    }
    return Response(run_long_in_thread(make, entries, **names), content_type=f"{content_type}; charset=utf-8")
