"""Tests of search: how texts become words, and that both engines find the same with them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from nxfs.core import search
from nxfs.core.search import LONGEST_SORT_KEY, LONGEST_WORD, document_of, fold, sort_key, words_of
from nxfs.extensions import db
from nxfs.tasks.models import Category
from tests.factories.tasks import create_category
from tests.factories.users import create_user

# Surrogates and NUL are refused before anything is folded.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("BLÅBÆRSYLTETØY", "blåbærsyltetøy"),
        ("A\u030a", "å"),
        ("É", "e"),
        ("Straße", "strasse"),
        ("naïve café", "naive cafe"),
        ("ﬁn", "fin"),
        ("İ", "i"),
        ("Ｔａｓｋ", "task"),
        ("ö ä ü", "o a u"),
    ],
)
def test_fold_drops_case_and_accents_but_keeps_norwegian_letters(text, folded):
    assert fold(text) == folded


@given(TEXTS)
def test_fold_twice_is_fold_once(text):
    assert fold(fold(text)) == fold(text)


@given(TEXTS)
def test_fold_does_not_depend_on_case(text):
    # Some letters change into others in upper case and back: ı, for one.
    if text.upper().casefold() == text.casefold():
        assert fold(text.upper()) == fold(text)


@given(TEXTS)
def test_words_are_short_folded_letters_and_digits_only(text):
    for word in words_of(text):
        assert re.fullmatch(r"[^\W_]+", word)
        assert 0 < len(word) <= LONGEST_WORD


@given(TEXTS, TEXTS)
def test_words_of_two_texts_are_those_of_each(first, second):
    assert words_of(first, second) == words_of(first) + words_of(second)


@given(TEXTS)
def test_words_of_a_document_are_the_words_it_was_made_of(text):
    assert words_of(document_of(text)) == words_of(text)


@pytest.mark.parametrize("text", ["", None, "  ", "_", "---", '"*()', "🙂", "'; DROP TABLE tasks; --"[:3]])
def test_words_of_a_text_without_letters_are_none(text):
    assert words_of(text) == []


def test_words_longer_than_the_limit_are_cut():
    assert words_of("x" * 100) == ["x" * LONGEST_WORD]


def test_sort_key_puts_norwegian_letters_last_in_their_order():
    names = ["Øl", "ål", "zoo", "Ærlig", "øl 2", "alt", "Éclair", "Åse"]
    assert sorted(names, key=sort_key) == ["alt", "Éclair", "zoo", "Ærlig", "Øl", "øl 2", "ål", "Åse"]


@given(TEXTS)
def test_sort_key_fits_its_column(text):
    assert len(sort_key(text * 20)) <= LONGEST_SORT_KEY


@pytest.mark.parametrize(
    ("query", "found"), [("hus", {"Hus_100%"}), ("100", {"Hus_100%"}), ("us", set()), ("%", set()), ("h_s", set())]
)
def test_has_words_finds_beginnings_of_words_and_no_wildcards(app, query, found):
    creator = create_user()
    create_category(creator, name="Hus_100%")
    create_category(creator, name="Annet")
    condition = search.has_words(Category.search_document, words_of(query))
    assert set(db.session.scalars(select(Category.name).where(condition))) == found
