"""Posts: writing and reading them, lists with filters, what answers cost, and caching."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient

from nxfs.blog.queries import posts as queries
from nxfs.core import clock, search_index
from tests.factories.blog import (
    add_audio,
    add_image,
    add_video,
    create_media,
    create_post,
    create_tag,
    grant,
)
from tests.factories.users import create_user
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person

POSTS = "/api/blog/posts/"
PUBLIC = f"{POSTS}public/"
UNKNOWN_ID = 10**12


def author(client: FlaskClient, *permissions: str) -> Person:
    """Return somebody who is signed in, with permissions."""
    person = Person(client)
    if permissions:
        grant(person.user, *permissions)
    return person


def test_create_post_in_json_returns_every_field(client: FlaskClient) -> None:
    kari = author(client)
    tags = [create_tag(kari.user, name=name) for name in ("Web", "Åpent", "Mail")]
    media, name = create_media(kari.user)
    body = {
        "title": "Power to the cabin",
        "title_nb": "Strøm til hytta",
        "slug": "power",
        "excerpt": "Short.",
        "excerpt_nb": "Kort.",
        "body_markdown": "**One**",
        "body_markdown_nb": "**Én**",
        "status": "draft",
        "meta_title": "M",
        "meta_description": "D",
        "featured_image_id": media,
        "published_at": None,
    }

    answer = kari.post(POSTS, json=body | {"tags": tags})

    assert answer.status_code == 201, answer.get_json()
    created = answer.get_json()
    expected = body | {
        "id": created["id"],
        "version": 1,
        "body_html": "<p><strong>One</strong></p>\n",
        "body_html_nb": "<p><strong>Én</strong></p>\n",
        "is_scheduled": False,
        "tags": ["Mail", "Web", "Åpent"],
        "tag_ids": [tags[2], tags[0], tags[1]],
        "author_id": kari.id,
        "author": {
            "id": kari.id,
            "display_name": kari.user.display_name,
            "profile_picture": None,
            "email": kari.user.email,
        },
        "images": [],
        "audio_files": [],
        "audio": [],
        "youtube_videos": [],
        "featured_image": created["featured_image"],
        "created_at": created["created_at"],
        "updated_at": created["updated_at"],
    }
    assert created == expected
    assert created["featured_image"].startswith(f"http://localhost/media/{name}?expires=")
    assert kari.get(f"{POSTS}{created['id']}/").get_json() == created
    assert kari.get(f"{POSTS}by-slug/power/").get_json() == created


def test_create_post_as_form_works(client: FlaskClient) -> None:
    kari = author(client, "blog.publish")
    tags = [create_tag(kari.user) for _ in range(2)]
    form = {"title": "A", "status": "published", "tags": [str(tag) for tag in tags], "featured_image_id": ""}
    form |= {"published_at": "2026-01-31T13:00:00+01:00"}

    created = kari.post(POSTS, data=form, content_type="multipart/form-data").get_json()

    assert (created["tag_ids"], created["published_at"]) == (tags, "2026-01-31T12:00:00Z")
    assert created["featured_image_id"] is None


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": None}, "title"),
        ({"title_nb": "x" * 201}, "title_nb"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"slug": "x" * 101}, "slug"),
        ({"excerpt": "x" * 1001}, "excerpt"),
        ({"body_markdown": "x" * 100_001}, "body_markdown"),
        ({"body_markdown_nb": 5}, "body_markdown_nb"),
        ({"status": "scheduled"}, "status"),
        ({"tags": [UNKNOWN_ID]}, "tags"),
        ({"tags": list(range(1, 22))}, "tags"),
        ({"tags": ["web"]}, "tags.0"),
        ({"featured_image_id": UNKNOWN_ID}, "featured_image_id"),
        ({"published_at": "2026-01-31T12:00:00"}, "published_at"),
        ({"published_at": "tomorrow"}, "published_at"),
        ({"published_at": "9999-12-31T23:59:59-10:00"}, "published_at"),
        ({"meta_title": "x" * 201}, "meta_title"),
        ({"meta_description": "x" * 501}, "meta_description"),
        ({"author_id": 1}, "author_id"),
        ({"id": 1}, "id"),
        ({"body_html": "<p>"}, "body_html"),
        ({"created_at": "2026-01-31T12:00:00Z"}, "created_at"),
    ],
)
def test_create_post_with_a_bad_value_is_refused(client: FlaskClient, values: dict[str, Any], field: str) -> None:
    kari = author(client)
    logbook = Logbook()

    answer = kari.post(POSTS, json={"title": "A"} | values)

    assert answer.status_code == 400, answer.get_json()
    assert list(answer.get_json()["error"]["field_errors"]) == [field]
    assert logbook.types() == ([], [])


def test_create_post_with_a_featured_image_of_somebody_else_is_refused(client: FlaskClient) -> None:
    kari, manager = author(client), author(client, "media.manage")
    foreign, _ = create_media(create_user())
    document, _ = create_media(kari.user, format="pdf", width=None)

    for media in (foreign, document):
        answer = kari.post(POSTS, json={"title": "A", "featured_image_id": media})
        assert list(answer.get_json()["error"]["field_errors"]) == ["featured_image_id"]
    assert manager.post(POSTS, json={"title": "A", "featured_image_id": foreign}).status_code == 201


def test_put_replaces_and_keeps_the_time_of_publication(client: FlaskClient) -> None:
    kari = author(client, "blog.publish")
    tag = create_tag(kari.user)
    post = create_post(
        kari.user, public=True, title="A", title_nb="B", excerpt="c", body_markdown="d", meta_title="e", tags=[tag]
    )
    before = kari.get(f"{POSTS}{post}/").get_json()

    answer = kari.put(f"{POSTS}{post}/", json={"title": "New", "slug": before["slug"], "status": "published"})

    after = answer.get_json()
    changed = {"title": "New", "title_nb": "", "excerpt": "", "body_markdown": "", "body_html": "", "meta_title": ""}
    changed |= {"tags": [], "tag_ids": [], "version": before["version"] + 1, "updated_at": after["updated_at"]}
    assert after == before | changed
    assert after["updated_at"] > before["updated_at"]


def test_patch_changes_only_what_is_given(client: FlaskClient) -> None:
    kari = author(client)
    tag = create_tag(kari.user)
    post = create_post(kari.user, title="A", body_markdown="*b*", body_markdown_nb="*c*", tags=[tag])
    before = kari.get(f"{POSTS}{post}/").get_json()
    logbook = Logbook()

    after = kari.patch(f"{POSTS}{post}/", json={"body_markdown_nb": "d"}).get_json()

    changed = {"body_markdown_nb": "d", "body_html_nb": "<p>d</p>\n", "version": 2, "updated_at": after["updated_at"]}
    assert after == before | changed
    assert logbook.types() == (["post_updated"], ["blog.post_updated"])
    assert logbook.events()[0].payload == {"post_id": post, "fields": ["body_markdown_nb"]}
    assert logbook.entries()[0].changes == {"body_markdown_nb": ["3 characters", "1 characters"]}


def test_patch_that_changes_nothing_writes_nothing(client: FlaskClient) -> None:
    kari = author(client)
    tag = create_tag(kari.user)
    post = create_post(kari.user, title="A", body_markdown="b", tags=[tag])
    before = kari.get(f"{POSTS}{post}/").get_json()
    logbook = Logbook()

    body = {name: before[name] for name in ("title", "title_nb", "slug", "body_markdown", "status", "published_at")}
    assert kari.patch(f"{POSTS}{post}/", json=body | {"tags": [tag]}).get_json() == before
    assert logbook.types() == ([], [])


def test_write_with_a_stale_tag_is_refused(client: FlaskClient) -> None:
    kari = author(client)
    url = f"{POSTS}{create_post(kari.user)}/"
    seen = {"If-Match": kari.get(url).headers["ETag"]}
    assert kari.patch(url, json={"title": "B"}, headers=seen).status_code == 200

    assert kari.patch(url, json={"title": "C"}, headers=seen).status_code == 412
    assert kari.put(url, json={"title": "C"}, headers=seen).status_code == 412
    assert kari.delete(url, headers=seen).status_code == 412
    assert kari.get(url).get_json()["title"] == "B"
    fresh = {"If-Match": kari.get(url).headers["ETag"]}
    assert kari.delete(url, headers=fresh).status_code == 204


def test_delete_post_removes_it_with_what_belongs_to_it(client: FlaskClient) -> None:
    kari = author(client)
    media, name = create_media(kari.user)
    post = create_post(kari.user, slug="gone", body_markdown=f"/media/{name}", tags=[create_tag(kari.user)])
    add_image(post, media)
    add_audio(post, kari.user)
    add_video(post)
    logbook = Logbook()

    assert kari.delete(f"{POSTS}{post}/").status_code == 204

    assert kari.get(f"{POSTS}{post}/").status_code == kari.get(f"{POSTS}by-slug/gone/").status_code == 404
    assert logbook.types() == (["post_deleted"], ["blog.post_deleted"])
    assert kari.post(POSTS, json={"title": "A", "slug": "gone"}).status_code == 201


def test_duplicate_post_is_a_draft_of_ones_own(client: FlaskClient) -> None:
    kari, editor = author(client), author(client, "blog.edit")
    media, name = create_media(kari.user)
    tag = create_tag(kari.user)
    values = {"title": "A" * 200, "title_nb": "B", "excerpt": "c", "body_markdown": f"![d](/media/{name})"}
    post = create_post(kari.user, public=True, slug="a", tags=[tag], featured_image_id=media, **values)
    add_image(post, media)
    add_audio(post, kari.user)
    original = kari.get(f"{POSTS}{post}/").get_json()

    answer = editor.post(f"{POSTS}{post}/duplicate/")

    copy = answer.get_json()
    assert answer.status_code == 201
    assert (copy["author_id"], copy["status"], copy["published_at"]) == (editor.id, "draft", None)
    assert (copy["title"], copy["slug"]) == ("A" * 193 + " (copy)", "a" * 100)
    for field in ("title_nb", "excerpt", "body_markdown", "tags", "featured_image_id"):
        assert copy[field] == original[field]
    assert (copy["images"], copy["audio_files"]) == ([], [])
    # Public through the original, so that no signature is needed.
    assert f'src="http://localhost/media/{name}"' in copy["body_html"]


def test_list_shows_everything_attached_in_order(client: FlaskClient) -> None:
    kari = author(client)
    post = create_post(kari.user, public=True)
    media = [create_media(kari.user) for _ in range(2)]
    second = add_image(post, media[0][0], position=2, alt_text="b", caption="B")
    first = add_image(post, media[1][0], position=1, alt_text="a")
    audio, audio_name = add_audio(post, kari.user, title="t", duration=1.5, position=7)
    video = add_video(post, title="v", position=3)

    (shown,) = client.get(PUBLIC).get_json()["results"]

    url = f"http://localhost/media/{media[1][1]}"
    assert [image["id"] for image in shown["images"]] == [first, second]
    assert shown["images"][0] == {
        "id": first,
        "url": url,
        "image": url,
        "thumbnail_url": f"{url}/320.webp",
        "alt": "a",
        "alt_text": "a",
        "caption": "",
        "order": 1,
    }
    address = f"/media/{audio_name}"
    assert shown["audio_files"] == [{"id": audio, "url": address, "title": "t", "duration": 1.5, "order": 7}]
    assert shown["audio"] == [{"audio": address}]
    (listed,) = shown["youtube_videos"]
    assert (listed["id"], listed["title"], listed["order"]) == (video, "v", 3)


def test_list_of_posts_is_that_of_the_actor_and_has_filters(client: FlaskClient) -> None:
    kari, editor = author(client), author(client, "blog.edit")
    web, mail = create_tag(kari.user, name="Web", slug="w"), create_tag(kari.user, name="Mail")
    draft = create_post(kari.user, title="Blåbær", body_markdown="kabel")
    public = create_post(kari.user, public=True, title="Cables", tags=[web, mail])
    scheduled = create_post(kari.user, scheduled=True, title="Ål", body_markdown_nb="Blåbær", tags=[web])
    archived = create_post(kari.user, archived=True, title="Æ")
    foreign = create_post(create_user(), public=True)

    assert kari.ids(POSTS) == [draft, scheduled, archived, public]
    assert set(editor.ids(POSTS)) == {draft, public, scheduled, archived, foreign}
    assert editor.ids(POSTS, author_id="me") == []
    assert editor.ids(POSTS, author_id=kari.id, status="draft") == [draft]
    assert kari.ids(POSTS, status=["published", "archived"]) == [scheduled, archived, public]
    assert kari.ids(POSTS, tags="w,mail") == [public]
    assert kari.ids(POSTS, tags=["Web", str(mail)], tags_match="any") == [scheduled, public]
    assert kari.ids(POSTS, search="blåb") == [draft, scheduled]
    assert kari.ids(POSTS, search="blåbær", ordering="relevance") == [draft, scheduled]
    assert kari.ids(POSTS, search="***") == []
    assert kari.ids(POSTS, ordering="title") == [draft, public, archived, scheduled]
    assert kari.ids(POSTS, ordering="-created_at") == [archived, scheduled, public, draft]
    assert kari.ids(POSTS, ordering="published_at") == [public, archived, scheduled, draft]
    soon = (clock.now() + timedelta(minutes=5)).isoformat()
    assert kari.ids(POSTS, published_after=soon) == [scheduled]
    assert kari.ids(POSTS, published_before=soon) == [archived, public]


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        (POSTS, {"status": "new"}, "status"),
        (POSTS, {"author_id": "0"}, "author_id"),
        (POSTS, {"author_id": "you"}, "author_id"),
        (POSTS, {"tags": "unknown"}, "tags"),
        (POSTS, {"tags_match": "some"}, "tags_match"),
        (POSTS, {"ordering": "author"}, "ordering"),
        (POSTS, {"published_after": "2026-01-01"}, "published_after"),
        (POSTS, {"page": "0"}, "page"),
        (POSTS, {"statuss": "draft"}, "statuss"),
        (PUBLIC, {"status": "draft"}, "status"),
        (PUBLIC, {"author_id": "me"}, "author_id"),
        (PUBLIC, {"search": "a b c d e f g h i j k"}, "search"),
        (
            PUBLIC,
            {"published_after": "2026-01-02T00:00:00Z", "published_before": "2026-01-01T00:00:00Z"},
            "published_after",
        ),
    ],
)
def test_list_with_a_bad_parameter_is_refused(
    client: FlaskClient, path: str, query: dict[str, str], field: str
) -> None:
    assert list(author(client).field_errors(path, **query)) == [field]


def test_public_list_needs_no_login_and_shows_what_is_public(client: FlaskClient) -> None:
    kari, ola = create_user(), create_user()
    now = clock.now()
    older = create_post(kari, public=True, published_at=now - timedelta(days=2), title="Kabel")
    newer = create_post(ola, public=True, published_at=now - timedelta(days=1), body_markdown_nb="kabel")
    for trait in ("scheduled", "archived"):
        create_post(kari, **{trait: True})
    create_post(kari)

    def ids(**query: Any) -> list[int]:
        return [post["id"] for post in client.get(PUBLIC, query_string=query).get_json()["results"]]

    assert ids() == ids(status="published") == [newer, older]
    assert ids(ordering="published_at") == [older, newer]
    assert ids(author_id=ola.id) == [newer]
    assert ids(search="kabel") == [newer, older]
    assert ids(search="kabel", ordering="relevance") == [older, newer]
    assert ids(author_id=UNKNOWN_ID) == []
    assert client.get(PUBLIC, query_string={"page": 2}).status_code == 404


def test_long_public_list_is_ordered_as_a_short_one(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = create_user()
    made = [create_post(kari, public=True, title=title) for title in ("b", "å", "a", "ø")]
    create_post(kari, title="c")
    create_post(kari, scheduled=True, title="d")
    monkeypatch.setattr(search_index, "FEW_ROWS", 0)
    monkeypatch.setattr(queries, "FEW_ROWS", 0)

    for ordering, expected in (("title", [2, 0, 3, 1]), ("-created_at", [3, 2, 1, 0]), ("-published_at", [3, 2, 1, 0])):
        page = client.get(PUBLIC, query_string={"ordering": ordering}).get_json()
        assert [post["id"] for post in page["results"]] == [made[number] for number in expected]


def test_address_of_the_author_is_for_those_who_are_signed_in(client: FlaskClient) -> None:
    kari, ola = author(client), author(client)
    post = create_post(kari.user, public=True)
    url = f"{POSTS}{post}/"

    assert client.get(url).get_json()["author"]["email"] is None
    assert client.get(PUBLIC).get_json()["results"][0]["author"]["email"] is None
    # The same for everybody, because caches keep it.
    assert ola.get(PUBLIC).get_json()["results"][0]["author"]["email"] is None
    assert ola.get(url).get_json()["author"]["email"] == kari.user.email


def fill(kari: Person, count: int) -> None:
    """Make public posts with everything attached."""
    tags = [create_tag(kari.user) for _ in range(3)]
    for _ in range(count):
        media, name = create_media(kari.user)
        post = create_post(kari.user, public=True, tags=tags, body_markdown=f"/media/{name}", featured_image_id=media)
        for _ in range(2):
            add_image(post, create_media(kari.user)[0])
            add_audio(post, kari.user)
            add_video(post)


@pytest.mark.parametrize("count", [1, 30])
def test_list_costs_the_same_however_much_there_is(client: FlaskClient, count: int) -> None:
    kari = author(client)
    fill(kari, count)

    own = kari.get(POSTS, page_size=100)
    public = client.get(PUBLIC, query_string={"page_size": 100})
    one = client.get(f"{POSTS}{own.get_json()['results'][0]['id']}/")

    assert len(own.get_json()["results"]) == len(public.get_json()["results"]) == count
    assert int(own.headers["X-DB-Queries"]) == 3
    assert int(public.headers["X-DB-Queries"]) == 4
    assert int(one.headers["X-DB-Queries"]) == 1
    for path in ("/feeds/blog.rss", "/feeds/blog.atom", "/sitemap.xml"):
        assert int(client.get(path).headers["X-DB-Queries"]) == 3


def test_public_list_that_has_not_changed_is_304_with_two_statements(client: FlaskClient) -> None:
    kari = author(client, "blog.publish")
    fill(kari, 1)
    first = client.get(PUBLIC)

    again = client.get(PUBLIC, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert int(again.headers["X-DB-Queries"]) == 2
    assert client.get(f"{PUBLIC}?page_size=5").headers["ETag"] != first.headers["ETag"]


def test_public_list_is_new_after_every_change_that_it_shows(client: FlaskClient) -> None:
    kari = author(client, "blog.publish")
    tag, other = create_tag(kari.user), create_tag(kari.user)
    post = create_post(kari.user, public=True, tags=[tag, other])
    url = f"{POSTS}{post}/"
    changes = [
        lambda: kari.patch(url, json={"title": "New"}),
        lambda: kari.patch(url, json={"tags": [tag]}),
        lambda: kari.patch(f"/api/blog/tags/{tag}/", json={"name": "New"}),
        lambda: kari.post(f"/api/blog/tags/{other}/merge/", json={"source_tag_ids": [tag]}),
        lambda: kari.delete(f"/api/blog/tags/{other}/"),
        lambda: kari.post(POSTS, json={"title": "Another", "status": "published"}),
        lambda: kari.patch(url, json={"status": "archived"}),
        lambda: kari.patch(url, json={"status": "published"}),
        lambda: kari.delete(url),
    ]
    seen = client.get(PUBLIC)
    for number, change in enumerate(changes):
        assert change().status_code < 300, number
        again = client.get(PUBLIC, headers={"If-None-Match": seen.headers["ETag"]})
        assert again.status_code == 200, number
        seen = again


def test_public_list_stays_the_same_when_drafts_change(client: FlaskClient) -> None:
    kari = author(client)
    create_post(kari.user, public=True)
    tag = client.get(PUBLIC).headers["ETag"]
    draft = create_post(kari.user)
    kari.patch(f"{POSTS}{draft}/", json={"title": "Other", "body_markdown": "b"})
    kari.post(f"{POSTS}{draft}/duplicate/")
    kari.delete(f"{POSTS}{draft}/")

    assert client.get(PUBLIC, headers={"If-None-Match": tag}).status_code == 304


def test_events_of_public_posts_are_for_everybody_and_of_drafts_for_their_author(client: FlaskClient) -> None:
    kari = author(client, "blog.publish")
    logbook = Logbook()
    draft = kari.post(POSTS, json={"title": "A"}).get_json()["id"]
    kari.patch(f"{POSTS}{draft}/", json={"status": "published"})
    kari.patch(f"{POSTS}{draft}/", json={"status": "draft"})
    kari.delete(f"{POSTS}{draft}/")

    heard = [(event.type, event.audience) for event in logbook.events()]

    own, everybody = [f"user:{kari.id}"], [f"user:{kari.id}", "everybody"]
    assert heard == [
        ("post_created", own),
        ("post_updated", everybody),
        ("post_published", everybody),
        ("post_updated", everybody),
        ("post_deleted", own),
    ]


def test_times_of_a_post_are_utc(client: FlaskClient) -> None:
    with time_machine.travel(datetime(2026, 3, 1, 12, tzinfo=UTC), tick=False):
        kari = author(client, "blog.publish")
        created = kari.post(POSTS, json={"title": "A", "status": "published"}).get_json()

    moment = "2026-03-01T12:00:00Z"
    assert (created["created_at"], created["updated_at"], created["published_at"]) == (moment,) * 3
