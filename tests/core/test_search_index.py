"""The inverted index: what it finds, in which order, and that it is kept by every kind of change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import select

from nxfs.core.search import MOST_SEARCH_WORDS, words_of
from nxfs.core.search_index import FEW_ROWS, Key, Listing, question
from nxfs.extensions import db
from nxfs.tasks.models import Task
from tests.factories.tasks import create_task
from tests.factories.users import create_user


def find(query: str, *, in_title: bool = False) -> set[str]:
    """Return the titles of the tasks that full-text search finds."""
    asked = replace(question(words_of(query), []), is_in_title=in_title or None)
    ids = Listing(Task, asked).ids([Key(Task.id, False)], count=0)
    return set(db.session.scalars(select(Task.title).where(Task.id.in_(ids))))


@pytest.fixture
def tasks(app) -> None:
    """Tasks to find."""
    owner = create_user()
    create_task(owner, title="Kjøp blåbær", description="og fløte", notes="hos Åse")
    create_task(owner, title="Blåser instrument", description="kjøpt i går")
    create_task(owner, title="AND OR NOT NEAR", description="title:x")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("blå", {"Kjøp blåbær", "Blåser instrument"}),
        ("BLÅBÆR", {"Kjøp blåbær"}),
        ("bla", set()),
        ("kjøp", {"Kjøp blåbær", "Blåser instrument"}),
        ("kjøp fløte", {"Kjøp blåbær"}),
        ("åse blåbær fløte", {"Kjøp blåbær"}),
        ("fløte instrument", set()),
        ("lå", set()),
        ("near and", {"AND OR NOT NEAR"}),
        ('"blåbær" OR (x*', set()),
        ("title:x", {"AND OR NOT NEAR"}),
        ("' | 'blå", {"Kjøp blåbær", "Blåser instrument"}),
        ("***", set()),
        ("", set()),
    ],
)
def test_question_is_answered_for_every_word_as_a_prefix_and_nothing_as_syntax(tasks, query, found):
    assert find(query) == found


def test_question_in_the_title_only_looks_nowhere_else(tasks):
    assert find("kjøp", in_title=True) == {"Kjøp blåbær"}
    assert find("kjøp fløte", in_title=True) == set()


def test_question_uses_the_first_words_of_a_long_query(tasks):
    assert find("blåbær " + " ".join(f"x{number}" for number in range(MOST_SEARCH_WORDS * 3))) == set()
    assert find(" ".join(["blåbær"] * 500)) == {"Kjøp blåbær"}


@pytest.mark.parametrize("text", [chr(code) for code in (*range(1, 256), 0x130, 0x131, 0x1F642, 0x660, 0x4E2D, 0xFDFA)])
def test_question_of_any_character_is_no_syntax_error(tasks, text):
    for query in (text, f"a{text}b", f"{text}{text}"):
        find(query)
        find(query, in_title=True)


@pytest.mark.parametrize("count", [0, FEW_ROWS + 1])
@pytest.mark.parametrize("is_descending", [False, True])
def test_ids_are_in_order_whichever_plan_the_count_leads_to(app, count, is_descending):
    owner = create_user()
    for title in ("b", "c", "a"):
        create_task(owner, title=title, description="same")
    keys = [Key(Task.title_key, is_descending), Key(Task.id, is_descending)]
    ids = list(db.session.scalars(Listing(Task, question(["same"], [["s0"]])).ids(keys, count=count)))
    titles = [db.session.get_one(Task, identifier).title for identifier in ids]
    assert titles == sorted("abc", reverse=is_descending)


def test_index_follows_set_based_changes(app):
    owner = create_user()
    task_id = create_task(owner, title="Word", status="todo", due_date=date(2026, 11, 22))
    facets = ["s0", "d20261122", "m202611", "y2026", "e202", "h20", "k2", f"u{owner.id}", "a0", "j0"]

    def found(facet: str) -> bool:
        db.session.rollback()
        return db.session.scalar(Listing(Task, question(["word"], [[facet]])).count()) == 1

    assert [facet for facet in facets if not found(facet)] == []
    db.session.execute(Task.__table__.update().values(status="completed", due_date=None))
    db.session.commit()
    assert found("s2") and found("d0") and not found("s0") and not found("y2026")
    db.session.execute(Task.__table__.delete().where(Task.id == task_id))
    db.session.commit()
    assert not found("s2")
