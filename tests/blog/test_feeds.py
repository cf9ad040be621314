"""RSS, Atom and the sitemap."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
import time_machine
from flask.testing import FlaskClient

from nxfs.blog.queries import feeds as queries
from nxfs.blog.schemas import feeds
from nxfs.extensions import db
from tests.factories.blog import create_media, create_post, create_tag
from tests.factories.users import create_user
from tests.tasks.person import Person

RSS, ATOM, SITEMAP = "/feeds/blog.rss", "/feeds/blog.atom", "/sitemap.xml"
PATHS = (RSS, ATOM, SITEMAP)
A = "{http://www.w3.org/2005/Atom}"
S = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
CONTENT = "{http://purl.org/rss/1.0/modules/content/}encoded"
CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def read(client: FlaskClient, path: str) -> ElementTree.Element:
    """Return the XML of an answer."""
    answer = client.get(path)
    assert answer.status_code == 200
    return ElementTree.fromstring(answer.data)


def test_feeds_say_what_a_post_says(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False):
        kari = create_user(display_name="Kari Ås")
        _, name = create_media(kari)
        texts = {"title": "A & <b>", "excerpt": "E", "body_markdown": f"![x](/media/{name})", "title_nb": "Å"}
        post = create_post(kari, public=True, slug="a", tags=[create_tag(kari, name="Web")], **texts)
    html = f'<p><img src="http://localhost/media/{name}" alt="x"></p>\n'
    identity, link = f"tag:localhost,2025:blog/posts/{post}", "http://localhost:3000/blog/a"

    item = read(client, RSS).find("channel/item")
    found = {child.tag: child.text for child in item}
    assert found == {
        "title": "A & <b>",
        "link": link,
        "description": "E",
        CONTENT: html,
        "guid": identity,
        "category": "Web",
        "pubDate": "Sun, 01 Mar 2026 11:00:00 +0000",
        CREATOR: "Kari Ås",
    }
    assert item.find("guid").get("isPermaLink") == "false"

    entry = read(client, f"{ATOM}?lang=no").find(f"{A}entry")
    assert [entry.findtext(f"{A}{tag}") for tag in ("id", "title", "summary", "content")] == [identity, "Å", "E", html]
    assert entry.findtext(f"{A}published") == "2026-03-01T11:00:00+00:00"
    assert entry.findtext(f"{A}updated") == "2026-03-01T12:00:00+00:00"
    assert entry.findtext(f"{A}author/{A}name") == "Kari Ås"
    assert entry.find(f"{A}link").get("href") == link
    assert entry.find(f"{A}category").get("term") == "Web"

    (url,) = read(client, SITEMAP)
    assert (url.findtext(f"{S}loc"), url.findtext(f"{S}lastmod")) == (link, "2026-03-01T12:00:00Z")


@pytest.mark.parametrize(
    ("path", "content_type"),
    [(RSS, "application/rss+xml"), (ATOM, "application/atom+xml"), (SITEMAP, "application/xml")],
)
def test_feeds_have_their_type_and_are_304_with_two_statements(
    client: FlaskClient, path: str, content_type: str
) -> None:
    create_post(create_user(), public=True)

    answer = client.get(path, headers={"Accept": "text/html"})
    again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})

    assert answer.headers["Content-Type"] == f"{content_type}; charset=utf-8"
    assert (again.status_code, again.data, again.headers["X-DB-Queries"]) == (304, b"", "2")
    create_post(create_user(), public=True)
    assert client.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_feeds_without_posts_are_valid(client: FlaskClient, path: str) -> None:
    create_post(create_user(), scheduled=True)

    root = read(client, path)

    assert [element.tag for element in root.iter() if element.tag.endswith(("item", "entry", "url"))] == []


@pytest.mark.parametrize("path", [f"{RSS}?lang=en", f"{ATOM}?lang=no", SITEMAP])
def test_hostile_texts_break_no_feed(client: FlaskClient, path: str) -> None:
    hostile = "\x01\x0b\x1f ]]> <!-- & \ufffe \uffff </title> \U0001f600"
    kari = Person(client, display_name=f"K{hostile}")
    body = {"title": hostile, "title_nb": hostile, "excerpt": hostile, "body_markdown": f"{hostile} <script>"}
    staff = Person(client, role="staff")
    created = kari.post("/api/blog/posts/", json=body | {"slug": "a"})
    assert created.status_code == 201
    staff.patch(f"/api/blog/posts/{created.get_json()['id']}/", json={"status": "published"})

    text = "".join(read(client, path).itertext())

    assert "\x01" not in text
    assert path == SITEMAP or "]]> <!-- &" in text


def test_feeds_have_the_newest_fifty_in_order(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = create_user()
    monkeypatch.setattr(queries, "MOST_ENTRIES", 3)
    monkeypatch.setattr(queries, "MOST_ADDRESSES", 4)
    for day in (3, 1, 5, 2, 4):
        create_post(kari, public=True, slug=f"day-{day}", published_at=datetime(2026, 2, day, tzinfo=UTC))

    links = [item.findtext("link")[-5:] for item in read(client, RSS).iter("item")]
    addresses = [url.findtext(f"{S}loc")[-5:] for url in read(client, SITEMAP)]

    assert links == ["day-5", "day-4", "day-3"]
    assert addresses == ["day-5", "day-4", "day-3", "day-2"]


def test_feed_in_an_unknown_language_is_refused(client: FlaskClient) -> None:
    for path in (f"{RSS}?lang=sv", f"{ATOM}?page=1"):
        assert client.get(path).status_code == 400


@pytest.mark.parametrize(("path", "name"), [(RSS, "rss"), (ATOM, "atom"), (SITEMAP, "sitemap")])
def test_feeds_are_made_without_a_connection(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    create_post(create_user(), public=True)
    pool, held, make = db.engine.pool, [], getattr(feeds, name)

    def making(*arguments: object, **keywords: object) -> bytes:
        held.append(pool.checkedout())
        return make(*arguments, **keywords)

    monkeypatch.setattr(feeds, name, making)

    assert client.get(path).status_code == 200
    assert held == [0]
