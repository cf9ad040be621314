"""Who may do what with posts."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from nxfs.blog.errors import PublishingForbiddenError
from tests.factories.blog import create_media, create_post, grant
from tests.tasks.person import Person

POSTS = "/api/blog/posts/"
TRAITS = {"draft": {}, "public": {"public": True}, "scheduled": {"scheduled": True}, "archived": {"archived": True}}


def people(client: FlaskClient) -> dict[str, Person]:
    """Return an author and others, by what they are."""
    made = {role: Person(client) for role in ("author", "stranger", "editor", "chief")}
    made["staff"] = Person(client, role="staff")
    grant(made["editor"].user, "blog.edit")
    grant(made["chief"].user, "blog.edit", "blog.publish")
    return made


@pytest.mark.parametrize("state", TRAITS)
def test_post_is_seen_by_those_who_may(client: FlaskClient, state: str) -> None:
    roles = people(client)
    post = create_post(roles["author"].user, slug="known", **TRAITS[state])
    is_public = state == "public"

    for role, person in roles.items():
        expected = 200 if is_public or role in ("author", "editor", "chief", "staff") else 404
        for path in (f"{POSTS}{post}/", f"{POSTS}by-slug/known/"):
            assert person.get(path).status_code == expected, role
    assert client.get(f"{POSTS}{post}/").status_code == (200 if is_public else 404)
    assert client.get(f"{POSTS}{post}/", headers={"Authorization": "Bearer x"}).status_code == (
        200 if is_public else 404
    )


# What each may do with a post in each state: those whose status is 200 here, otherwise the status.
WRITES = {
    "draft": {"author": 200, "stranger": 404, "editor": 200, "chief": 200, "staff": 200},
    "archived": {"author": 200, "stranger": 404, "editor": 200, "chief": 200, "staff": 200},
    "scheduled": {"author": 403, "stranger": 404, "editor": 403, "chief": 200, "staff": 200},
    "public": {"author": 403, "stranger": 403, "editor": 403, "chief": 200, "staff": 200},
}


@pytest.mark.parametrize("state", WRITES)
@pytest.mark.parametrize("role", ["author", "stranger", "editor", "chief", "staff"])
def test_post_is_changed_by_those_who_may(client: FlaskClient, state: str, role: str) -> None:
    roles = people(client)
    person, expected = roles[role], WRITES[state][role]
    status = "published" if state in ("public", "scheduled") else state
    url = f"{POSTS}{create_post(roles['author'].user, **TRAITS[state])}/"

    assert person.patch(url, json={"title": "B"}).status_code == expected
    assert person.put(url, json={"title": "C", "status": status}).status_code == expected
    assert person.delete(url).status_code == (204 if expected == 200 else expected)
    if expected == 403 and role != "stranger":
        answer = person.patch(url, json={"title": "B"}).get_json()
        assert answer["error"]["message"] == PublishingForbiddenError.message.en
    seen = roles["staff"].get(url)
    assert (seen.status_code == 404) == (expected == 200)


def test_publishing_needs_the_permission(client: FlaskClient) -> None:
    roles = people(client)
    author = roles["author"]
    url = f"{POSTS}{create_post(author.user)}/"
    publishing = [
        {"status": "published"},
        {"status": "published", "published_at": "2099-01-01T00:00:00Z"},
        {"published_at": "2020-01-01T00:00:00Z"},
    ]

    for body in publishing:
        assert author.patch(url, json=body).status_code == 403
        assert author.post(POSTS, json={"title": "A"} | body).status_code == 403
        assert roles["editor"].patch(url, json=body).status_code == 403
    assert author.patch(url, json={"status": "archived"}).status_code == 200
    assert author.patch(url, json={"status": "draft", "published_at": None}).status_code == 200
    for body in publishing:
        assert roles["chief"].patch(url, json=body).status_code == 200


def test_author_with_the_permission_publishes_and_takes_back(client: FlaskClient) -> None:
    kari = Person(client)
    grant(kari.user, "blog.publish")
    url = f"{POSTS}{create_post(kari.user)}/"

    for body in ({"status": "published"}, {"title": "B"}, {"status": "archived"}, {"status": "published"}):
        assert kari.patch(url, json=body).status_code == 200
    assert kari.patch(url, json={"status": "draft"}).get_json()["is_scheduled"] is False
    assert kari.delete(url).status_code == 204


@pytest.mark.parametrize(
    ("state", "role", "expected"),
    [
        ("draft", "author", 201),
        ("public", "author", 201),
        ("draft", "editor", 201),
        ("draft", "stranger", 404),
        ("public", "stranger", 403),
    ],
)
def test_duplicate_is_for_those_who_edit(client: FlaskClient, state: str, role: str, expected: int) -> None:
    roles = people(client)
    post = create_post(roles["author"].user, **TRAITS[state])

    assert roles[role].post(f"{POSTS}{post}/duplicate/").status_code == expected


def test_editor_cannot_use_the_files_of_others(client: FlaskClient) -> None:
    roles = people(client)
    author, editor = roles["author"], roles["editor"]
    media, _ = create_media(author.user)
    other, _ = create_media(author.user)
    url = f"{POSTS}{create_post(author.user, featured_image_id=media)}/"

    assert editor.patch(url, json={"featured_image_id": other}).status_code == 400
    assert editor.patch(url, json={"title": "B", "featured_image_id": media}).status_code == 200
    own, _ = create_media(editor.user)
    assert editor.patch(url, json={"featured_image_id": own}).status_code == 200


def test_writing_needs_a_login(client: FlaskClient) -> None:
    post = create_post(Person(client).user, public=True)

    assert client.post(POSTS, json={"title": "A"}).status_code == 401
    assert client.get(POSTS).status_code == 401
    for method in ("PUT", "PATCH", "DELETE"):
        assert client.open(f"{POSTS}{post}/", method=method, json={"title": "A"}).status_code == 401
    assert client.post(f"{POSTS}{post}/duplicate/").status_code == 401
