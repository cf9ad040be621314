"""Full-text search of tasks: the same answers on both engines, and nothing that a user types is syntax."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import time_machine
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from nxfs.core.search import words_of
from tests.factories.tasks import create_category, create_project, create_task
from tests.tasks.person import Person

CABLE = {"title": "Bestill kabel", "description": "Fifty metres of blåbær cable", "notes": "Ask Kari at Ærlig"}


@pytest.mark.parametrize(
    ("values", "query", "is_found"),
    [
        # Words, prefixes, fields.
        (CABLE, "bestill", True),
        (CABLE, "best", True),
        (CABLE, "b", True),
        (CABLE, "estill", False),
        (CABLE, "bestiller", False),
        (CABLE, "kabel metres kari", True),
        (CABLE, "kari KABEL", True),
        (CABLE, "kabel missing", False),
        (CABLE, "bestillkabel", False),
        (CABLE, "  kabel \t\n bestill ", True),
        ({"title": "x", "title_nb": "Strøm"}, "strøm", True),
        ({"title": "x", "description_nb": "Strøm"}, "strøm", True),
        ({"title": "x", "notes": "linje én\nlinje to"}, "to linje", True),
        ({"title": "the and or is at"}, "the", True),
        ({"title": "running"}, "runs", False),
        ({"title": "web-2.0/api_v3"}, "web 2 0 api v3", True),
        ({"title": "web-2.0/api_v3"}, "api_v3", True),
        ({"title": "web-2.0/api_v3"}, "apiv3", False),
        ({"title": "ordre 8001"}, "800", True),
        # Case, accents, Norwegian letters.
        ({"title": "BLÅBÆRSYLTETØY"}, "blåbærsyltetøy", True),
        ({"title": "blåbærsyltetøy"}, "BLÅBÆR", True),
        ({"title": "blåbær"}, "blabær", False),
        ({"title": "blabær"}, "blå", False),
        ({"title": "øl"}, "ol", False),
        ({"title": "ol"}, "øl", False),
        ({"title": "ære"}, "aere", False),
        ({"title": "café"}, "cafe", True),
        ({"title": "cafe"}, "CAFÉ", True),
        ({"title": "Müller Ñandú Çelik"}, "muller nandu celik", True),
        ({"title": "Straße"}, "STRASSE", True),
        ({"title": "straße"}, "straß", True),
        ({"title": "bla\u030aba\u0308r"}, "blåb", True),
        ({"title": "blåbar"}, "bla\u030a", True),
        ({"title": "Å"}, "\u212b", True),
        ({"title": "Ｗｅｂ"}, "web", True),
        ({"title": "ﬁle"}, "file", True),
        ({"title": "İstanbul"}, "istanbul", True),
        ({"title": "Привет мир"}, "привет МИ", True),
        ({"title": "日本語"}, "日本", True),
        # What looks like syntax is text.
        (CABLE, '"kabel"', True),
        (CABLE, '"kabel bestill"', True),
        (CABLE, '"kab', True),
        (CABLE, "kab*", True),
        (CABLE, "*abel", False),
        (CABLE, "-kabel", True),
        (CABLE, "kabel -bestill", True),
        (CABLE, "kabel NOT bestill", False),
        (CABLE, "kabel OR missing", False),
        (CABLE, "kabel AND bestill", False),
        ({"title": "AND OR NOT NEAR"}, "AND", True),
        ({"title": "AND OR NOT NEAR"}, "near(and or)", True),
        (CABLE, "NEAR(kabel bestill)", False),
        (CABLE, "kabel & bestill", True),
        (CABLE, "kabel | missing", False),
        (CABLE, "!kabel", True),
        (CABLE, "kabel <-> bestill", True),
        (CABLE, "kabel:*", True),
        (CABLE, "search_title:kabel", False),
        (CABLE, "search_title : kabel", False),
        (CABLE, "(kabel", True),
        (CABLE, "kabel)", True),
        (CABLE, "ka%l", False),
        (CABLE, "kabe_", True),
        (CABLE, "k_bel", False),
        (CABLE, "kabel'", True),
        (CABLE, "'kabel'", True),
        (CABLE, "\\kabel\\", True),
        (CABLE, "^kabel", True),
        (CABLE, "=kabel", True),
        (CABLE, "kabel + bestill", True),
        (CABLE, "{kabel}", True),
        (CABLE, "'; DROP TABLE tasks; --", False),
        (CABLE, "' OR '1'='1", False),
        (CABLE, "kabel' OR 1=1 --", False),
        (CABLE, "🚀 kabel", True),
        ({"title": "kabel🚀rull"}, "rull", True),
        ({"title": "🚀"}, "🚀", False),
        # Only what is no word finds nothing.
        (CABLE, "*", False),
        (CABLE, "%", False),
        (CABLE, "_", False),
        (CABLE, '""', False),
        (CABLE, "'", False),
        (CABLE, "-", False),
        (CABLE, "()", False),
        (CABLE, "\\", False),
        (CABLE, "!?., ;:", False),
        # Length.
        ({"title": "a b c d e f g h i j"}, "a b c d e f g h i j", True),
        ({"title": "a b c d e f g h i j"}, "a b c d e f g h i x", False),
        ({"title": "a"}, "a " * 250, True),
        ({"title": "x" * 200}, "x" * 500, True),
        ({"title": "x" * 60}, "x" * 500, False),
    ],
)
def test_search_tasks_finds_words_by_their_beginnings(
    client: FlaskClient, values: dict[str, str], query: str, is_found: bool
) -> None:
    kari = Person(client)
    task = create_task(kari.user, **values)
    create_task(kari.user, title="nothing of this kind")

    assert kari.ids(search=query) == ([task] if is_found else [])


def test_search_tasks_that_are_hidden_finds_nothing(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    create_task(kari.user, title="secret")

    assert ola.ids(search="secret") == []


def test_update_task_keeps_the_index_right(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user, title="first", notes="old")

    kari.patch(f"/api/tasks/{task}/", json={"title": "second"})
    assert (kari.ids(search="first"), kari.ids(search="second"), kari.ids(search="old")) == ([], [task], [task])
    kari.patch(f"/api/tasks/{task}/", json={"status": "completed"})
    assert kari.ids(search="second old") == [task]
    kari.put(f"/api/tasks/{task}/", json={"title": "third"})
    assert (kari.ids(search="second"), kari.ids(search="old"), kari.ids(search="third")) == ([], [], [task])


def test_update_task_from_elsewhere_keeps_the_index_right(client: FlaskClient) -> None:
    kari = Person(client)
    project, category = create_project(kari.user), create_category(kari.user)
    task = create_task(kari.user, title="stays", project=project, category=[category])

    kari.delete(f"/api/tasks/projects/{project}/")
    kari.delete(f"/api/tasks/categories/{category}/")

    assert kari.ids(search="stays") == [task]


def test_delete_task_takes_it_out_of_the_index(client: FlaskClient) -> None:
    kari = Person(client)
    task, other = create_task(kari.user, title="same"), create_task(kari.user, title="same")

    kari.delete(f"/api/tasks/{task}/")
    again = create_task(kari.user, title="other")

    assert kari.ids(search="same") == [other]
    assert kari.ids(search="other") == [again]


def test_search_tasks_by_relevance_puts_titles_first(client: FlaskClient) -> None:
    with time_machine.travel(datetime(2026, 1, 31, 12, tzinfo=UTC), tick=False) as clock:
        kari = Person(client)
        made = []
        for values in (
            {"title": "Cable and drum"},
            {"title": "Norwegian", "title_nb": "cable drum"},
            {"title": "Cable", "notes": "drum"},
            {"title": "x", "description": "drum cable"},
        ):
            made.append(create_task(kari.user, **values))
            clock.shift(1)
        english, norwegian, half, text = made

        assert kari.ids(search="drum cab", ordering="relevance") == [norwegian, english, text, half]
        assert kari.ids(search="drum cab", ordering="-relevance") == [english, norwegian, half, text]
        assert kari.ids(search="drum cab", ordering="relevance,title") == [norwegian, english, text, half]
        assert kari.ids(search="!", ordering="relevance") == []
        assert kari.ids(ordering="relevance") == [text, half, norwegian, english]


def test_search_tasks_for_any_text_agrees_with_a_model(client: FlaskClient) -> None:
    kari = Person(client)
    pieces = st.sampled_from([*"aåäæeéøoß'\"*%_-:()&|!\\ \t", "NOT ", "a\u030a", "ﬁ", "日", "🚀", "\u0301"])
    texts = st.lists(pieces, max_size=12).map("".join)

    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(title=texts, notes=texts, query=texts)
    def check(title: str, notes: str, query: str) -> None:
        task = create_task(kari.user, title=f"Q{title}", notes=notes)
        wanted, words = words_of(query), words_of(f"Q{title}", notes)
        expected = bool(wanted) and all(any(word.startswith(part) for word in words) for part in wanted)
        if query.strip():
            assert kari.ids(search=query) == ([task] if expected else [])
        kari.delete(f"/api/tasks/{task}/")

    check()
