"""Merging tags: posts move, sources go, and all or nothing."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.factories.blog import create_post, create_tag
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person

TAGS = "/api/blog/tags/"
UNKNOWN_ID = 10**12


def test_merge_moves_posts_and_deletes_the_sources(client: FlaskClient) -> None:
    kari = Person(client)
    target, first, second, other = (create_tag(kari.user) for _ in range(4))
    used = ([target], [first], [first, second], [target, second], [second, other], [other])
    posts = [create_post(kari.user, tags=list(ids)) for ids in used]
    logbook = Logbook()

    answer = kari.post(f"{TAGS}{target}/merge/", json={"source_tag_ids": [str(second), first]})

    assert (answer.status_code, answer.get_json()["id"]) == (200, target)
    after = [kari.get(f"/api/blog/posts/{post}/").get_json() for post in posts]
    assert [set(post["tag_ids"]) for post in after] == [{target}] * 4 + [{target, other}, {other}]
    assert [post["version"] for post in after] == [1, 2, 2, 2, 2, 1]
    assert kari.ids(TAGS) == [target, other]
    assert logbook.types() == (["tag_deleted"] * 2, ["blog.tag_merged"] * 2)
    assert {event.payload["merged_into"] for event in logbook.events()} == {target}


def test_merge_that_is_not_possible_is_refused_as_a_whole(client: FlaskClient) -> None:
    kari, ola, staff = Person(client), Person(client), Person(client, role="staff")
    target, own, foreign = create_tag(kari.user), create_tag(kari.user), create_tag(ola.user)
    post = create_post(kari.user, tags=[own])
    url = f"{TAGS}{target}/merge/"

    for sources, status in (
        ([own, target], 422),
        ([own, UNKNOWN_ID], 400),
        ([own, foreign], 403),
        ([], 400),
        (list(range(1000, 1051)), 400),
        (["x"], 400),
    ):
        assert kari.post(url, json={"source_tag_ids": sources}).status_code == status
    assert kari.post(f"{TAGS}{UNKNOWN_ID}/merge/", json={"source_tag_ids": [own]}).status_code == 404
    assert kari.get(f"/api/blog/posts/{post}/").get_json()["tag_ids"] == [own]
    form = {"source_tag_ids": [str(own), str(foreign)]}
    assert staff.post(url, data=form, content_type="multipart/form-data").status_code == 200
    assert kari.ids(TAGS) == [target]
