"""Notifications of background jobs: how each ended, to its owner, in the owner's language."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from nxfs.core.jobs.kinds import EndedJob
from nxfs.core.messages import Text
from nxfs.core.transaction import transaction
from nxfs.notifications.service.job_notices import tell_job_ended
from tests.notifications.inbox import count_stored, inbox, only, read, types, want
from tests.tasks.person import Person

TITLE = Text("Export of tasks", "Eksport av oppgaver")


def end(job_id: int, state: str, owner: Person | None) -> None:
    """Tell of a job's end as its kind does."""
    with transaction() as tx:
        tell_job_ended(tx, EndedJob(job_id, "tasks.export", TITLE, state, owner.id if owner is not None else None))


@pytest.mark.parametrize(
    ("state", "type_", "english", "norwegian"),
    [
        ("succeeded", "job_finished", "“Export of tasks” is finished.", "«Eksport av oppgaver» er ferdig."),
        ("failed", "job_failed", "“Export of tasks” failed.", "«Eksport av oppgaver» mislyktes."),
    ],
)
def test_owner_is_told_of_the_end_in_the_language_of_the_reader(
    client: FlaskClient, state: str, type_: str, english: str, norwegian: str
) -> None:
    kari = Person(client)

    end(7, state, kari)

    notification = only(kari)
    assert (notification["type"], notification["message"]) == (type_, english)
    data = {"job_id": 7, "kind": "tasks.export", "title": TITLE.en, "title_nb": TITLE.nb, "actor_name": None}
    assert notification["data"] == data
    # What was told before is read in another language too.
    assert kari.patch("/api/auth/me/", json={"language": "no"}).status_code == 200
    assert only(kari)["message"] == norwegian


def test_nobody_is_told_of_what_was_cancelled_or_is_the_servers_own(client: FlaskClient) -> None:
    kari = Person(client)
    end(7, "cancelled", kari)
    end(8, "succeeded", None)
    end(9, "failed", None)
    assert count_stored() == 0


def test_job_that_is_tried_again_tells_of_each_failure_and_of_its_success_once(client: FlaskClient) -> None:
    kari = Person(client)
    end(7, "failed", kari)
    read(kari, only(kari))
    end(7, "failed", kari)
    assert types(kari) == ["job_failed", "job_failed"]
    for _ in range(2):
        end(7, "succeeded", kari)
    assert types(kari) == ["job_failed", "job_failed", "job_finished"]


def test_whoever_does_not_want_it_is_told_nothing(client: FlaskClient) -> None:
    kari = Person(client)
    want(kari, job_finished=False)
    end(7, "succeeded", kari)
    end(8, "failed", kari)
    assert [item["type"] for item in inbox(kari)] == ["job_failed"]
