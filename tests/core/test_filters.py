"""Tests of list parameters: repeatable values and orderings from closed lists."""

from __future__ import annotations

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nxfs.core.filters import MOST_VALUES, AnyOf, Ordering
from nxfs.core.messages import translate

STATUS = AnyOf(("todo", "done"))
ANYTHING = AnyOf()
ORDERING = Ordering(("title", "created_at"))


@pytest.mark.parametrize(
    ("given_texts", "expected"),
    [
        (["todo"], ["todo"]),
        (["todo", "done"], ["todo", "done"]),
        (["todo,done"], ["todo", "done"]),
        (["done,todo", "done"], ["done", "todo"]),
        ([" todo , ,done,"], ["todo", "done"]),
        ([], []),
    ],
)
def test_any_of_reads_repeats_and_comma_lists_alike(given_texts, expected):
    assert STATUS.deserialize(given_texts) == expected


@pytest.mark.parametrize("texts", [["foo"], ["todo,foo"], ["TODO"], ["todo;done"], [""], [","], ["todo", 1]])
def test_any_of_with_an_unknown_or_no_value_is_refused(texts):
    with pytest.raises(ma.ValidationError):
        STATUS.deserialize(texts)


def test_any_of_with_an_unknown_value_names_it_and_the_allowed_ones_in_both_languages():
    with pytest.raises(ma.ValidationError) as caught:
        STATUS.deserialize(["foo"])
    [sentence] = caught.value.messages
    assert translate(sentence, "en") == "“foo” is not allowed; allowed: todo, done."
    assert translate(sentence, "no") == "«foo» er ikke tillatt; tillatt: todo, done."


def test_any_of_takes_at_most_so_many_values():
    values = [str(number) for number in range(MOST_VALUES + 1)]
    assert len(ANYTHING.deserialize([",".join(values[:-1])])) == MOST_VALUES
    with pytest.raises(ma.ValidationError, match=str(MOST_VALUES)):
        ANYTHING.deserialize([",".join(values)])


@given(st.lists(st.text(min_size=1), min_size=1, max_size=10))
def test_any_of_open_list_gives_trimmed_different_parts(texts):
    try:
        values = ANYTHING.deserialize(texts)
    except ma.ValidationError:
        assert not any(part.strip() for text in texts for part in text.split(","))
        return
    assert values == list(dict.fromkeys(values))
    assert all(value and value == value.strip() and "," not in value for value in values)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["title"], [("title", False)]),
        (["-title"], [("title", True)]),
        (["-created_at,title"], [("created_at", True), ("title", False)]),
    ],
)
def test_ordering_reads_names_and_directions(texts, expected):
    assert ORDERING.deserialize(texts) == expected


@pytest.mark.parametrize("text", ["id", "--title", "+title", "title desc", "password_hash", "", "-", "title;DROP"])
def test_ordering_outside_the_closed_list_is_refused(text):
    with pytest.raises(ma.ValidationError):
        ORDERING.deserialize([text])
