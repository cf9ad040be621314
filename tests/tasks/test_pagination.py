"""Pages of lists: every row once, links that keep the question, and what is no page."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories.tasks import create_category, create_project, create_task
from tests.tasks.person import Person

LISTS = (
    "/api/tasks/",
    "/api/tasks/projects/",
    "/api/tasks/categories/",
    "/api/tasks/categories/with-counts/",
)


def query_of(link: str) -> list[tuple[str, str]]:
    """Return the parameters of a link, in order."""
    return parse_qsl(urlsplit(link).query, keep_blank_values=True)


def test_walk_all_pages_gives_every_row_once_in_order(client: FlaskClient) -> None:
    kari = Person(client)
    for number in range(23):
        create_task(kari.user, priority=("low", "medium", "high")[number % 3], title=f"Web {number % 4}")
    whole = kari.ids(search="web")

    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    @given(
        page_size=st.integers(1, 30),
        ordering=st.sampled_from([None, "title", "-priority", "status,-title", "relevance", "due_date"]),
    )
    def check(page_size: int, ordering: str | None) -> None:
        query = {"page_size": page_size, "search": "web"} | ({"ordering": ordering} if ordering else {})
        walked, link, previous, pages = [], "/api/tasks/", None, 0
        while link:
            answer = kari.get(link, **query) if pages == 0 else kari.get(link)
            page = answer.get_json()
            pages += 1
            walked += [task["id"] for task in page["results"]]
            assert page["count"] == 23
            assert page["page_info"] == {
                "current_page": pages,
                "total_pages": -(-23 // page_size),
                "page_size": page_size,
                "has_next": page["next"] is not None,
                "has_previous": page["previous"] is not None,
            }
            if previous is not None:
                back = kari.get(page["previous"]).get_json()
                assert back["results"] == previous["results"]
            link, previous = page["next"], page
        assert walked == (kari.ids(search="web", ordering=ordering) if ordering else whole)
        assert sorted(walked) == sorted(whole)

    check()


def test_links_keep_every_parameter(client: FlaskClient) -> None:
    kari = Person(client)
    create_category(kari.user, name="Å & b", slug="web")
    for _ in range(3):
        create_task(kari.user, title="blåbær")
    query = {"search": "blå b", "status": ["todo", "completed"], "ordering": "-title", "page_size": "1", "_t": "17 #&"}

    page = kari.get("/api/tasks/", page="2", **query).get_json()

    expected = [
        ("search", "blå b"),
        ("status", "todo"),
        ("status", "completed"),
        ("ordering", "-title"),
        ("page_size", "1"),
        ("_t", "17 #&"),
    ]
    assert sorted(query_of(page["next"])) == sorted([*expected, ("page", "3")])
    assert sorted(query_of(page["previous"])) == sorted([*expected, ("page", "1")])
    assert page["next"].startswith("http://localhost/api/tasks/?")


@pytest.mark.parametrize("path", LISTS)
def test_list_page_past_the_end_is_not_found(client: FlaskClient, path: str) -> None:
    kari = Person(client)
    create_task(kari.user), create_project(kari.user), create_category(kari.user)

    for page in (2, 10**9, 10**15):
        answer = kari.get(path, page=page)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5", "", " 1", "1e3", "0x1", "１", str(10**18), "9" * 31, "1\0"])
def test_list_with_what_is_no_number_is_refused(client: FlaskClient, path: str, value: str) -> None:
    kari = Person(client)

    assert list(kari.field_errors(path, page=value)) == ["page"]
    # A large size means the largest.
    if len(value) < 18:
        assert list(kari.field_errors(path, page_size=value)) == ["page_size"]


@pytest.mark.parametrize("path", LISTS)
def test_list_empty_has_one_page(client: FlaskClient, path: str) -> None:
    page = Person(client).get(path).get_json()

    assert (page["count"], page["next"], page["previous"], page["results"]) == (0, None, None, [])
    assert (page["page_info"]["total_pages"], page["page_info"]["has_next"]) == (1, False)


def test_list_with_a_large_page_size_is_clamped(client: FlaskClient) -> None:
    kari = Person(client)
    for _ in range(101):
        create_task(kari.user)

    page = kari.get("/api/tasks/", page_size=1000).get_json()

    assert (len(page["results"]), page["page_info"]["page_size"], page["count"]) == (100, 100, 101)
    assert len(kari.get(page["next"]).get_json()["results"]) == 1
    assert len(kari.get("/api/tasks/").get_json()["results"]) == 20


def test_list_with_a_cache_buster_ignores_it(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user)

    assert kari.ids(_t="1700000000000") == [task]
    assert kari.ids("/api/tasks/projects/", _t="x") == []


def test_list_with_an_unknown_parameter_names_the_nearest(client: FlaskClient) -> None:
    kari = Person(client)

    sentence = "Unknown parameter. Did you mean “page_size”?"
    assert kari.field_errors("/api/tasks/", pagesize="1") == {"pagesize": [sentence]}
    assert "has_tasks" in kari.field_errors("/api/tasks/categories/", hastasks="true")["hastasks"][0]
    assert "limit" in kari.field_errors("/api/tasks/categories/popular/", page="1")["page"][0]
