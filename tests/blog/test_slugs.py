"""Slugs of posts: unique for ever, and old ones still find the post."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from nxfs.blog.service import posts as service
from nxfs.core import slugs, threads
from nxfs.core.slugs import LONGEST_SLUG, free_slug, slug_of
from nxfs.extensions import db
from tests.factories.blog import create_post
from tests.tasks.person import Person
from tests.tasks.racing import Pause, run_together

POSTS = "/api/blog/posts/"


@pytest.mark.parametrize(
    ("title", "slug"),
    [("Strøm til hytta!", "strom-til-hytta"), ("日本", "post"), ("A & B", "a-b"), ("Æ" * 100, "ae" * 50)],
)
def test_blank_slug_is_made_from_the_title(client: FlaskClient, title: str, slug: str) -> None:
    kari = Person(client)

    assert kari.post(POSTS, json={"title": title, "slug": ""}).get_json()["slug"] == slug
    assert kari.post(POSTS, json={"title": title}).get_json()["slug"] != slug
    assert kari.get(f"{POSTS}by-slug/{slug}/").get_json()["title"] == title


def test_taken_slug_gets_a_number_or_conflicts(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    made = [person.post(POSTS, json={"title": "Web"}).get_json()["slug"] for person in (kari, ola, kari)]
    assert made == ["web", "web-2", "web-3"]

    answer = ola.post(POSTS, json={"title": "A", "slug": "web"})

    assert answer.status_code == 409
    assert answer.get_json()["error"]["field_errors"] == {"slug": ["Another post has or had this slug."]}


def test_old_slug_still_finds_the_post_and_stays_taken(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    post = create_post(kari.user, slug="first", public=True)
    other = create_post(ola.user, slug="other")
    service_person = Person(client, role="staff")
    url = f"{POSTS}{post}/"
    for slug in ("second", "third"):
        assert service_person.patch(url, json={"slug": slug}).get_json()["slug"] == slug

    for slug in ("first", "second", "third"):
        found = client.get(f"{POSTS}by-slug/{slug}/")
        assert (found.status_code, found.get_json()["id"], found.get_json()["slug"]) == (200, post, "third")
        assert ola.patch(f"{POSTS}{other}/", json={"slug": slug}).status_code == 409
    assert service_person.patch(url, json={"slug": "first"}).get_json()["slug"] == "first"
    assert service_person.patch(url, json={"slug": "other"}).status_code == 409


def test_blank_slug_of_a_change_is_made_from_the_title_and_may_be_ones_own(client: FlaskClient) -> None:
    kari = Person(client)
    create_post(kari.user, title="Web")
    post = create_post(kari.user, title="Web")
    url = f"{POSTS}{post}/"
    assert kari.get(url).get_json()["slug"] == "web-2"

    assert kari.put(url, json={"title": "Web"}).get_json()["slug"] == "web-2"
    assert kari.put(url, json={"title": "Mail"}).get_json()["slug"] == "mail"
    assert kari.put(url, json={"title": "Web"}).get_json()["slug"] == "web-2"
    assert kari.patch(url, json={"title": "Other"}).get_json()["slug"] == "web-2"


@pytest.mark.parametrize("slug", ["nothing", "%00", "%2F", "%ED%A0%80", "..", "x" * 3000])
def test_unknown_slug_is_not_found(client: FlaskClient, slug: str) -> None:
    answer = client.get(f"{POSTS}by-slug/{slug}/")

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


def test_slug_taken_ten_times_at_once_is_given_once(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    Pause(monkeypatch, engine_name, service, "_assign")

    answers = run_together(engine_name, [partial(kari.post, POSTS, json={"title": "A", "slug": "web"})] * 10)

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 9}


def test_posts_with_one_title_created_at_once_get_slugs_of_their_own(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    Pause(monkeypatch, engine_name, service, "_assign")

    answers = run_together(engine_name, [partial(kari.post, POSTS, json={"title": "Web"})] * 4)

    assert sorted(answer.get_json()["slug"] for answer in answers) == ["web", "web-2", "web-3", "web-4"]


def test_copies_made_at_once_get_slugs_of_their_own(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    url = f"{POSTS}{create_post(kari.user, title='Web')}/duplicate/"
    Pause(monkeypatch, engine_name, service, "_free_slug")

    answers = run_together(engine_name, [partial(kari.post, url)] * 4)

    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.get_json()["slug"] for answer in answers}) == 4


def test_slugs_made_anew_at_once_are_different(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    urls = [f"{POSTS}{create_post(kari.user, title='Web', slug=f'old-{number}')}/" for number in range(4)]
    Pause(monkeypatch, engine_name, service, "_free_slug")

    answers = run_together(engine_name, [partial(kari.patch, url, json={"slug": ""}) for url in urls])

    assert [answer.status_code for answer in answers] == [200] * 4
    assert sorted(answer.get_json()["slug"] for answer in answers) == ["web", "web-2", "web-3", "web-4"]


def test_slug_of_a_title_that_very_many_have_is_found_at_once(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slugs, "MOST_NUMBERED", 3)
    kari = Person(client)

    made = [kari.post(POSTS, json={"title": "Web"}).get_json()["slug"] for _ in range(5)]

    assert made[:3] == ["web", "web-2", "web-3"]
    assert all(re.fullmatch("web-[0-9]{7}", slug) for slug in made[3:])


def test_texts_are_rendered_without_a_connection(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = Person(client)
    pool, held, derive = db.engine.pool, [], service.rendering._derive

    def deriving(*arguments: Any) -> dict[str, str]:
        held.append(pool.checkedout())
        return derive(*arguments)

    monkeypatch.setattr(service.rendering, "_derive", deriving)

    post = kari.post(POSTS, json={"title": "Web"}).get_json()
    assert kari.patch(f"{POSTS}{post['id']}/", json={"title": "Mail"}).status_code == 200
    assert held == [0, 0]


def test_text_that_takes_too_long_is_refused_at_its_field(client: FlaskClient) -> None:
    answer = Person(client).post(POSTS, json={"title": "A", "body_markdown_nb": "[" * 100_000})

    assert answer.status_code == 400
    assert list(answer.get_json()["error"]["field_errors"]) == ["body_markdown_nb"]


def test_text_that_very_many_wait_with_is_sent_again_later(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    monkeypatch.setattr(threads, "MOST_LONG", 0)

    assert kari.post(POSTS, json={"title": "A"}).status_code == 503
    monkeypatch.undo()
    assert kari.post(POSTS, json={"title": "A"}).status_code == 201


def test_slug_changed_to_the_same_at_once_is_given_once(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    urls = [f"{POSTS}{create_post(kari.user)}/" for _ in range(6)]
    Pause(monkeypatch, engine_name, service, "_assign")

    answers = run_together(engine_name, [partial(kari.patch, url, json={"slug": "web"}) for url in urls])

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 5}


def test_texts_changed_at_once_are_all_kept(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    url = f"{POSTS}{create_post(kari.user, title='A')}/"
    Pause(monkeypatch, engine_name, service.rendering, "derive")
    bodies = [{"title": "B"}, {"excerpt": "e"}, {"body_markdown": "*c*"}, {"body_markdown_nb": "*d*"}]

    answers = run_together(engine_name, [partial(kari.patch, url, json=body) for body in bodies])

    assert [answer.status_code for answer in answers] == [200] * 4
    post = kari.get(url).get_json()
    assert (post["title"], post["excerpt"], post["version"]) == ("B", "e", 5)
    assert (post["body_html"], post["body_html_nb"]) == ("<p><em>c</em></p>\n", "<p><em>d</em></p>\n")
    for word in "bcde":
        assert kari.ids(POSTS, search=word) == [post["id"]]


@given(st.text(max_size=300), st.sets(st.text("ab-2", max_size=4)))
def test_free_slug_is_a_slug_that_is_free(title: str, taken: set[str]) -> None:
    slug = free_slug(slug_of(title) or "post", taken=taken)

    assert slug not in taken
    assert 0 < len(slug) <= LONGEST_SLUG
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
