"""What is attached to a post: its gallery, its recordings and its YouTube videos."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from nxfs.auth.queries import actor_of
from nxfs.blog.queries import posts as post_queries
from nxfs.blog.service import attachments, posts
from nxfs.extensions import db
from nxfs.files.models import FileOwner, StoredFile
from tests.blog.writing import change_post, opens, post_row, usages
from tests.factories import files
from tests.factories.blog import add_audio, add_video, create_media, create_post, grant
from tests.factories.blog import add_image as add_row
from tests.tasks.logbook import Logbook, row_counts
from tests.tasks.person import Person
from tests.tasks.racing import run_together

MEDIA = "/api/blog/media/"
WATCH = "https://www.youtube.com/watch?v="
VIDEO = "dQw4w9WgXcQ"


def url_of(post_id: int, kind: str) -> str:
    """Return the path of the attachments of a post."""
    return f"/api/blog/posts/{post_id}/{kind}/"


def new_one(kind: str) -> dict[str, Any]:
    """Return the arguments of the client that add an attachment."""
    if kind == "youtube":
        return {"json": {"url": f"{WATCH}{VIDEO}"}}
    return {"data": {"image": files.part()} if kind == "images" else {"audio": files.part("a.mp3")}}


def test_upload_image_puts_it_into_the_gallery_and_the_library(client: FlaskClient) -> None:
    kari = Person(client)
    post = create_post(kari.user)
    logbook, version = Logbook(), post_row(post).version

    form = {"image": files.part("Hytta.png"), "alt_text": " Rød hytte ", "caption": "Før taket"}
    answer = kari.post(url_of(post, "images"), data=form)

    image = answer.get_json()
    assert answer.status_code == 201, image
    (media,) = kari.get(MEDIA, unused="false").get_json()["results"]
    assert image == {
        "id": image["id"],
        "media_id": media["id"],
        "image": media["url"],
        "thumbnail_url": media["thumbnail_url"],
        "upload_date": image["upload_date"],
        "file_size": media["file_size"],
        "file_name": "Hytta.png",
        "alt_text": "Rød hytte",
        "caption": "Før taket",
        "order": 1,
    }
    assert (media["uploaded_by"], media["alt_text"]) == (kari.id, "Rød hytte")
    assert opens(client, image["image"])
    assert usages() == {(media["id"], post, "gallery")}
    assert post_row(post).version == version + 1
    assert logbook.types() == (["media_uploaded", "post_updated"], ["blog.media_uploaded", "blog.post_updated"])
    assert kari.get(url_of(post, "images")).get_json()["results"] == [image]


@pytest.mark.parametrize("is_form", [True, False])
def test_image_of_the_library_goes_into_the_gallery_once(client: FlaskClient, is_form: bool) -> None:
    kari = Person(client)
    media, post = files.upload(kari), create_post(kari.user)
    values = {"media_id": media["id"], "caption": "Hytta"}
    sent = {"data": values, "content_type": "multipart/form-data"} if is_form else {"json": values}

    answer = kari.post(url_of(post, "images"), **sent)

    assert answer.status_code == 201
    assert (answer.get_json()["media_id"], answer.get_json()["caption"]) == (media["id"], "Hytta")
    again = kari.post(url_of(post, "images"), **sent)
    assert (again.status_code, again.get_json()["error"]["code"]) == (409, "CONFLICT")
    assert kari.get(MEDIA).get_json()["count"] == 1


def test_image_of_the_library_must_be_an_image_that_one_may_use(client: FlaskClient) -> None:
    kari, ola, staff = Person(client), Person(client), Person(client, role="staff")
    post, document = create_post(kari.user), files.upload(kari, "plan.pdf")
    foreign = files.upload(ola)
    for media_id in (document["id"], foreign["id"], 10**12):
        answer = kari.post(url_of(post, "images"), json={"media_id": media_id})
        assert (answer.status_code, list(answer.get_json()["error"]["field_errors"])) == (400, ["media_id"])
    assert staff.post(url_of(post, "images"), json={"media_id": foreign["id"]}).status_code == 201


@pytest.mark.parametrize(
    ("kind", "data", "status", "name"),
    [
        ("images", {}, 400, "image"),
        ("images", {"image": "text"}, 400, "image"),
        ("images", {"image": files.part(), "media_id": "1"}, 400, "image"),
        ("images", {"image": files.part("plan.pdf")}, 415, "image"),
        ("images", {"image": files.part("a.jpg", b"")}, 400, "image"),
        ("images", {"image": [files.part()] * 2}, 400, "image"),
        ("images", {"image": files.part(), "order": "1"}, 400, "order"),
        ("images", {"image": files.part(), "caption": "x" * 501}, 400, "caption"),
        ("images", {"media_id": "x"}, 400, "media_id"),
        ("audio", {}, 400, "audio"),
        ("audio", {"audio": files.part("a.jpg")}, 415, "audio"),
        ("audio", {"audio": files.part("a.mp3", b"no sound")}, 415, "audio"),
        ("audio", {"audio": files.part("a.mp3"), "title": "x" * 201}, 400, "title"),
        ("audio", {"audio": files.part("a.mp3"), "duration": "1"}, 400, "duration"),
        ("youtube", {"url": ""}, 400, "url"),
        ("youtube", {"title": "x"}, 400, "url"),
        ("youtube", {"url": "https://vimeo.com/1234567"}, 400, "url"),
    ],
    ids=str,
)
def test_add_what_is_not_allowed_is_refused_and_leaves_nothing(
    client: FlaskClient, kind: str, data: dict[str, Any], status: int, name: str
) -> None:
    kari = Person(client)
    post = create_post(kari.user)
    before = row_counts()

    answer = kari.post(url_of(post, kind), **files.encoded(data))

    assert answer.status_code == status, answer.get_json()
    assert list(answer.get_json()["error"]["field_errors"]) == [name]
    assert row_counts() == before


def test_patch_image_changes_what_is_said_and_the_order(client: FlaskClient) -> None:
    kari = Person(client)
    post = create_post(kari.user)
    first, second = (
        kari.post(url_of(post, "images"), json={"media_id": files.upload(kari)["id"]}).get_json() for _ in range(2)
    )
    logbook = Logbook()

    answer = kari.patch(f"{url_of(post, 'images')}{first['id']}/", json={"caption": "Ny", "order": 5})

    assert answer.get_json() == {**first, "caption": "Ny", "order": 5}
    assert kari.ids(url_of(post, "images")) == [second["id"], first["id"]]
    assert logbook.entries()[0].changes == {"caption": ["", "Ny"], "position": [1, 5]}
    kari.patch(f"{url_of(post, 'images')}{first['id']}/", json={"caption": "Ny"})
    assert len(logbook.entries()) == 1
    other = create_post(kari.user)
    assert kari.patch(f"{url_of(other, 'images')}{first['id']}/", json={"caption": "x"}).status_code == 404
    assert kari.patch(f"{url_of(post, 'images')}{first['id']}/", json={"order": -1}).status_code == 400


def test_delete_image_keeps_the_file_in_the_library(client: FlaskClient) -> None:
    kari = Person(client)
    post = create_post(kari.user)
    images = [kari.post(url_of(post, "images"), data={"image": files.part()}).get_json() for _ in range(3)]

    assert kari.delete(f"{url_of(post, 'images')}{images[0]['id']}/").status_code == 204
    assert kari.ids(MEDIA, unused="true") == [images[0]["media_id"]]
    assert kari.delete(url_of(post, "images")).get_json() == {"deleted_count": 2}
    assert kari.delete(url_of(post, "images")).get_json() == {"deleted_count": 0}
    assert sorted(kari.ids(MEDIA, unused="true")) == [image["media_id"] for image in images]
    assert all(opens(client, image["image"]) for image in images)
    assert kari.delete(f"{url_of(post, 'images')}{images[0]['id']}/").status_code == 404


def test_image_of_a_published_post_is_public_until_it_is_taken_out(client: FlaskClient) -> None:
    kari = Person(client, role="staff")
    post = create_post(kari.user, public=True)
    revision = post_queries.public_revision()

    image = kari.post(url_of(post, "images"), data={"image": files.part()}).get_json()

    db.session.rollback()
    assert post_queries.public_revision() != revision
    plain = image["image"].removeprefix("http://localhost")
    assert "?" not in plain
    assert [opens(client, url) for url in (plain, f"{plain}/320.webp")] == [True, True]
    assert client.get(url_of(post, "images")).get_json()["results"] == [image]
    kari.delete(f"{url_of(post, 'images')}{image['id']}/")
    assert [opens(client, url) for url in (plain, f"{plain}/320.webp")] == [False, False]


def test_audio_belongs_to_the_post_and_goes_with_it(client: FlaskClient) -> None:
    kari = Person(client, role="staff")
    post = create_post(kari.user)
    logbook = Logbook()

    answer = kari.post(url_of(post, "audio"), data={"audio": files.part("Lest.mp3"), "title": "Lest høyt"})

    audio = answer.get_json()
    assert answer.status_code == 201, audio
    assert audio == {
        "id": audio["id"],
        "audio": audio["audio"],
        "upload_date": audio["upload_date"],
        "file_size": len(files.mp3_bytes()),
        "file_name": "Lest.mp3",
        "title": "Lest høyt",
        "duration": pytest.approx(1.045, abs=0.05),
        "order": 1,
    }
    assert audio["audio"].startswith("/media/")
    assert opens(client, audio["audio"])
    plain = audio["audio"].partition("?")[0]
    assert not opens(client, plain)
    assert logbook.types() == (["post_updated"], ["blog.post_updated"])
    change_post(kari, post, status="published")
    assert opens(client, plain)
    change_post(kari, post, status="draft")
    assert not opens(client, plain)
    assert kari.get(MEDIA).get_json()["count"] == 0
    posts.delete_post(actor=actor_of(kari.user), post_id=post)
    assert not opens(client, audio["audio"])
    db.session.rollback()
    assert (db.session.query(StoredFile).count(), db.session.get(FileOwner, kari.id).used_bytes) == (0, 0)


def test_delete_audio_deletes_the_file(client: FlaskClient) -> None:
    kari = Person(client)
    post = create_post(kari.user)
    recordings = [
        kari.post(url_of(post, "audio"), data={"audio": files.part(name)}).get_json()
        for name in ("a.mp3", "b.wav", "c.mp3")
    ]

    assert kari.ids(url_of(post, "audio")) == [audio["id"] for audio in recordings]
    assert kari.delete(f"{url_of(post, 'audio')}{recordings[0]['id']}/").status_code == 204
    assert [opens(client, audio["audio"]) for audio in recordings] == [False, True, True]
    assert kari.delete(url_of(post, "audio")).get_json() == {"deleted_count": 2}
    assert [opens(client, audio["audio"]) for audio in recordings] == [False] * 3
    assert kari.delete(f"{url_of(post, 'audio')}{recordings[0]['id']}/").status_code == 404
    assert db.session.get(FileOwner, kari.id).used_bytes == 0


@pytest.mark.parametrize(
    "url",
    [
        f"{WATCH}{VIDEO}",
        f"http://youtube.com/watch?v={VIDEO}",
        f"https://m.youtube.com/watch?app=desktop&v={VIDEO}&t=43s",
        f"https://music.youtube.com/watch?v={VIDEO}&list=RD{VIDEO}",
        f"https://www.youtube.com/?v={VIDEO}",
        f"https://www.youtube.com/ytscreeningroom?v={VIDEO}",
        f"https://youtu.be/{VIDEO}",
        f"https://www.youtu.be/{VIDEO}?si=abc#t=3",
        f"https://www.youtube.com/v/{VIDEO}?version=3",
        f"https://www.youtube.com/e/{VIDEO}",
        f"https://www.youtube.com/embed/{VIDEO}?rel=0",
        f"https://www.youtube.com/shorts/{VIDEO}/",
        f"https://www.youtube.com/live/{VIDEO}?feature=share",
        f"https://www.youtube-nocookie.com/embed/{VIDEO}",
        f"HTTPS://WWW.YouTube.com/watch?v={VIDEO}",
    ],
)
def test_every_address_of_a_video_names_it(url: str) -> None:
    assert attachments.youtube_id(url) == VIDEO


@pytest.mark.parametrize(
    "url",
    [
        "",
        VIDEO,
        "https://www.youtube.com/",
        "https://www.youtube.com/watch",
        "https://www.youtube.com/watch?v=",
        f"https://www.youtube.com/watch?v={VIDEO}x",
        f"https://www.youtube.com/watch?v={VIDEO[:-1]}",
        f"https://www.youtube.com/watch?v={VIDEO[:-1]}%0a",
        "https://www.youtube.com/@channel",
        "https://www.youtube.com/playlist?list=PLabcdefghijk",
        f"https://youtu.be/a/{VIDEO}",
        f"https://evil.example/watch?v={VIDEO}",
        f"https://www.youtube.com.evil.example/watch?v={VIDEO}",
        f"https://notyoutube.com/watch?v={VIDEO}",
        f"https://evil.example/https://youtu.be/{VIDEO}",
        f"https://youtube.com@evil.example/watch?v={VIDEO}",
        f"javascript://youtube.com/watch?v={VIDEO}",
        f"ftp://youtube.com/watch?v={VIDEO}",
        f"//youtube.com/watch?v={VIDEO}",
        "https://[youtube.com/watch",
    ],
)
def test_other_addresses_name_no_video(url: str) -> None:
    assert attachments.youtube_id(url) is None


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=60))
def test_any_text_is_a_video_or_not(text: str) -> None:
    for url in (text, f"https://youtu.be/{text}", f"{WATCH}{text}", f"https://{text}"):
        found = attachments.youtube_id(url)
        assert found is None or len(found) == 11


def test_add_video_stores_its_address_once(client: FlaskClient) -> None:
    kari = Person(client)
    post = create_post(kari.user)

    answer = kari.post(url_of(post, "youtube"), json={"url": f"https://youtu.be/{VIDEO}?t=3", "title": "Se"})

    video = answer.get_json()
    assert answer.status_code == 201
    assert video == {"id": video["id"], "url": f"{WATCH}{VIDEO}", "video_id": VIDEO, "title": "Se", "order": 1}
    again = kari.post(url_of(post, "youtube"), json={"url": f"{WATCH}{VIDEO}"})
    assert (again.status_code, again.get_json()["error"]["code"]) == (409, "CONFLICT")
    assert kari.post(url_of(create_post(kari.user), "youtube"), json={"url": f"{WATCH}{VIDEO}"}).status_code == 201
    assert kari.delete(f"{url_of(post, 'youtube')}{video['id']}/").status_code == 204
    assert kari.delete(f"{url_of(post, 'youtube')}{video['id']}/").status_code == 404
    assert kari.delete(url_of(post, "youtube")).get_json() == {"deleted_count": 0}


def test_add_video_at_once_adds_one(client: FlaskClient, engine_name: str) -> None:
    kari = Person(client)
    url = url_of(create_post(kari.user), "youtube")
    answers = run_together(engine_name, [partial(kari.post, url, json={"url": f"{WATCH}{VIDEO}"})] * 6)
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5


@pytest.mark.parametrize(("kind", "most"), [("images", 100), ("audio", 50), ("youtube", 50)])
def test_add_more_than_a_post_can_have_is_422(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, kind: str, most: int
) -> None:
    kari = Person(client)
    post = create_post(kari.user)
    model = {"images": attachments.PostImage, "audio": attachments.PostAudio, "youtube": attachments.PostVideo}[kind]
    assert attachments.MOST[model] == most
    monkeypatch.setitem(attachments.MOST, model, 1)
    assert kari.post(url_of(post, kind), **new_one(kind)).status_code == 201
    before = row_counts()
    other = {"json": {"url": f"https://youtu.be/{VIDEO[::-1]}"}} if kind == "youtube" else new_one(kind)

    answer = kari.post(url_of(post, kind), **other)

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "BUSINESS_RULE_VIOLATION")
    assert row_counts() == before


@pytest.mark.parametrize("kind", ["images", "audio", "youtube"])
def test_attachments_follow_the_rights_of_the_post(client: FlaskClient, kind: str) -> None:
    kari, ola, editor = Person(client), Person(client), Person(client)
    grant(editor.user, "blog.edit", "blog.publish")
    draft, public = create_post(kari.user), create_post(kari.user, public=True)

    assert [person.get(url_of(draft, kind)).status_code for person in (kari, ola, editor)] == [200, 404, 200]
    assert [client.get(url_of(post, kind)).status_code for post in (draft, public, 10**12)] == [404, 200, 404]
    assert ola.get(url_of(public, kind)).status_code == 200
    for method, sent in (("POST", new_one(kind)), ("DELETE", {})):
        assert client.open(url_of(draft, kind), method=method, **_again(kind, sent)).status_code == 401
        assert ola.send(method, url_of(draft, kind), **_again(kind, sent)).status_code == 404
        assert ola.send(method, url_of(public, kind), **_again(kind, sent)).status_code == 403
        # Her post, but what the public sees is not for her to decide.
        assert kari.send(method, url_of(public, kind), **_again(kind, sent)).status_code == 403
        assert editor.send(method, url_of(public, kind), **_again(kind, sent)).status_code in (200, 201)
        assert kari.send(method, url_of(draft, kind), **_again(kind, sent)).status_code in (200, 201)
    for post in (draft, public):
        assert ola.delete(f"{url_of(post, kind)}1/").status_code in (403, 404)


def _again(kind: str, sent: dict[str, Any]) -> dict[str, Any]:
    return new_one(kind) if sent else {}


def test_lists_of_attachments_are_pages_and_cost_few_statements(client: FlaskClient) -> None:
    kari = Person(client)
    post, other = create_post(kari.user), create_post(kari.user)
    for _ in range(25):
        add_row(post, create_media(kari.user, format="jpeg")[0])
        add_audio(post, kari.user)
        add_video(post)
    add_video(other)
    for kind in ("images", "audio", "youtube"):
        answer = kari.get(url_of(post, kind))
        page = answer.get_json()
        assert (page["count"], len(page["results"]), page["page_info"]["total_pages"]) == (25, 20, 2)
        assert [item["order"] for item in page["results"]] == sorted(item["order"] for item in page["results"])
        assert int(answer.headers["X-DB-Queries"]) <= 4
        assert len(kari.ids(url_of(post, kind), page=2, page_size=20)) == 5
