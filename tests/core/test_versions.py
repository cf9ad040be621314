"""Tests of preconditions: what an ``If-Match`` header asks for."""

from __future__ import annotations

import pytest

from nxfs.core.errors import PreconditionFailedError
from nxfs.core.versions import NO_PRECONDITION, Precondition


@pytest.mark.parametrize("header", [None, "*", " * "])
def test_require_without_a_wish_accepts_every_version(header):
    Precondition.from_header(header).require(7)


@pytest.mark.parametrize("header", ['"7-abc"', 'W/"7-abc"', '"1-x", W/"7-abc"', 'W/"7-"'])
def test_require_with_the_present_version_accepts_it(header):
    Precondition.from_header(header).require(7)


@pytest.mark.parametrize("header", ["", "7", '"7"', 'W/"6-abc"', '"77-a"', '"-7"', "nonsense", '"' + "9" * 40 + '-a"'])
def test_require_with_anything_else_raises_and_tells_the_version(header):
    with pytest.raises(PreconditionFailedError) as caught:
        Precondition.from_header(header).require(7)
    assert caught.value.details == {"version": 7}


def test_no_precondition_accepts_every_version():
    NO_PRECONDITION.require(1)
