"""What tests of jobs have: an application whose kinds of jobs are the test's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from nxfs.core.jobs import kinds
from nxfs.core.jobs.kinds import Kind
from tests.jobs import kept_kinds

Install = Callable[..., None]


@pytest.fixture
def install(app: Flask) -> Iterator[Install]:
    """Give the application these kinds of jobs instead of its own."""

    def install_kinds(*wanted: Kind) -> None:
        kinds.install(app, wanted)

    with kept_kinds(app):
        yield install_kinds
