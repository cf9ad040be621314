"""The facets of due dates cover exactly the range they stand for."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from nxfs.tasks.queries import facets

DAYS = st.dates() | st.dates(min_value=date(2020, 1, 1), max_value=date(2030, 12, 31))


def facets_of(day: date) -> set[str]:
    """Return the facets that the index has for a due date."""
    digits = f"{day.year:04}{day.month:02}{day.day:02}"
    return {f"{letter}{digits[:length]}" for letter, length in zip("kheymd", (1, 2, 3, 4, 6, 8), strict=True)}


@given(first=DAYS | st.none(), last=DAYS | st.none(), day=DAYS)
@example(first=None, last=None, day=date.max)
@example(first=date(1, 1, 1), last=date(9999, 12, 31), day=date.min)
def test_due_between_covers_each_day_of_the_range_once_and_no_other(first, last, day):
    begin, end = first or date.min, last or date.max
    begin, end = min(begin, end), max(begin, end)
    covering = facets.due_between(first and begin, last and end) if (first or last) else facets.due_between(None, None)
    around = [begin, end, day, begin - timedelta(days=begin > date.min), end + timedelta(days=end < date.max)]
    for each in around:
        assert len(facets_of(each) & set(covering)) == (begin <= each <= end)
    assert len(covering) == len(set(covering)) <= 125
