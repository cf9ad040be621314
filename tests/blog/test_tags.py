"""Tags: writing them, slugs, lists, counts, deleting several, and who may change one."""

from __future__ import annotations

from functools import partial

import pytest
from flask.testing import FlaskClient

from tests.factories.blog import create_post, create_tag
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person
from tests.tasks.racing import run_together

TAGS = "/api/blog/tags/"
UNKNOWN_ID = 10**12


def test_create_tag_returns_every_field_to_everybody(client: FlaskClient) -> None:
    kari = Person(client)
    body = {"name": "Web & Mail", "slug": "web", "description": "Things", "color": "#2f855a"}

    answer = kari.post(TAGS, json=body)

    created = answer.get_json()
    assert answer.status_code == 201
    times = {name: created[name] for name in ("created_at", "updated_at")}
    assert created == body | times | {"id": created["id"], "version": 1, "post_count": 0}
    assert client.get(f"{TAGS}{created['id']}/").get_json() == created
    assert client.get(f"{TAGS}by-slug/web/").get_json() == created
    assert client.get(TAGS).get_json()["results"] == [created]
    assert client.get(f"{TAGS}search/?q=thin").get_json()["results"] == [created]
    assert client.get(f"{TAGS}popular/").get_json()["results"] == [created]


def test_create_tag_without_a_slug_makes_one(client: FlaskClient) -> None:
    kari = Person(client)

    made = [kari.post(TAGS, json={"name": name}).get_json()["slug"] for name in ("Blå", "Blå!", "日", "本")]

    assert made == ["bla", "bla-2", "tag", "tag-2"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"slug": "Ab"}, "slug"),
        ({"color": "red"}, "color"),
        ({"description": "x" * 501}, "description"),
        ({"post_count": 1}, "post_count"),
    ],
)
def test_create_tag_with_a_bad_value_is_refused(client: FlaskClient, values: dict, field: str) -> None:
    answer = Person(client).post(TAGS, json={"name": "A"} | values)

    assert (answer.status_code, list(answer.get_json()["error"]["field_errors"])) == (400, [field])


def test_names_and_slugs_are_unique(client: FlaskClient) -> None:
    kari = Person(client)
    create_tag(kari.user, name="Web", slug="web")
    other = create_tag(kari.user)

    for body, field in (({"name": " WÉB "}, "name"), ({"name": "A", "slug": "web"}, "slug")):
        for answer in (kari.post(TAGS, json=body), kari.put(f"{TAGS}{other}/", json={"name": "B"} | body)):
            assert (answer.status_code, list(answer.get_json()["error"]["field_errors"])) == (409, [field])


def test_tag_is_changed_by_its_creator_and_staff(client: FlaskClient) -> None:
    kari, ola, staff = Person(client), Person(client), Person(client, role="staff")
    url = f"{TAGS}{create_tag(kari.user)}/"

    for answer in (ola.patch(url, json={"color": "#000000"}), ola.put(url, json={"name": "A"}), ola.delete(url)):
        assert answer.status_code == 403
    logbook = Logbook()
    assert kari.patch(url, json={"color": "#000000"}).get_json()["color"] == "#000000"
    assert staff.put(url, json={"name": "A"}).get_json()["color"] is None
    seen = {"If-Match": kari.get(url).headers["ETag"]}
    assert kari.patch(url, json={"name": "B"}, headers=seen).status_code == 200
    assert kari.patch(url, json={"name": "C"}, headers=seen).status_code == 412
    assert kari.delete(url).status_code == 204
    assert logbook.types() == (
        ["tag_updated"] * 3 + ["tag_deleted"],
        ["blog.tag_updated"] * 3 + ["blog.tag_deleted"],
    )


def test_deleted_tag_leaves_its_posts(client: FlaskClient) -> None:
    kari = Person(client)
    tag, other = create_tag(kari.user), create_tag(kari.user, name="Other")
    url = f"/api/blog/posts/{create_post(kari.user, tags=[tag, other])}/"
    seen = {"If-Match": kari.get(url).headers["ETag"]}

    assert kari.delete(f"{TAGS}{tag}/").status_code == 204

    assert kari.get(url).get_json()["tags"] == ["Other"]
    assert kari.patch(url, json={"title": "B"}, headers=seen).status_code == 412


def test_counts_are_those_of_public_posts(client: FlaskClient) -> None:
    kari = Person(client)
    web, mail, none = (create_tag(kari.user, name=name) for name in ("Web", "Mail", "A"))
    create_post(kari.user, public=True, tags=[web, mail])
    create_post(kari.user, public=True, tags=[web])
    for trait in ("scheduled", "archived"):
        create_post(kari.user, tags=[mail, none], **{trait: True})
    create_post(kari.user, tags=[mail])

    def counts(path: str) -> list[tuple[int, int]]:
        return [(tag["id"], tag["post_count"]) for tag in client.get(path).get_json()["results"]]

    assert counts(f"{TAGS}popular/") == [(web, 2), (mail, 1), (none, 0)]
    assert counts(f"{TAGS}popular/?limit=1") == [(web, 2)]
    assert counts(TAGS) == [(none, 0), (mail, 1), (web, 2)]
    assert client.get(f"{TAGS}{web}/").get_json()["post_count"] == 2
    create_post(kari.user, public=True, tags=[mail, none])
    assert counts(f"{TAGS}popular/") == [(mail, 2), (web, 2), (none, 1)]


def test_list_of_tags_is_ordered_and_searched(client: FlaskClient) -> None:
    kari = Person(client)
    made = {name: create_tag(kari.user, name=name) for name in ("Ål", "beta", "Alpha")}

    assert kari.ids(TAGS) == [made[name] for name in ("Alpha", "beta", "Ål")]
    assert kari.ids(TAGS, ordering="-created_at") == list(reversed(made.values()))
    assert kari.ids(TAGS, search="alp") == [made["Alpha"]]
    assert kari.ids(f"{TAGS}search/", q="ål") == [made["Ål"]]
    assert kari.field_errors(f"{TAGS}search/").keys() == {"q"}
    assert kari.field_errors(f"{TAGS}popular/", limit=101).keys() == {"limit"}


@pytest.mark.parametrize("count", [1, 30])
def test_lists_of_tags_cost_few_statements(client: FlaskClient, count: int) -> None:
    kari = Person(client)
    tags = [create_tag(kari.user) for _ in range(count)]
    create_post(kari.user, public=True, tags=tags[:20])

    for path, most in ((f"{TAGS}popular/", 5), (TAGS, 3), (f"{TAGS}search/?q=tag", 3), (f"{TAGS}{tags[0]}/", 3)):
        assert int(client.get(path).headers["X-DB-Queries"]) == most


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_bulk_delete_deletes_what_it_may_and_names_the_others(client: FlaskClient, method: str) -> None:
    kari, ola = Person(client), Person(client)
    own, second, foreign = create_tag(kari.user), create_tag(kari.user), create_tag(ola.user)
    post = create_post(kari.user, tags=[own, second, foreign])
    logbook = Logbook()

    body = {"tag_ids": [str(own), second, own, foreign, UNKNOWN_ID, str(foreign)]}
    expected = {"deleted_count": 2, "failed_deletes": [foreign, UNKNOWN_ID]}
    assert kari.send(method, f"{TAGS}bulk-delete/?dry_run=true", json=body).get_json() == expected
    whole = kari.send(method, f"{TAGS}bulk-delete/?atomic=true", json=body)
    assert whole.status_code == 409
    assert [failed["id"] for failed in whole.get_json()["error"]["details"]["failed"]] == [foreign, UNKNOWN_ID]
    assert logbook.types() == ([], [])
    answer = kari.send(method, f"{TAGS}bulk-delete/", json=body)

    assert (answer.status_code, answer.get_json()) == (200, expected)
    assert kari.ids(TAGS) == [foreign]
    assert logbook.types() == (["tag_deleted"] * 2, ["blog.tag_deleted"] * 2)
    assert kari.get(f"/api/blog/posts/{post}/").get_json()["tag_ids"] == [foreign]
    nothing = kari.post(f"{TAGS}bulk-delete/", json={"tag_ids": [own]})
    assert nothing.get_json() == {"deleted_count": 0, "failed_deletes": [own]}


@pytest.mark.parametrize("tag_ids", [[], list(range(1, 1002)), ["x"], [0], ["0"], [1.5], [True], None, "1", ["1 "]])
def test_bulk_delete_with_bad_ids_is_refused(client: FlaskClient, tag_ids: object) -> None:
    assert Person(client).post(f"{TAGS}bulk-delete/", json={"tag_ids": tag_ids}).status_code == 400


@pytest.mark.parametrize("count", [1, 100])
def test_bulk_delete_costs_the_same_however_many(client: FlaskClient, count: int) -> None:
    kari = Person(client)
    tags = [create_tag(kari.user) for _ in range(count)]
    create_post(kari.user, tags=tags[:20])

    answer = kari.post(f"{TAGS}bulk-delete/", json={"tag_ids": tags})

    assert answer.get_json()["deleted_count"] == count
    # Among them the lock of PostgreSQL's event log.
    assert int(answer.headers["X-DB-Queries"]) <= 8


def test_tags_deleted_and_merged_at_once_do_not_wait_in_a_circle(client: FlaskClient, engine_name: str) -> None:
    kari = Person(client)
    tags = [create_tag(kari.user) for _ in range(8)]
    for _ in range(10):
        create_post(kari.user, tags=tags)
    actions = [partial(kari.post, f"{TAGS}bulk-delete/", json={"tag_ids": tags[2:5]})]
    actions += [partial(kari.post, f"{TAGS}bulk-delete/", json={"tag_ids": tags[4:1:-1]})]
    actions += [partial(kari.post, f"{TAGS}{tags[0]}/merge/", json={"source_tag_ids": [tags[6], tags[1]]})]
    actions += [partial(kari.post, f"{TAGS}{tags[7]}/merge/", json={"source_tag_ids": [tags[5], tags[6]]})]
    actions += [partial(kari.post, "/api/blog/posts/", json={"title": "A", "tags": [tags[0], tags[7]]})] * 2

    answers = run_together(engine_name, actions)

    assert {answer.status_code for answer in answers} <= {200, 201, 400, 404}
    assert sum(answer.get_json()["deleted_count"] for answer in answers[:2]) == 3
