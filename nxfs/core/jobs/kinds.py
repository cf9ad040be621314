"""The closed table of kinds of jobs: each domain's JOBS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app

from nxfs.core.jobs.running import RunningJob
from nxfs.core.messages import Text
from nxfs.core.transaction import Transaction

_KEY = "nxfs.job_kinds"


@dataclass(frozen=True)
class EndedJob:
    """What is told of a job that has ended: ``state`` is succeeded, failed or cancelled."""

    id: int
    kind: str
    title: Text
    state: str
    owner_id: int | None


@dataclass(frozen=True)
class Kind:
    """What jobs of one kind do.

    ``run`` does the work and returns the result, a JSON object; what it raises is tried again, an ``APIError`` below
    500 is not. It may be stopped and begun again at any moment: what it does it has to do in transactions that also
    ``save`` how far it is. ``at_end`` is called in the transaction that ends a job, ``so_far`` returns the result of
    one that ends before it is done, from how far it was and the items that were saved. Of all jobs of the kind at most
    ``most_at_once`` run at the same time, in whatever processes.
    """

    name: str
    title: Text
    run: Callable[[RunningJob], Mapping[str, Any]]
    most_at_once: int = 1
    at_end: Callable[[Transaction, EndedJob], object] | None = None
    so_far: Callable[[int, list[Any]], Mapping[str, Any]] | None = None


def install(app: Flask, kinds: Iterable[Kind]) -> None:
    """Let ``app`` know these kinds of jobs."""
    app.extensions[_KEY] = {kind.name: kind for kind in kinds}


def all_kinds() -> Mapping[str, Kind]:
    """Return the kinds of jobs of the running application by their names."""
    kinds: Mapping[str, Kind] = current_app.extensions[_KEY]
    return kinds
