"""One file of the media library: details, changes, rights, and links that open it as long as they may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask.testing import FlaskClient

from tests.blog.writing import change_post, opens
from tests.factories import files
from tests.factories.blog import add_image, create_post, grant
from tests.factories.users import sign_in
from tests.tasks.logbook import Logbook, row_counts
from tests.tasks.person import Person

MEDIA = "/api/blog/media/"


@pytest.mark.parametrize(
    ("width", "height", "sizes"),
    [
        (64, 48, [(64, 48)]),
        (320, 10, [(320, 10)]),
        (500, 1000, [(320, 640), (500, 1000)]),
        (2000, 1, [(320, 1), (800, 1), (1600, 1)]),
    ],
)
def test_get_media_names_the_derivatives_that_can_be_had(
    client: FlaskClient, width: int, height: int, sizes: list[tuple[int, int]]
) -> None:
    kari = Person(client)
    media = files.upload(kari, "cabin.png", files.image_bytes("PNG", width=width, height=height))

    details = kari.get(f"{MEDIA}{media['id']}/").get_json()

    assert (details["width"], details["height"]) == (width, height)
    assert len(details["sha256"]) == 64
    assert [(each["width"], each["height"]) for each in details["derivatives"]] == sizes
    assert all(opens(client, each["url"]) for each in details["derivatives"])
    assert (details["usages"], details["usage_count"]) == ([], 0)
    assert media == {name: details[name] for name in media}


def test_get_document_has_no_pixels(client: FlaskClient) -> None:
    kari = Person(client)
    details = kari.get(f"{MEDIA}{files.upload(kari, 'plan.pdf')['id']}/").get_json()
    assert (details["width"], details["height"], details["derivatives"]) == (None, None, [])


def test_usages_name_the_posts_that_the_reader_sees(client: FlaskClient) -> None:
    kari, editor, ola = Person(client, role="staff"), Person(client), Person(client)
    grant(editor.user, "blog.edit")
    media = files.upload(kari)
    public = create_post(kari.user, public=True, body_markdown=f"![x](/media/{media['filename']})", title="Åpent")
    add_image(public, media["id"])
    # Everybody may use what is public.
    foreign = create_post(ola.user, body_markdown=f"[x](/media/{media['filename']})")
    url = f"{MEDIA}{media['id']}/"

    usages = kari.get(f"{url}usages/").get_json()

    assert [usage["post_id"] for usage in usages["results"]] == [public, foreign]
    assert usages["results"][0] == {
        "post_id": public,
        "title": "Åpent",
        "slug": "apent",
        "status": "published",
        "places": ["body", "gallery"],
    }
    assert kari.get(url).get_json()["usages"] == usages["results"]
    assert [ola.get(path).status_code for path in (url, f"{url}usages/")] == [404, 404]


def test_usages_of_an_author_leave_out_drafts_of_others(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    media = files.upload(kari)
    own = create_post(kari.user, public=True, featured_image_id=media["id"])
    create_post(ola.user, body_markdown=f"![x](/media/{media['filename']})")

    details = kari.get(f"{MEDIA}{media['id']}/").get_json()

    assert [usage["post_id"] for usage in details["usages"]] == [own]
    assert details["usage_count"] == 2


def test_patch_media_changes_what_is_said(client: FlaskClient) -> None:
    kari = Person(client)
    media = files.upload(kari, description="Before")
    url, logbook = f"{MEDIA}{media['id']}/", Logbook()

    answer = kari.patch(url, json={"description": " Blåbær  ", "alt_text": "Red"})

    assert answer.get_json() == {**media, "description": "Blåbær", "alt_text": "Red", "version": 2}
    assert kari.ids(MEDIA, search="blå") == [media["id"]]
    assert kari.ids(MEDIA, search="before") == []
    assert kari.patch(url, json={"description": "Blåbær"}).get_json()["version"] == 2
    assert kari.patch(url, data={"alt_text": ""}, content_type="multipart/form-data").get_json()["alt_text"] == ""
    assert logbook.types() == (["media_updated"] * 2, ["blog.media_updated"] * 2)
    assert logbook.entries()[0].changes == {"alt_text": ["", "Red"], "description": ["Before", "Blåbær"]}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"description": "x" * 1_001}, "description"),
        ({"description": None}, "description"),
        ({"alt_text": 7}, "alt_text"),
        ({"filename": "x"}, "filename"),
        ({"uploaded_by": 1}, "uploaded_by"),
    ],
)
def test_patch_media_with_a_wrong_body_names_the_field(client: FlaskClient, body: dict[str, object], name: str) -> None:
    kari = Person(client)
    answer = kari.patch(f"{MEDIA}{files.upload(kari)['id']}/", json=body)
    assert (answer.status_code, list(answer.get_json()["error"]["field_errors"])) == (400, [name])


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_media_of_others_are_not_found_unless_one_manages_them(client: FlaskClient, method: str) -> None:
    kari, stranger, manager = Person(client), Person(client), Person(client)
    grant(manager.user, "media.manage")
    url = f"{MEDIA}{files.upload(kari)['id']}/"
    body = {"json": {"description": "Other"}} if method == "PATCH" else {}

    assert client.open(url, method=method, **body).status_code == 401
    before = row_counts()
    assert stranger.send(method, url, **body).status_code == 404
    assert row_counts() == before
    assert manager.send(method, url, **body).status_code in (200, 204)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_write_with_a_stale_tag_is_412(client: FlaskClient, method: str) -> None:
    kari = Person(client)
    url = f"{MEDIA}{files.upload(kari)['id']}/"
    stale = {"If-Match": kari.get(url).headers["ETag"]}
    kari.patch(url, json={"description": "New"})
    body = {"json": {"description": "Newer"}} if method == "PATCH" else {}

    assert kari.send(method, url, headers=stale, **body).status_code == 412
    fresh = {"If-Match": kari.get(url).headers["ETag"]}
    assert kari.send(method, url, headers=fresh, **body).status_code in (200, 204)


def test_link_of_a_private_file_opens_it_until_it_expires(client: FlaskClient) -> None:
    now = datetime(2026, 3, 15, 12, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        kari = Person(client)
        media = files.upload(kari)
        plain = f"/media/{media['filename']}"
        assert [opens(client, url) for url in (media["url"], media["thumbnail_url"])] == [True, True]
        assert [opens(client, url) for url in (plain, f"{plain}/320.webp")] == [False, False]
        assert not opens(client, media["url"][:-1])
        assert not opens(client, media["url"].replace("expires=1", "expires=2"))
    with time_machine.travel(now + timedelta(minutes=29), tick=False):
        assert opens(client, media["url"])
    with time_machine.travel(now + timedelta(minutes=61), tick=False):
        assert [opens(client, url) for url in (media["url"], media["thumbnail_url"])] == [False, False]
        kari.headers = sign_in(client, kari.user)
        assert opens(client, kari.get(f"{MEDIA}{media['id']}/").get_json()["url"])


def test_file_is_public_as_long_as_a_published_post_uses_it(client: FlaskClient) -> None:
    kari = Person(client, role="staff")
    media = files.upload(kari)
    url, plain = f"{MEDIA}{media['id']}/", f"/media/{media['filename']}"
    post = create_post(kari.user, body_markdown=f"![x]({plain})")
    assert not opens(client, plain)

    change_post(kari, post, status="published")
    assert kari.get(url).get_json()["url"] == f"http://localhost{plain}"
    assert [opens(client, each) for each in (plain, f"{plain}/800.webp")] == [True, True]

    change_post(kari, post, status="draft")
    assert "signature=" in kari.get(url).get_json()["url"]
    assert [opens(client, each) for each in (plain, f"{plain}/800.webp")] == [False, False]


def test_get_media_costs_few_statements(client: FlaskClient) -> None:
    kari = Person(client)
    media = files.upload(kari)
    for _ in range(30):
        create_post(kari.user, body_markdown=f"![x](/media/{media['filename']})", featured_image_id=media["id"])

    answer = kari.get(f"{MEDIA}{media['id']}/")

    assert len(answer.get_json()["usages"]) == 30
    assert int(answer.headers["X-DB-Queries"]) <= 5
    assert int(kari.get(f"{MEDIA}{media['id']}/usages/").headers["X-DB-Queries"]) <= 4
