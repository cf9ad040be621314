"""Files of the media library in posts: what is tracked, signed and public, and what is not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import unquote

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select

from nxfs.blog.models import MediaUsage, Post
from nxfs.blog.service import references
from nxfs.core import clock
from nxfs.extensions import db
from tests.factories.blog import add_audio, add_image, create_media, create_post, grant, public_from
from tests.factories.users import create_user
from tests.tasks.person import Person
from tests.tasks.racing import Pause, run_together

POSTS = "/api/blog/posts/"
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIGNED = r"http://localhost/media/{}\?expires=\d+&amp;signature=[\w-]+"


def usages(post_id: int) -> set[tuple[int, str]]:
    """Return where the post uses which files."""
    db.session.rollback()
    rows = db.session.execute(select(MediaUsage.media_id, MediaUsage.place).where(MediaUsage.post_id == post_id))
    return {(row.media_id, row.place) for row in rows}


def test_files_in_both_bodies_the_gallery_and_the_featured_image_are_tracked(client: FlaskClient) -> None:
    kari = Person(client)
    (a, a_name), (b, b_name), (c, c_name), (d, _) = (create_media(kari.user) for _ in range(4))
    body = {"title": "A", "body_markdown": f"![x](/media/{a_name}) <img src='/media/{b_name}/320.webp'>"}
    body |= {"body_markdown_nb": f"[x](https://nxfs.example/media/{c_name}?expires=1&signature=abc)"}

    post = kari.post(POSTS, json=body | {"featured_image_id": a}).get_json()
    add_image(post["id"], d)

    assert usages(post["id"]) == {(a, "body"), (a, "featured_image"), (b, "body"), (c, "body"), (d, "gallery")}
    assert post["body_markdown_nb"] == f"[x](/media/{c_name})"
    assert re.search(SIGNED.format(a_name), post["body_html"])
    assert re.search(SIGNED.format(rf"{b_name}/320\.webp"), post["body_html"])
    assert re.search(SIGNED.format(c_name), post["body_html_nb"])
    kari.patch(f"{POSTS}{post['id']}/", json={"body_markdown": "", "featured_image_id": None})
    assert usages(post["id"]) == {(c, "body"), (d, "gallery")}


def test_text_that_comes_back_with_addresses_of_the_answer_changes_nothing(client: FlaskClient) -> None:
    kari = Person(client)
    _, name = create_media(kari.user)
    post = create_post(kari.user, body_markdown=f"![x](/media/{name})")
    before = kari.get(f"{POSTS}{post}/").get_json()
    (address,) = re.findall('src="([^"]+)"', before["body_html"])

    after = kari.patch(f"{POSTS}{post}/", json={"body_markdown": f"![x]({address.replace('&amp;', '&')})"}).get_json()

    assert (after["version"], after["body_markdown"]) == (1, before["body_markdown"])


def test_autolink_keeps_its_address(client: FlaskClient) -> None:
    kari = Person(client)
    media, name = create_media(kari.user)
    text = f"<https://nxfs.example/media/{name}>"

    post = kari.post(POSTS, json={"title": "A", "body_markdown": text}).get_json()

    assert post["body_markdown"] == text
    assert usages(post["id"]) == {(media, "body")}
    assert re.search(f'href="{SIGNED.format(name)}"', post["body_html"])


@pytest.mark.parametrize("form", ["![x](/media/{})", "https://localhost/media/{}", "<img src='/media/{}/320.webp'>"])
def test_private_file_of_somebody_else_is_neither_tracked_nor_signed_nor_published(
    client: FlaskClient, form: str
) -> None:
    kari = Person(client)
    grant(kari.user, "blog.publish")
    _, name = create_media(create_user())
    text = form.format(name)

    post = kari.post(POSTS, json={"title": "A", "body_markdown": text, "body_markdown_nb": text}).get_json()
    published = kari.patch(f"{POSTS}{post['id']}/", json={"status": "published"}).get_json()

    for shown in (post, published):
        assert "signature" not in shown["body_html"] + shown["body_html_nb"] + shown["body_markdown"]
        assert shown["body_markdown"] == text
    assert usages(post["id"]) == set()
    assert public_from(name) is None


def test_editor_who_saves_a_post_does_not_open_the_files_that_its_author_named(client: FlaskClient) -> None:
    ola, manager = Person(client), Person(client, role="staff")
    stolen = [create_media(create_user())[1], create_media(manager.user)[1]]
    media, name = create_media(create_user())
    text = " ".join(f"/media/{each}" for each in stolen)
    post = create_post(ola.user, body_markdown=text)

    for body in ({"title": "B"}, {"body_markdown": f"{text} more"}, {"body_markdown_nb": text}):
        assert "signature" not in manager.patch(f"{POSTS}{post}/", json=body).get_json()["body_html"]
    assert usages(post) == set()
    # What such an editor writes into it is meant.
    manager.patch(f"{POSTS}{post}/", json={"body_markdown": f"{text} /media/{name}"})
    assert usages(post) == {(media, "body")}


def test_public_file_of_somebody_else_may_be_used(client: FlaskClient) -> None:
    kari = Person(client)
    media, name = create_media(create_user(), public_from=clock.now() - timedelta(days=1))
    future, later = create_media(create_user(), public_from=clock.now() + timedelta(days=1))

    post = kari.post(POSTS, json={"title": "A", "body_markdown": f"/media/{name} /media/{later}"}).get_json()

    assert usages(post["id"]) == {(media, "body")}


def test_file_is_public_as_long_as_a_published_post_uses_it(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False):
        staff = Person(client, role="staff")
        media, name = create_media(staff.user)
        texts = {"body_markdown": f"/media/{name}"}
        urls = [f"{POSTS}{create_post(staff.user, **values)}/" for values in (texts, {"featured_image_id": media})]
        assert public_from(name) is None
        steps = [
            (0, {"status": "published", "published_at": "2026-05-01T00:00:00Z"}, datetime(2026, 5, 1, tzinfo=UTC)),
            (1, {"status": "published"}, START),
            (1, {"published_at": "2026-04-01T00:00:00Z"}, datetime(2026, 4, 1, tzinfo=UTC)),
            (1, {"status": "archived"}, datetime(2026, 5, 1, tzinfo=UTC)),
            (0, {"status": "published", "published_at": "2026-02-01T00:00:00Z"}, datetime(2026, 2, 1, tzinfo=UTC)),
            (0, {"body_markdown": ""}, None),
            (1, {"status": "published"}, datetime(2026, 4, 1, tzinfo=UTC)),
        ]
        for number, body, expected in steps:
            assert staff.patch(urls[number], json=body).status_code == 200
            assert public_from(name) == expected, body
        assert staff.delete(urls[1]).status_code == 204
        assert public_from(name) is None


def test_scheduled_post_shows_signed_addresses_until_its_time(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False) as time:
        kari = create_user()
        _, name = create_media(kari)
        due = START + timedelta(hours=1)
        post = create_post(kari, scheduled=True, published_at=due, body_markdown=f"/media/{name} ![x](/media/{name})")
        assert public_from(name) == due
        editor = Person(client, role="staff")
        assert "signature" in editor.get(f"{POSTS}{post}/").get_json()["body_html"]
        time.move_to(due)
        html = client.get(f"{POSTS}{post}/").get_json()["body_html"]
        assert (html.count(f"http://localhost/media/{name}"), "signature" in html) == (2, False)


def test_recordings_are_public_with_their_post(client: FlaskClient) -> None:
    with time_machine.travel(START, tick=False):
        staff = Person(client, role="staff")
        post = create_post(staff.user)
        _, name = add_audio(post, staff.user)
        url = f"{POSTS}{post}/"
        assert "signature" in staff.get(url).get_json()["audio_files"][0]["url"]
        for status, expected in (("published", START), ("draft", None), ("published", START), ("archived", None)):
            staff.patch(url, json={"status": status})
            assert public_from(name) == expected


def test_two_posts_that_share_a_file_and_are_saved_at_once_do_not_miss_each_other(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    staff = Person(client, role="staff")
    files = [create_media(staff.user) for _ in range(3)]
    text = " ".join(f"/media/{name}" for _, name in files)
    posts = [create_post(staff.user, body_markdown=text, featured_image_id=media) for media, _ in files]
    Pause(monkeypatch, engine_name, references, "refresh_publicity")
    times = ["2026-02-03T00:00:00Z", "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z"]
    bodies = [{"status": "published", "published_at": time} for time in times]

    answers = run_together(
        engine_name,
        [partial(staff.patch, f"{POSTS}{post}/", json=body) for post, body in zip(posts, bodies, strict=True)],
    )

    assert [answer.status_code for answer in answers] == [200] * 3
    assert {public_from(name) for _, name in files} == {datetime(2026, 2, 1, tzinfo=UTC)}
    answers = run_together(engine_name, [partial(staff.delete, f"{POSTS}{post}/") for post in posts])
    assert [answer.status_code for answer in answers] == [204] * 3
    assert {public_from(name) for _, name in files} == {None}
    assert db.session.scalars(select(Post.id)).all() == []


def picture_of(name: str) -> str:
    """Return the Markdown of a picture."""
    return f"![x](/media/{name})"


def test_copy_by_an_editor_opens_no_file_that_its_author_merely_named(client: FlaskClient) -> None:
    owner, thief, admin = Person(client), Person(client), Person(client, role="admin")
    _, name = create_media(owner.user)
    trap = thief.post(POSTS, json={"title": "A", "body_markdown": picture_of(name)}).get_json()
    copy = admin.post(f"{POSTS}{trap['id']}/duplicate/").get_json()
    assert admin.patch(f"{POSTS}{copy['id']}/", json={"status": "published"}).status_code == 200
    assert public_from(name) is None


def test_copy_opens_what_the_original_opens(client: FlaskClient) -> None:
    owner = Person(client)
    grant(owner.user, "blog.publish")
    _, name = create_media(owner.user)
    original = owner.post(POSTS, json={"title": "A", "body_markdown": picture_of(name)}).get_json()
    copy = owner.post(f"{POSTS}{original['id']}/duplicate/").get_json()
    owner.patch(f"{POSTS}{copy['id']}/", json={"status": "published"})
    assert public_from(name) is not None


def test_file_that_was_public_once_is_not_kept_open_by_posts_of_others(client: FlaskClient) -> None:
    owner, other = Person(client), Person(client)
    for person in (owner, other):
        grant(person.user, "blog.publish")
    media_id, name = create_media(owner.user)
    body = {"title": "A", "body_markdown": picture_of(name)}
    first = owner.post(POSTS, json={**body, "status": "published"}).get_json()
    second = other.post(POSTS, json=body).get_json()
    # It is known where it is used, so that deleting it takes it out of both.
    assert usages(second["id"]) == {(media_id, "body")}
    owner.patch(f"{POSTS}{first['id']}/", json={"status": "draft"})
    assert public_from(name) is None
    shown = other.patch(f"{POSTS}{second['id']}/", json={"status": "published"}).get_json()
    assert public_from(name) is None
    assert f'src="http://localhost/media/{name}"' in shown["body_html"]


ODD_WAYS = [
    "/media/{stem}&#46;jpeg",
    "/media/{stem}\\.jpeg",
    "&#47;media&#47;{stem}.jpeg",
    "/media/%{first:x}{rest}.jpeg",
]


@pytest.mark.parametrize("way", ODD_WAYS)
@pytest.mark.parametrize("text", ["![x]({})", '<img src="{}">', "[a link]({}) & more"])
def test_address_that_is_written_in_an_odd_way_is_tracked_and_taken_out(
    client: FlaskClient, way: str, text: str
) -> None:
    kari = Person(client)
    media_id, name = create_media(kari.user)
    stem = name.partition(".")[0]
    address = way.format(stem=stem, first=ord(stem[0]), rest=stem[1:])
    post = kari.post(POSTS, json={"title": "A", "body_markdown": text.format(address)}).get_json()
    if name not in unquote(post["body_html"]):
        # HTML knows no backslashes: this is another address.
        return
    assert usages(post["id"]) == {(media_id, "body")}
    assert kari.delete(f"/api/blog/media/{media_id}/").status_code == 204
    after = kari.get(f"{POSTS}{post['id']}/").get_json()
    assert stem not in unquote(after["body_html"])
    assert stem not in unquote(after["body_markdown"])
