"""What tests of jobs have: an application whose kinds of jobs are the test's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from nxfs.core.jobs import kinds
from nxfs.core.jobs.kinds import Kind

Install = Callable[..., None]


@pytest.fixture
def install(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Give the application these kinds of jobs instead of its own."""
    monkeypatch.setattr(app, "extensions", dict(app.extensions))

    def install_kinds(*wanted: Kind) -> None:
        kinds.install(app, wanted)

    return install_kinds
