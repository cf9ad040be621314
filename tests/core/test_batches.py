"""Batches: lists of ids as they come, conditions on many ids, and failures in words."""

from __future__ import annotations

from types import SimpleNamespace

import marshmallow as ma
import pytest
from flask import Flask
from sqlalchemy import select

from nxfs.auth.models import User
from nxfs.core import batches
from nxfs.core.api.fields import MOST_ERRORS, Identifiers
from nxfs.core.batches import BatchFailedError, Failure
from nxfs.core.database import LARGEST_IDENTIFIER
from nxfs.core.messages import Text
from nxfs.extensions import db
from tests.factories.users import create_user

GONE = Text("It is gone.", "Den er borte.")


def test_identifiers_are_loaded_as_different_numbers_in_their_order() -> None:
    field = Identifiers(maximum=6)

    assert field.deserialize([3, 1, 3, 2]) == [3, 1, 2]
    assert field.deserialize(["3", "1", "3"]) == [3, 1]
    assert field.deserialize([1, "2", str(LARGEST_IDENTIFIER), LARGEST_IDENTIFIER]) == [1, 2, LARGEST_IDENTIFIER]


def test_identifiers_name_the_first_hundred_that_are_none() -> None:
    with pytest.raises(ma.ValidationError) as refused:
        Identifiers(maximum=1000).deserialize([1, *["1_0"] * 500])

    assert list(refused.value.messages) == list(range(1, MOST_ERRORS + 1))


def test_condition_of_many_ids_is_one_parameter(app: Flask) -> None:
    first, second, third = (create_user().id for _ in range(3))
    many = [second, first, *range(10**9, 10**9 + 5000)]
    condition = batches.is_among(User.id, many)

    assert sorted(db.session.scalars(select(User.id).where(condition))) == [first, second]
    assert db.session.scalars(select(User.id).where(batches.is_among(User.id, []))).all() == []
    assert third not in many
    assert len(select(User.id).where(condition).compile(db.engine).params) == 1


def test_failures_are_named_in_the_order_of_the_ids_and_in_a_language() -> None:
    rows = [SimpleNamespace(id=1), SimpleNamespace(id=2)]

    failures = batches.find_failures([3, 2, 1], rows, missing=GONE, may_change=lambda row: row.id == 1)

    assert [failure.id for failure in failures] == [3, 2]
    assert batches.in_words(failures, language="no") == [
        {"id": 3, "error": "Den er borte."},
        {"id": 2, "error": "Du har ikke tilgang til å gjøre dette."},
    ]


def test_whole_batch_with_a_failure_is_refused() -> None:
    batches.require_all([], language="en")

    with pytest.raises(BatchFailedError) as refused:
        batches.require_all([Failure(7, GONE)], language="en")

    assert refused.value.details == {"failed": [{"id": 7, "error": "It is gone."}]}
    assert refused.value.message.en == "Nothing was changed, because 1 of these cannot be changed."
