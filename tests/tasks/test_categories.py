"""Categories: writing them, slugs, lists, search, and who may change one."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import create_user
from tests.tasks.person import Person

CATEGORIES = "/api/tasks/categories/"


def test_create_category_in_json_returns_every_field(client: FlaskClient) -> None:
    kari = Person(client)
    body = {"name": "Shopping", "name_nb": "Innkjøp", "slug": "shop", "description": "Things", "color": "#2f855a"}

    answer = kari.post(CATEGORIES, json=body)

    assert answer.status_code == 201
    created = answer.get_json()
    assert created == body | {
        "id": created["id"],
        "version": 1,
        "created_by": kari.id,
        "task_count": None,
        "created_at": created["created_at"],
        "updated_at": created["updated_at"],
    }
    assert Person(client).get(f"{CATEGORIES}{created['id']}/").get_json() == created


def test_create_category_as_form_works(client: FlaskClient) -> None:
    form = {"name": "Shopping", "slug": "", "color": "#2F855A"}

    created = Person(client).post(CATEGORIES, data=form, content_type="multipart/form-data").get_json()

    assert (created["slug"], created["color"], created["name_nb"]) == ("shopping", "#2F855A", None)


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Web & Mail", "web-mail"),
        ("Blåbær på Ås", "blabaer-pa-as"),
        ("Café Ñandú", "cafe-nandu"),
        ("日本", "category"),
        ("!!!", "category"),
        ("--- x ---", "x"),
        ("Æ" * 100, "ae" * 50),
    ],
)
def test_create_category_with_a_blank_slug_makes_one(client: FlaskClient, name: str, slug: str) -> None:
    kari = Person(client)

    assert kari.post(CATEGORIES, json={"name": name, "slug": ""}).get_json()["slug"] == slug
    assert kari.get(f"{CATEGORIES}by-slug/{slug}/").get_json()["name"] == name


def test_create_category_whose_slug_is_taken_gets_a_number(client: FlaskClient) -> None:
    kari = Person(client)

    names = ("Web", "Web!", "Web?", "日", "本")
    slugs = [kari.post(CATEGORIES, json={"name": name}).get_json()["slug"] for name in names]

    assert slugs == ["web", "web-2", "web-3", "category", "category-2"]


def test_create_category_whose_longest_slug_is_taken_gets_a_number(client: FlaskClient) -> None:
    kari = Person(client)

    slugs = [kari.post(CATEGORIES, json={"name": "x" * 99 + sign}).get_json().get("slug") for sign in "!?."]

    assert slugs == ["x" * 99, "x" * 92 + "-2", "x" * 92 + "-3"]


@pytest.mark.parametrize("name", ["web", "WEB", "  Web  ", "wéb", "Ｗｅｂ"])
def test_create_category_with_a_taken_name_conflicts(client: FlaskClient, name: str) -> None:
    kari = Person(client)
    create_category(kari.user, name="Web")

    answer = kari.post(CATEGORIES, json={"name": name, "slug": "other"})

    assert answer.status_code == 409
    assert answer.get_json()["error"]["field_errors"] == {"name": ["There is already a category with this name."]}


def test_create_category_with_a_letter_of_its_own_is_another_name(client: FlaskClient) -> None:
    kari = Person(client)

    answers = [kari.post(CATEGORIES, json={"name": name}) for name in ("Bat", "Båt", "Bøt", "Bæt")]

    assert [answer.status_code for answer in answers] == [201] * 4


def test_write_category_with_a_taken_slug_conflicts(client: FlaskClient) -> None:
    kari = Person(client)
    create_category(kari.user, name="Web", slug="web")
    other = create_category(kari.user, name="Other")

    created = kari.post(CATEGORIES, json={"name": "Net", "slug": "web"})
    patched = kari.patch(f"{CATEGORIES}{other}/", json={"slug": "web"})
    renamed = kari.patch(f"{CATEGORIES}{other}/", json={"name": "web"})

    assert [answer.status_code for answer in (created, patched, renamed)] == [409] * 3
    assert list(created.get_json()["error"]["field_errors"]) == ["slug"]
    assert list(renamed.get_json()["error"]["field_errors"]) == ["name"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("slug", "Not A Slug"),
        ("slug", "æ"),
        ("slug", "x" * 101),
        ("slug", None),
        ("color", "red"),
        ("color", "#12345"),
        ("color", "#12345g"),
        ("description", "x" * 501),
        ("id", 1),
        ("created_by", 1),
        ("task_count", 1),
        ("version", 1),
    ],
)
def test_write_category_with_a_wrong_value_names_the_field(client: FlaskClient, field: str, value: object) -> None:
    kari = Person(client)
    category = create_category(kari.user)

    for answer in (
        kari.post(CATEGORIES, json={"name": "Web", field: value}),
        kari.patch(f"{CATEGORIES}{category}/", json={field: value}),
    ):
        assert answer.status_code == 400
        assert list(answer.get_json()["error"]["field_errors"]) == [field]


def test_create_category_with_a_name_that_folds_to_more_letters_works(client: FlaskClient) -> None:
    kari = Person(client)
    name = "\ufdfa" * 100

    answer = kari.post(CATEGORIES, json={"name": name})

    assert answer.status_code == 201
    assert kari.ids(category=name) == []


def test_put_category_replaces_every_field(client: FlaskClient) -> None:
    kari = Person(client)
    category = create_category(kari.user, name="Web", slug="own", color="#000000", description="d", name_nb="Nett")

    replaced = kari.put(f"{CATEGORIES}{category}/", json={"name": "Mail"}).get_json()

    assert (replaced["name"], replaced["slug"], replaced["version"]) == ("Mail", "mail", 2)
    assert (replaced["color"], replaced["description"], replaced["name_nb"]) == (None, "", None)


def test_put_category_with_a_blank_slug_keeps_the_one_from_the_name(client: FlaskClient) -> None:
    kari = Person(client)
    category = create_category(kari.user, name="Web", slug="web")

    kept = kari.put(f"{CATEGORIES}{category}/", json={"name": "Web", "slug": ""}).get_json()

    assert (kept["slug"], kept["version"]) == ("web", 1)


def test_patch_category_changes_only_what_is_given(client: FlaskClient) -> None:
    kari = Person(client)
    category = create_category(kari.user, name="Web", slug="own", color="#000000")

    renamed = kari.patch(f"{CATEGORIES}{category}/", json={"name": "Mail"}).get_json()

    assert (renamed["name"], renamed["slug"], renamed["color"]) == ("Mail", "own", "#000000")
    assert kari.patch(f"{CATEGORIES}{category}/", json={"name": "MAIL"}).get_json()["name"] == "MAIL"
    assert kari.patch(f"{CATEGORIES}{category}/", json={"color": None}).get_json()["color"] is None


def test_delete_category_detaches_it_from_tasks(client: FlaskClient) -> None:
    kari = Person(client)
    web, mail = create_category(kari.user), create_category(kari.user)
    task, other = create_task(kari.user, category=[web, mail]), create_task(kari.user, category=[mail])
    seen = kari.get(f"/api/tasks/{task}/").headers["ETag"]

    assert kari.delete(f"{CATEGORIES}{web}/").status_code == 204

    left = kari.get(f"/api/tasks/{task}/")
    assert (left.get_json()["category"], left.get_json()["version"]) == ([mail], 2)
    assert kari.patch(f"/api/tasks/{task}/", json={"notes": "n"}, headers={"If-Match": seen}).status_code == 412
    assert kari.get(f"/api/tasks/{other}/").get_json()["version"] == 1
    assert kari.get(f"{CATEGORIES}{web}/").status_code == 404


def test_change_category_is_for_its_creator_and_staff(client: FlaskClient) -> None:
    creator, other = Person(client), Person(client)
    staff, admin = Person(client, role="staff"), Person(client, role="admin")
    category = create_category(creator.user)
    url = f"{CATEGORIES}{category}/"

    for answer in (other.patch(url, json={"color": "#000000"}), other.put(url, json={"name": "x"}), other.delete(url)):
        assert answer.status_code == 403
    for person in (creator, staff, admin):
        assert person.patch(url, json={"description": person.user.username}).status_code == 200
    assert staff.delete(url).status_code == 204


def test_list_categories_is_by_name_in_norwegian_letters_last(client: FlaskClient) -> None:
    kari = Person(client)
    made = {name: create_category(kari.user, name=name) for name in ("Ål", "beta", "Alpha", "Éclair", "zulu")}

    assert kari.ids(CATEGORIES) == [made[name] for name in ("Alpha", "beta", "Éclair", "zulu", "Ål")]
    assert kari.ids(CATEGORIES, ordering="-name") == [made[name] for name in ("Ål", "zulu", "Éclair", "beta", "Alpha")]
    assert kari.ids(CATEGORIES, ordering="created_at") == list(made.values())


def test_list_categories_in_norwegian_order_sorts_ae_oe_aa(client: FlaskClient) -> None:
    kari = Person(client)
    made = {name: create_category(kari.user, name=name) for name in ("Å", "Æ", "Ø", "Z")}

    assert kari.ids(CATEGORIES) == [made[name] for name in ("Z", "Æ", "Ø", "Å")]


def test_list_categories_filters_by_use_and_text(client: FlaskClient) -> None:
    kari = Person(client)
    used, hidden = create_category(kari.user, name="Used"), create_category(kari.user, name="Hidden")
    unused = create_category(kari.user, name="Unused", description="for the Garden")
    create_task(kari.user, category=[used])
    create_task(create_user(), category=[hidden])

    assert kari.ids(CATEGORIES, has_tasks="true") == [used]
    assert kari.ids(CATEGORIES, has_tasks="false") == [hidden, unused]
    assert kari.ids(CATEGORIES, search="gard FOR") == [unused]
    assert kari.ids(CATEGORIES, search="_") == []
    assert Person(client, role="admin").ids(CATEGORIES, has_tasks="true") == [hidden, used]


def test_list_categories_with_counts_counts_the_tasks_one_sees(client: FlaskClient) -> None:
    kari, ola, admin = Person(client), Person(client), Person(client, role="admin")
    a, b, c = (create_category(kari.user, name=name) for name in "abc")
    project = create_project(ola.user, members=(kari.user,))
    create_task(kari.user, category=[a, b])
    create_task(kari.user, category=[a])
    create_task(ola.user, category=[b], project=project)
    create_task(ola.user, category=[c])

    def counts(person: Person) -> list[tuple[int, int]]:
        results = person.get(f"{CATEGORIES}with-counts/").get_json()["results"]
        return [(category["id"], category["task_count"]) for category in results]

    assert counts(kari) == [(a, 2), (b, 2), (c, 0)]
    assert counts(ola) == [(a, 0), (b, 1), (c, 1)]
    assert counts(admin) == [(a, 2), (b, 2), (c, 1)]
    assert kari.ids(f"{CATEGORIES}with-counts/", search="b") == [b]
    assert kari.ids(f"{CATEGORIES}with-counts/", has_tasks="false") == [c]


def test_list_popular_categories_has_the_most_used_first(client: FlaskClient) -> None:
    kari = Person(client)
    rare, common, middle = (create_category(kari.user, name=name) for name in ("a", "b", "c"))
    for categories in ([common], [common, middle], [common, middle, rare]):
        create_task(kari.user, category=categories)
    create_task(create_user(), category=[rare])

    page = kari.get(f"{CATEGORIES}popular/", limit=2).get_json()

    assert [(result["id"], result["task_count"]) for result in page["results"]] == [(common, 3), (middle, 2)]
    assert (page["count"], page["next"], page["previous"]) == (2, None, None)
    assert kari.field_errors(f"{CATEGORIES}popular/", limit=0).keys() == {"limit"}
    assert kari.field_errors(f"{CATEGORIES}popular/", limit=101).keys() == {"limit"}


def test_search_categories_finds_beginnings_of_words(client: FlaskClient) -> None:
    kari = Person(client)
    shop = create_category(kari.user, name="Blåbær shopping", name_nb="Innkjøp", slug="fruit")
    create_category(kari.user, name="Workshop")

    for query in ("shop", "SHOP blå", "innkj", "fruit", "shop%", "bla\u030ab"):
        assert kari.ids(f"{CATEGORIES}search/", q=query) == [shop]
    for query in ("hop", "bla", "%", "***", "' OR 1=1"):
        assert kari.ids(f"{CATEGORIES}search/", q=query) == []
    assert kari.field_errors(f"{CATEGORIES}search/").keys() == {"q"}


@pytest.mark.parametrize("slug", ["nothing", "%00", "%2F", "web%00", "%ED%A0%80", "..", "x" * 3000])
def test_show_category_by_a_slug_that_is_none_answers_not_found(client: FlaskClient, slug: str) -> None:
    kari = Person(client)
    create_category(kari.user, slug="web")

    answer = kari.get(f"{CATEGORIES}by-slug/{slug}/")

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")
