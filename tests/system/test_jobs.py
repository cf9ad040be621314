"""``/api/jobs/``: who sees which jobs, how they are shown, and what people may do with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from nxfs.app import SCHEDULE
from nxfs.core import clock
from nxfs.core.errors import BusinessRuleError
from nxfs.core.jobs import kinds, queue, retention
from nxfs.core.jobs.kinds import Kind
from nxfs.core.jobs.leases import MOST_ATTEMPTS, claim
from nxfs.core.jobs.models import STATES
from nxfs.core.jobs.running import RunningJob
from nxfs.core.messages import Text
from tests.factories.jobs import create_job
from tests.files.conftest import keep, picture
from tests.jobs import kept_kinds, run_due_jobs
from tests.tasks.logbook import Logbook
from tests.tasks.person import Person

URL = "/api/jobs/"
KIND = "tests.counting"
TITLE = Text("Counting of tasks", "Telling av oppgaver")

Install = Callable[..., None]


@pytest.fixture
def install(app: Flask) -> Iterator[Install]:
    """Give the application one kind of jobs, which does ``run``."""

    def install_kind(run: Callable[[RunningJob], Mapping[str, Any]] = lambda job: {}) -> None:
        kinds.install(app, [Kind(KIND, TITLE, run)])

    with kept_kinds(app):
        yield install_kind


def show(person: Person, job_id: int) -> dict[str, Any]:
    """Return a job as ``person`` sees it."""
    answer = person.get(f"{URL}{job_id}/")
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def statuses(person: Person, job_id: int) -> list[int]:
    """Return what ``person`` is answered who looks at a job, cancels it, and tries it again."""
    paths = (f"{URL}{job_id}/", f"{URL}{job_id}/cancel/", f"{URL}{job_id}/retry/")
    return [person.get(paths[0]).status_code, *(person.post(path).status_code for path in paths[1:])]


def test_list_has_ones_own_jobs_and_for_staff_all(client: FlaskClient) -> None:
    kari, ola, boss, admin = Person(client), Person(client), Person(client, role="staff"), Person(client, role="admin")
    first, foreign, last = create_job(kari.user), create_job(ola.user), create_job(kari.user)
    own = create_job(None)

    assert kari.ids(URL) == [last, first]
    assert ola.ids(URL) == [foreign]
    assert boss.ids(URL) == admin.ids(URL) == [own, last, foreign, first]
    assert boss.ids(URL, owner=kari.id) == [last, first]
    assert kari.ids(URL, owner=kari.id) == [last, first]
    assert kari.ids(URL, owner=ola.id) == []
    assert kari.ids(URL, ordering="created_at") == [first, last]
    assert [kari.ids(URL, page_size=1, page=page) for page in (1, 2)] == [[last], [first]]


def test_list_is_filtered_by_states_and_kinds(client: FlaskClient) -> None:
    kari = Person(client)
    by_state = {state: create_job(kari.user, state=state) for state in STATES}
    other = create_job(kari.user, "files.collect_garbage", state="failed")

    assert kari.ids(URL, state=["queued", "running"]) == [by_state["running"], by_state["queued"]]
    assert kari.ids(URL, state="failed,cancelled") == [other, by_state["cancelled"], by_state["failed"]]
    assert kari.ids(URL, kind="files.collect_garbage") == [other]
    assert kari.ids(URL, kind="tasks.remind", state="failed") == [by_state["failed"]]
    assert kari.ids(URL, kind="tests.unknown") == []
    assert list(kari.field_errors(URL, state="lost")) == ["state"]
    assert list(kari.field_errors(URL, owner="kari")) == ["owner"]
    assert list(kari.field_errors(URL, ordering="kind")) == ["ordering"]


@pytest.mark.parametrize("role", ["user", "staff"])
def test_list_of_20_costs_few_statements_and_has_no_results(client: FlaskClient, role: str) -> None:
    kari = Person(client, role=role)
    for _ in range(20):
        create_job(kari.user, state="succeeded", result={"count": 1})

    answer = kari.get(URL)

    assert len(answer.get_json()["results"]) == 20
    assert {"result", "arguments", "checkpoint", "download_url"}.isdisjoint(answer.get_json()["results"][0])
    assert int(answer.headers["X-DB-Queries"]) == 2


def test_job_of_somebody_else_does_not_exist_but_for_staff(client: FlaskClient) -> None:
    kari, ola, boss = Person(client), Person(client), Person(client, role="staff")
    job = create_job(kari.user)
    logbook = Logbook()

    assert statuses(ola, job) == statuses(ola, create_job(None)) == statuses(kari, job + 99) == [404, 404, 404]
    assert logbook.entries() == []
    assert statuses(boss, job) == statuses(boss, create_job(None)) == [200, 200, 200]
    assert {entry.actor_id for entry in logbook.entries()} == {boss.id}


def test_title_is_in_the_language_of_who_reads(client: FlaskClient, install: Install) -> None:
    kari, boss = Person(client, language="no"), Person(client, role="staff", language="en")
    forgotten = create_job(kari.user, "tasks.remind")
    # From here on the program does not know the former kind any more.
    install()
    job = create_job(kari.user, KIND)

    assert [show(person, job)["title"] for person in (kari, boss)] == [TITLE.nb, TITLE.en]
    assert show(kari, forgotten)["title"] == "tasks.remind"
    assert [result["title"] for result in kari.get(URL).get_json()["results"]] == [TITLE.nb, "tasks.remind"]


@pytest.mark.parametrize(
    ("columns", "progress"),
    [
        ({"total": None, "done": 7}, None),
        ({"total": 3, "done": 0}, 0),
        ({"total": 3, "done": 2}, 66),
        ({"total": 200, "done": 199}, 99),
        ({"total": 3, "done": 4}, 100),
        ({"total": 0}, 0),
        ({"total": None, "state": "succeeded"}, 100),
        ({"total": 4, "done": 1, "state": "failed"}, 25),
    ],
)
def test_progress_is_in_percent(client: FlaskClient, columns: dict[str, Any], progress: int | None) -> None:
    kari = Person(client)
    shown = show(kari, create_job(kari.user, **columns))
    assert (shown["progress"], shown["total"], shown["done"]) == (progress, columns["total"], columns.get("done", 0))


def test_job_that_fails_says_when_it_is_tried_again_and_ends_after_five_times(
    client: FlaskClient, install: Install
) -> None:
    def fail(job: RunningJob) -> Mapping[str, Any]:
        raise RuntimeError("The disk is full.")

    kari, boss = Person(client, language="no"), Person(client, role="staff")
    install(fail)
    with time_machine.travel(clock.now(), tick=False) as time:
        job = create_job(kari.user, KIND)
        before = show(kari, job)
        assert run_due_jobs() == 1
        waiting = show(kari, job)
        for _ in range(MOST_ATTEMPTS + 1):
            time.shift(30)
            run_due_jobs()
        failed = show(kari, job)
        assert kari.ids(URL, state="failed") == [job]
        assert (before["state"], before["attempts"], before["next_attempt_at"]) == ("queued", 0, None)
        assert (waiting["state"], waiting["attempts"]) == ("queued", 1)
        assert waiting["next_attempt_at"] > waiting["created_at"]
        assert (failed["state"], failed["attempts"], failed["next_attempt_at"]) == ("failed", MOST_ATTEMPTS, None)
        assert (failed["error"], failed["result"]) == ("Dette gikk ikke, og er forsøkt 5 ganger.", None)
        # What the operator needs to know is nothing for its owner.
        assert (waiting["failure"], failed["failure"]) == (None, None)
        assert show(boss, job)["failure"] == "RuntimeError: The disk is full."
        assert boss.get(URL).get_json()["results"][0]["failure"] == "RuntimeError: The disk is full."


def test_result_and_signed_address_are_for_the_owner_and_administrators(client: FlaskClient, install: Install) -> None:
    file = keep(picture(), owner_id=1)
    kari, ola, boss, admin = Person(client), Person(client), Person(client, role="staff"), Person(client, role="admin")
    install(lambda job: {"row_count": 3, "file": file.name})
    job = create_job(kari.user, KIND)
    queued = show(kari, job)
    run_due_jobs()

    done = show(kari, job)

    assert (queued["result"], queued["download_url"]) == (None, None)
    assert done["result"] == {"row_count": 3, "file": file.name}
    assert (done["state"], done["progress"], done["attempts"]) == ("succeeded", 100, 1)
    address = urlsplit(done["download_url"])
    assert address.netloc
    assert client.get(f"{address.path}?{address.query}").status_code == 200
    assert client.get(address.path).status_code == 404
    assert (show(boss, job)["result"], show(boss, job)["download_url"]) == (None, None)
    assert show(admin, job)["download_url"] == done["download_url"]
    assert ola.get(f"{URL}{job}/").status_code == 404


def test_job_that_has_not_ended_says_when_to_ask_again(client: FlaskClient, install: Install) -> None:
    kari = Person(client)
    install()
    job = create_job(kari.user, KIND)
    path = f"{URL}{job}/"

    unfinished = kari.get(path)
    again = kari.get(path, headers={"If-None-Match": unfinished.headers["ETag"]})
    run_due_jobs()
    ended = kari.get(path, headers={"If-None-Match": unfinished.headers["ETag"]})

    assert (unfinished.status_code, unfinished.headers["Retry-After"]) == (200, "1")
    assert (again.status_code, again.headers["Retry-After"]) == (304, "1")
    assert (ended.status_code, "Retry-After" in ended.headers) == (200, False)


def test_job_that_waits_is_cancelled_at_once_and_one_that_runs_is_asked_to_stop(
    client: FlaskClient, install: Install
) -> None:
    kari = Person(client)
    install()
    running, waiting = create_job(kari.user, KIND), create_job(kari.user, KIND)
    assert claim(lambda: False).id == running
    logbook = Logbook()

    answers = [kari.post(f"{URL}{job}/cancel/") for job in (waiting, running)]

    shown = [(body["id"], body["state"], body["cancel_requested"]) for body in (each.get_json() for each in answers)]
    assert shown == [(waiting, "cancelled", True), (running, "running", True)]
    assert answers[0].get_json()["finished_at"]
    assert kari.post(f"{URL}{waiting}/cancel/").status_code == 409
    assert kari.post(f"{URL}{create_job(kari.user, KIND, state='succeeded')}/cancel/").status_code == 409
    entries = [(entry.action, entry.actor_id) for entry in logbook.entries()]
    assert entries == [("jobs.job_cancelled", kari.id)] * 2


def test_only_what_failed_or_was_cancelled_is_tried_again(
    client: FlaskClient, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: list[Exception | None] = [BusinessRuleError(Text("Too late.", "For sent.")), None]

    def run(job: RunningJob) -> Mapping[str, Any]:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return {"count": 1}

    kari = Person(client)
    install(run)
    job = create_job(kari.user, KIND)
    path = f"{URL}{job}/retry/"
    assert kari.post(path).status_code == 409
    run_due_jobs()
    assert (show(kari, job)["state"], show(kari, job)["error"]) == ("failed", "Too late.")

    retried = kari.post(path).get_json()
    run_due_jobs()

    assert (retried["state"], retried["attempts"], retried["error"]) == ("queued", 0, None)
    assert (show(kari, job)["state"], show(kari, job)["result"]) == ("succeeded", {"count": 1})
    assert kari.post(path).status_code == 409
    monkeypatch.setattr(queue, "MOST_UNFINISHED", 0)
    assert kari.post(f"{URL}{create_finished(kari)}/retry/").status_code == 429


def create_finished(kari: Person) -> int:
    """Return a job of ``kari`` that was cancelled, made when there is room for none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "MOST_UNFINISHED", 1)
        return create_job(kari.user, KIND, state="cancelled")


def test_what_the_server_does_for_itself_is_queued_once_at_its_intervals(app: Flask) -> None:
    entries = {entry.name: entry for entry in SCHEDULE}
    assert (entries["jobs.prune"].run, entries["jobs.prune"].seconds) == (retention.prune, 3600)
    intervals = {"tasks.remind": 300, "files.collect_garbage": 86_400}
    for name, seconds in intervals.items():
        assert (entries[name].seconds, entries[name].in_every_process) == (seconds, False)
        entries[name].run()
        entries[name].run()

    assert run_due_jobs() == len(intervals)
