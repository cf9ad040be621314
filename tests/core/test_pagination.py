"""Tests of pages: what the database is asked, and the envelope around the rows."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import marshmallow as ma
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from nxfs.core import clock
from nxfs.core.api.pages import LARGEST_PAGE, PageQuerySchema, envelope, envelope_schema
from nxfs.core.api.schema import Schema
from nxfs.core.database import start_counting
from nxfs.core.errors import NotFoundError
from nxfs.core.pagination import Page, fetch_page
from nxfs.extensions import db
from nxfs.tasks.models import Category

NAMES = [f"name-{number:02}" for number in range(45)]
ROWS = select(Category.name).order_by(Category.name)


@pytest.fixture
def rows(app: Flask) -> None:
    """Forty-five categories."""
    now = clock.now()
    common = {"search_document": "", "description": "", "version": 1, "created_at": now, "updated_at": now}
    db.session.execute(insert(Category), [{"name": name, "name_key": name, "slug": name, **common} for name in NAMES])
    db.session.commit()


@pytest.mark.parametrize("page_size", [1, 7, 20, 45, 46, 100])
def test_fetch_page_walked_to_the_end_gives_every_row_once(rows, page_size):
    found: list[str] = []
    for page in range(1, -(-len(NAMES) // page_size) + 1):
        fetched = fetch_page(ROWS, page=page, page_size=page_size)
        assert fetched.count == len(NAMES)
        found += [row.name for row in fetched.items]
    assert found == NAMES


@pytest.mark.parametrize("page", [4, 10**9, LARGEST_PAGE])
def test_fetch_page_past_the_end_raises_not_found(rows, page):
    with pytest.raises(NotFoundError) as caught:
        fetch_page(ROWS, page=page, page_size=20)
    assert str(page) in caught.value.message.en


def test_fetch_page_of_an_empty_list_is_an_empty_first_page(app):
    fetched = fetch_page(ROWS, page=1, page_size=20)
    assert (list(fetched.items), fetched.count) == ([], 0)


def test_fetch_page_takes_one_statement_and_counts_what_it_is_told(rows):
    counter = start_counting()
    simpler = select(Category.id).where(Category.name < "name-10")
    fetched = fetch_page(ROWS.where(Category.name < "name-10"), counted=simpler, page=1, page_size=3)
    assert (counter, fetched.count, len(fetched.items)) == ([1], 10, 3)


def test_fetch_page_carries_extra_into_the_envelope(app):
    page = fetch_page(ROWS, page=1, page_size=20, extra={"filters_applied": {}})
    with app.test_request_context("/api/things/"):
        assert envelope(page)["filters_applied"] == {}


def test_envelope_links_are_absolute_and_keep_every_parameter(app):
    query = "status=todo&status=done&search=bl%C3%A5b%C3%A6r+%26+%22x%22&empty=&page=2&page_size=10"
    with app.test_request_context(f"/api/things/?{query}", base_url="https://api.example.com"):
        body = envelope(Page(items=[], count=25, page=2, page_size=10))
    for link, number in ((body["next"], "3"), (body["previous"], "1")):
        parts = urlsplit(link)
        assert (parts.scheme, parts.netloc, parts.path) == ("https", "api.example.com", "/api/things/")
        asked = parse_qs(parts.query, keep_blank_values=True)
        assert asked.pop("page") == [number]
        assert asked == {"status": ["todo", "done"], "search": ['blåbær & "x"'], "empty": [""], "page_size": ["10"]}


@given(count=st.integers(0, 1000), page_size=st.integers(1, 100), data=st.data())
def test_envelope_of_any_page_agrees_with_itself(app, count, page_size, data):
    last = max(1, -(-count // page_size))
    page = data.draw(st.integers(1, last))
    with app.test_request_context("/api/things/"):
        body = envelope(Page(items=[], count=count, page=page, page_size=page_size))
    info = body["page_info"]
    assert info == {
        "current_page": page,
        "total_pages": last,
        "page_size": page_size,
        "has_next": page < last,
        "has_previous": page > 1,
    }
    assert (body["next"] is not None, body["previous"] is not None) == (info["has_next"], info["has_previous"])


@pytest.mark.parametrize(
    ("given_size", "page_size"), [(1, 1), (20, 20), (100, 100), (101, 100), (10**9, 100), (10**30, 100)]
)
def test_query_with_a_large_page_size_is_clamped(given_size, page_size):
    assert PageQuerySchema().load({"page_size": given_size}) == {"page": 1, "page_size": page_size}


@pytest.mark.parametrize("values", [{"page": 0}, {"page": -1}, {"page": 10**30}, {"page_size": 0}, {"page": "abc"}])
def test_query_with_an_impossible_page_is_refused(values):
    with pytest.raises(ma.ValidationError):
        PageQuerySchema().load(values)


def test_envelope_schema_of_one_item_is_made_once():
    class ThingSchema(Schema):
        """A thing."""

    assert envelope_schema(ThingSchema) is envelope_schema(ThingSchema)
    assert envelope_schema(ThingSchema).__name__ == "ThingPageSchema"
