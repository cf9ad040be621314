"""Tests of revisions: they change with their subject, only when it is committed, and answer 304 without the view."""

from __future__ import annotations

import gevent
import pytest
import time_machine
from flask import Flask, Response, jsonify

from nxfs.core.api import answers
from nxfs.core.revisions import revisions_of
from nxfs.core.transaction import transaction
from nxfs.extensions import db


def revise(*subjects: str) -> None:
    """Change what the subjects stand for."""
    with transaction() as tx:
        for subject in subjects:
            tx.revise(subject)


@pytest.mark.usefixtures("app")
def test_revision_changes_with_its_subject_and_with_no_other():
    revise("posts", "people")
    posts, people = revisions_of("posts"), revisions_of("people")
    both = revisions_of("posts", "people")
    revise("posts")
    assert revisions_of("posts") != posts
    assert revisions_of("people") == people
    assert revisions_of("posts", "people") != both


@pytest.mark.usefixtures("app")
def test_revision_of_a_transaction_that_fails_stays():
    revise("posts")
    before = revisions_of("posts")
    with pytest.raises(ZeroDivisionError), transaction() as tx:
        tx.revise("posts")
        _ = 1 / 0
    assert revisions_of("posts") == before


@pytest.mark.usefixtures("app")
def test_revision_is_new_even_when_the_clock_goes_back():
    seen = set()
    for day in ("2026-03-01", "2026-02-01", "2026-02-01", "2026-04-01"):
        with time_machine.travel(day, tick=False):
            revise("posts")
        seen.add(revisions_of("posts"))
    assert len(seen) == 4


def test_parallel_transactions_that_revise_the_same_in_another_order_all_succeed(app: Flask):
    def work(number: int) -> None:
        with app.app_context():
            revise(*(("posts", "people", "tags")[:: -1 if number % 2 else 1]))
            db.session.remove()

    greenlets = [gevent.spawn(work, number) for number in range(20)]
    gevent.joinall(greenlets, raise_error=True, timeout=60)
    assert all(greenlet.successful() for greenlet in greenlets)


@pytest.mark.usefixtures("app")
def test_last_steps_run_before_the_commit_in_the_order_of_their_names():
    order = []
    with transaction() as tx:
        tx.last("b", lambda: order.append("b"))
        tx.last("c", lambda: order.append("c"))
        tx.last("a", lambda: order.append("a"))
        tx.after_commit(lambda: order.append("committed"))
    assert order == ["a", "b", "c", "committed"]


@pytest.mark.usefixtures("app")
def test_last_step_that_fails_takes_everything_back():
    before = revisions_of("posts")

    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError), transaction() as tx:
        tx.revise("posts")
        tx.last("z", fail)
    assert revisions_of("posts") == before


def test_revised_answer_is_304_without_the_view_until_the_revision_changes(app: Flask):
    calls = []

    def view() -> Response:
        calls.append(1)
        return jsonify({"n": len(calls)})

    with app.test_request_context("/x/?page=1"):
        first = answers.revised("1", view)
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')
    with app.test_request_context("/x/?page=1", headers={"If-None-Match": tag}):
        again = answers.revised("1", view)
        assert (again.status_code, again.headers["ETag"], len(calls)) == (304, tag, 1)
        assert answers.revised("2", view).status_code == 200
    with app.test_request_context("/x/?page=2", headers={"If-None-Match": tag}):
        assert answers.revised("1", view).status_code == 200
