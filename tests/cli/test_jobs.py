"""``flask jobs``: what it shows, tries again and cancels, and its exit codes."""

from __future__ import annotations

import os
import sys

import pytest

from nxfs.config import PROJECT_ROOT
from nxfs.core.errors import ConflictError
from nxfs.core.jobs import kinds
from tests.core.jobs.trial import claim_one, queue_job, stored, trial
from tests.jobs import kept_kinds, run_due_jobs


@pytest.fixture
def run(app):
    """Run ``flask jobs`` with arguments, where there are two kinds of jobs, of which one always fails."""

    def fail(job):
        raise ConflictError

    runner = app.test_cli_runner()
    with kept_kinds(app):
        kinds.install(app, [trial(lambda job: {"tittel": "Blåbær"}), trial(fail, name="tests.failing")])
        yield lambda *arguments: runner.invoke(args=["jobs", *map(str, arguments)])


def test_list_shows_the_newest_first_and_filters(run):
    assert run("list").output == "There are no such jobs.\n"
    done, failed = queue_job(owner_id=7, total=12), queue_job("tests.failing")
    run_due_jobs()
    waiting = queue_job()
    lines = run("list").output.splitlines()
    assert lines[0].split() == ["ID", "STATE", "KIND", "PROGRESS", "ATTEMPTS", "OWNER", "QUEUED"]
    cells = [line.split()[:6] for line in lines[1:]]
    assert cells == [
        [str(waiting), "queued", "tests.trial", "0/?", "0", "-"],
        [str(failed), "failed", "tests.failing", "0/?", "1", "-"],
        [str(done), "succeeded", "tests.trial", "0/12", "1", "7"],
    ]
    shown = [run("list", "--state", "failed"), run("list", "--kind", "tests.failing"), run("list", "--limit", 1)]
    assert [line.output.splitlines()[1].split()[0] for line in shown] == [str(failed), str(failed), str(waiting)]
    assert run("list", "--state", "lost").exit_code == 2


def test_show_has_all_that_is_known_and_the_result(run):
    done, failed = queue_job(arguments={"secret": "argument"}), queue_job("tests.failing")
    run_due_jobs()
    shown = run("show", done)
    assert shown.exit_code == 0
    assert shown.output.endswith('{\n  "tittel": "Blåbær"\n}\n')
    assert "secret" not in shown.output
    assert "ConflictError" in run("show", failed).output
    missing = run("show", 999_999)
    assert (missing.exit_code, missing.output) == (1, "Error: This job does not exist.\n")


def test_retry_queues_what_failed_and_refuses_the_rest(run):
    done, failed = queue_job(), queue_job("tests.failing")
    run_due_jobs()
    answer = run("retry", failed)
    assert (answer.exit_code, answer.output) == (0, f"Job {failed} is queued again.\n")
    assert stored(failed).state == "queued"
    refused = run("retry", done)
    assert (refused.exit_code, "Only a job that failed or was cancelled" in refused.output) == (1, True)
    assert run("retry", 999_999).exit_code == 1


def test_cancel_ends_what_waits_and_refuses_what_has_ended(run):
    running = queue_job()
    claim_one()
    waiting = queue_job()
    assert run("cancel", waiting).exit_code == run("cancel", running).exit_code == 0
    assert (stored(waiting).state, stored(running).state) == ("cancelled", "running")
    assert "cancelling" in run("list").output
    refused = run("cancel", waiting)
    assert (refused.exit_code, refused.output) == (1, "Error: This job has already ended.\n")
    assert run("cancel", 999_999).exit_code == 1


def test_worker_becomes_the_program_whose_patches_come_first(run, monkeypatch):
    started = []
    monkeypatch.setattr(os, "execv", lambda *command: started.append(command))
    assert run("worker").exit_code == 0
    assert started == [(sys.executable, [sys.executable, str(PROJECT_ROOT / "worker.py")])]


def test_every_command_says_what_it_does(run):
    listed = run("--help").output
    for name in ("list", "show", "retry", "cancel", "worker"):
        assert name in listed
        assert len(run(name, "--help").output.splitlines()) >= 5
