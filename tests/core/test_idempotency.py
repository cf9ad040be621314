"""Requests with an ``Idempotency-Key``: done once, answered as often as they are sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from werkzeug.test import TestResponse

from nxfs.app import SCHEDULE
from nxfs.blog.models import MediaFile
from nxfs.blog.service import media as library
from nxfs.blog.service import rendering
from nxfs.core import idempotency
from nxfs.core.api import idempotency as wire
from nxfs.core.audit import AuditEntry
from nxfs.core.errors import ServiceUnavailableError
from nxfs.core.event_log import EventRecord
from nxfs.core.idempotency import IdempotencyRecord
from nxfs.core.transaction import release_connection, transaction
from nxfs.extensions import db
from nxfs.files.service import inspectors
from nxfs.tasks.models import Task
from nxfs.tasks.queries import tasks as queries
from nxfs.tasks.service import tasks as service
from tests.factories import files
from tests.factories.blog import create_post
from tests.factories.tasks import create_category, create_project, create_task
from tests.factories.users import sign_in
from tests.pictures import stored_keys
from tests.tasks.person import Person
from tests.tasks.racing import Pause, run_together

TASKS, MEDIA = "/api/tasks/", "/api/blog/media/"
REPLAYED = "Idempotency-Replayed"
ANSWER = {"fingerprint": "x", "status": 204, "headers": {}, "body": b""}
NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


def keyed(person: Person, method: str, path: str, key: str = "a-key", **keywords: Any) -> TestResponse:
    """Send a request with a key."""
    headers = {"Idempotency-Key": key, **keywords.pop("headers", {})}
    return person.send(method, path, headers=headers, **keywords)


def counts(*models: type) -> tuple[int, ...]:
    """Return how many rows the tables have: tasks, events, audit entries and kept answers unless others are given."""
    release_connection()
    each = models or (Task, EventRecord, AuditEntry, IdempotencyRecord)
    return tuple(db.session.scalar(select(func.count()).select_from(model)) or 0 for model in each)


def assert_is_replayed(second: TestResponse, first: TestResponse) -> None:
    """Fail unless ``second`` is ``first`` again."""
    assert (second.status_code, second.data) == (first.status_code, first.data)
    assert (first.headers.get(REPLAYED), second.headers.get(REPLAYED)) == (None, "true")
    assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]


def assert_is_done_anew(second: TestResponse, first: TestResponse) -> None:
    """Fail if ``second`` is what was kept of ``first``."""
    assert (first.headers.get(REPLAYED), second.headers.get(REPLAYED)) == (None, None)
    assert second.status_code < 300, second.get_data(as_text=True)


# Replays


def test_same_request_with_the_same_key_is_done_once_and_answered_alike(client: FlaskClient) -> None:
    kari = Person(client)
    first = keyed(kari, "POST", TASKS, json={"title": "Once"})
    assert first.status_code == 201
    assert counts() == (1, 1, 1, 1)
    second = keyed(kari, "POST", TASKS, json={"title": "Once"})
    assert_is_replayed(second, first)
    assert {second.headers[name] == first.headers[name] for name in ("ETag", "Content-Type")} == {True}
    assert counts() == (1, 1, 1, 1)


def test_answer_without_a_body_is_replayed_without_one(client: FlaskClient) -> None:
    kari = Person(client)
    path = f"{TASKS}{create_task(kari.user)}/"
    first = keyed(kari, "DELETE", path)
    second = keyed(kari, "DELETE", path)
    assert_is_replayed(second, first)
    assert (second.status_code, second.data, second.headers.get("Content-Type")) == (204, b"", None)


def test_request_that_changes_nothing_is_kept_too(client: FlaskClient) -> None:
    kari = Person(client)
    path = f"{TASKS}{create_task(kari.user, title='Same')}/"
    first = keyed(kari, "PATCH", path, json={"title": "Same"})
    kari.patch(path, json={"title": "Other"})
    assert_is_replayed(keyed(kari, "PATCH", path, json={"title": "Same"}), first)


def test_slash_and_what_gets_past_caches_make_no_other_request(client: FlaskClient) -> None:
    kari = Person(client)
    path = f"{TASKS}{create_task(kari.user)}/duplicate"
    first = keyed(kari, "POST", f"{path}/?_t=1")
    assert_is_replayed(keyed(kari, "POST", f"{path}?_t=2"), first)


def test_parts_of_a_form_count_and_what_separates_them_does_not(client: FlaskClient) -> None:
    kari = Person(client)
    content, other = files.image_bytes(seed=1), files.image_bytes(seed=2)

    def send(content: bytes, **fields: str) -> TestResponse:
        form = files.encoded({"file": files.part("a.jpg", content), **fields})
        return keyed(kari, "POST", MEDIA, **form)

    first = send(content, alt_text="Red")
    again = send(content, alt_text="Red")
    assert first.request.headers["Content-Type"] != again.request.headers["Content-Type"]
    assert_is_replayed(again, first)
    assert [send(other, alt_text="Red").status_code, send(content, alt_text="Blue").status_code] == [422, 422]
    assert counts(MediaFile) == (1,)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"json": {"title": "A"}}, {"json": {"title": "B"}}),
        ({"json": {"title": "A"}}, {"data": {"title": "A"}}),
        ({"json": {"title": "A"}}, {"json": {"title": "A"}, "query_string": {"x": "1"}}),
        ({"json": {"title": "A"}}, {"json": {"title": "A"}, "headers": {"If-Match": '"1-x"'}}),
        ({"json": {"title": "A"}}, {"json": {"title": "A"}, "of": 1}),
    ],
    ids=["body", "form", "query", "precondition", "path"],
)
def test_another_request_with_the_same_key_is_422(client: FlaskClient, first: Any, second: Any) -> None:
    kari = Person(client)
    task_ids = create_task(kari.user), create_task(kari.user)

    def send(of: int = 0, **request: Any) -> TestResponse:
        return keyed(kari, "PATCH", f"{TASKS}{task_ids[of]}/", **request)

    assert send(**first).status_code == 200
    before = counts()
    refused = send(**second)
    assert (refused.status_code, refused.get_json()["error"]["details"]) == (422, {"reason": "KEY_REUSED"})
    assert counts() == before
    assert send(**first).headers[REPLAYED] == "true"


def test_key_belongs_to_one_user_and_one_route(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    first = keyed(kari, "POST", TASKS, json={"title": "Once"})
    assert_is_done_anew(keyed(ola, "POST", TASKS, json={"title": "Once"}), first)
    task = f"{TASKS}{first.get_json()['id']}/"
    put = keyed(kari, "PUT", task, json={"title": "Once"})
    assert_is_done_anew(put, first)
    assert_is_done_anew(keyed(kari, "PATCH", task, json={"title": "Once"}), put)
    assert counts(Task, IdempotencyRecord) == (2, 4)


# Keys


@pytest.mark.parametrize("key", ["", "k" * 256, "two words", "æ", "a\tb"])
def test_key_that_is_none_is_400(client: FlaskClient, key: str) -> None:
    refused = keyed(Person(client, language="no"), "POST", TASKS, key=key, json={"title": "Never"})
    assert refused.status_code == 400
    assert refused.get_json()["error"]["field_errors"] == {
        "Idempotency-Key": ["En nøkkel er 1 til 255 synlige ASCII-tegn."]
    }
    assert counts(Task) == (0,)


@pytest.mark.parametrize("key", ["k", "!~" * 127 + "k", '"quoted"'])
def test_key_of_1_to_255_visible_characters_is_taken(client: FlaskClient, key: str) -> None:
    kari = Person(client)
    first = keyed(kari, "POST", TASKS, key=key, json={"title": "Once"})
    assert_is_replayed(keyed(kari, "POST", TASKS, key=key, json={"title": "Once"}), first)


def test_requests_that_only_read_ignore_the_key(client: FlaskClient) -> None:
    kari = Person(client)
    assert [keyed(kari, method, TASKS, key="").status_code for method in ("GET", "HEAD")] == [200, 200]
    assert counts(IdempotencyRecord) == (0,)


def test_routes_that_answer_secrets_or_anybody_ignore_the_key(client: FlaskClient) -> None:
    kari = Person(client)
    tickets = [keyed(kari, "POST", "/api/events/ticket/").get_json()["ticket"] for _ in range(2)]
    assert tickets[0] != tickets[1]
    verified = [keyed(kari, "POST", "/api/auth/token/verify/", json={"token": each}) for each in ("a", "b")]
    assert [answer.status_code for answer in verified] == [200, 200]
    assert counts(IdempotencyRecord) == (0,)


# What is kept


def kept_errors(kari: Person) -> dict[str, tuple[int, partial[TestResponse]]]:
    """Return requests that fail, by what is wrong with them."""
    task_id = create_task(kari.user)
    stale = {"headers": {"If-Match": '"77-x"'}}
    create_category(kari.user, name="Taken", slug="taken")
    other = create_category(Person(kari.client).user)
    project_id = create_project(Person(kari.client).user)
    return {
        "unknown": (404, partial(keyed, kari, "PATCH", f"{TASKS}{10**9}/", json={"title": "A"})),
        "forbidden": (403, partial(keyed, kari, "DELETE", f"{TASKS}categories/{other}/")),
        "taken": (409, partial(keyed, kari, "POST", f"{TASKS}categories/", json={"name": "B", "slug": "taken"})),
        "stale": (412, partial(keyed, kari, "PATCH", f"{TASKS}{task_id}/", json={"title": "B"}, **stale)),
        "rule": (
            422,
            partial(keyed, kari, "POST", f"{TASKS}categories/{other}/merge/", json={"source_category_ids": [other]}),
        ),
        "of others": (404, partial(keyed, kari, "DELETE", f"{TASKS}projects/{project_id}/")),
    }


@pytest.mark.parametrize("wrong", ["unknown", "forbidden", "taken", "stale", "rule", "of others"])
def test_errors_are_kept_to_the_byte(client: FlaskClient, wrong: str) -> None:
    status, send = kept_errors(Person(client))[wrong]
    first = send()
    assert first.status_code == status, first.get_data(as_text=True)
    before = counts()
    assert_is_replayed(send(), first)
    assert counts() == before
    assert before[-1] == 1


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"json": {"title": ""}}, 400),
        ({"data": b"{", "content_type": "application/json"}, 400),
        ({"data": b"x", "content_type": "text/plain"}, 415),
        ({"data": b'{"title": "' + b"x" * 9_000_000 + b'"}', "content_type": "application/json"}, 413),
    ],
    ids=["not valid", "no JSON", "other type", "too large"],
)
def test_request_that_could_not_be_done_leaves_the_key_to_the_corrected_one(
    client: FlaskClient, request_: dict[str, Any], status: int
) -> None:
    kari = Person(client)
    refused, without_key = keyed(kari, "POST", TASKS, **request_), kari.post(TASKS, **request_)
    assert refused.status_code == without_key.status_code == status
    assert refused.get_json()["error"] == without_key.get_json()["error"]
    assert counts(IdempotencyRecord) == (0,)
    assert keyed(kari, "POST", TASKS, json={"title": "Corrected"}).status_code == 201
    assert counts(Task) == (1,)


@pytest.mark.parametrize("failure", [RuntimeError("a defect"), ServiceUnavailableError()], ids=["500", "503"])
def test_failure_of_ours_undoes_all_and_the_next_request_is_the_first(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    kari = Person(client)
    failures = [failure]
    get_task = queries.get_task

    def fail_once(**keywords: Any) -> Any:
        # When the task is written already.
        if failures:
            raise failures.pop()
        return get_task(**keywords)

    monkeypatch.setattr(queries, "get_task", fail_once)
    assert keyed(kari, "POST", TASKS, json={"title": "Once"}).status_code >= 500
    assert counts() == (0, 0, 0, 0)
    first = keyed(kari, "POST", TASKS, json={"title": "Once"})
    assert first.status_code == 201
    assert_is_replayed(keyed(kari, "POST", TASKS, json={"title": "Once"}), first)
    assert counts() == (1, 1, 1, 1)


def test_commit_that_fails_leaves_no_bytes_and_its_error_is_kept(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    before = stored_keys()
    monkeypatch.setattr("nxfs.files.service.quota.require_room", lambda owner_id, size: None)
    form = files.encoded({"file": files.part()})
    with monkeypatch.context() as narrow:
        narrow.setitem(app.config, "MEDIA_QUOTA", 10)
        refused = keyed(kari, "POST", MEDIA, **form)
    assert (refused.status_code, refused.get_json()["error"]["details"]) == (422, {"quota": 10})
    assert (stored_keys(), counts(MediaFile, IdempotencyRecord)) == (before, (0, 1))
    assert_is_replayed(keyed(kari, "POST", MEDIA, **form), refused)
    assert keyed(kari, "POST", MEDIA, key="new", **form).status_code == 201


def test_several_files_with_a_key_are_accepted_and_refused_each_for_itself(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    contents = [files.image_bytes(seed=seed) for seed in (1, 2, 3)]
    size = files.upload(Person(client), content=contents[0])["file_size"]
    before = stored_keys()
    monkeypatch.setitem(app.config, "MEDIA_QUOTA", int(size * 2.5))
    sent = contents[0], b"text", contents[1], contents[2]
    form = files.encoded({"file": [files.part("a.jpg", content) for content in sent]})
    first = keyed(kari, "POST", MEDIA, **form)
    assert [each["status"] for each in first.get_json()["results"]] == [201, 415, 201, 422]
    assert_is_replayed(keyed(kari, "POST", MEDIA, **form), first)
    assert len(stored_keys() - before) == 2


def test_file_of_a_request_with_a_key_is_inspected_while_no_connection_is_held(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    held: list[int] = []
    inspect = inspectors.inspect

    def inspect_and_look(*arguments: Any, **keywords: Any) -> Any:
        held.append(db.engine.pool.checkedout())
        return inspect(*arguments, **keywords)

    monkeypatch.setattr(inspectors, "inspect", inspect_and_look)
    form = files.encoded({"file": [files.part(), files.part("b.png")]})
    release_connection()
    assert keyed(kari, "POST", MEDIA, **form).status_code == 207
    assert held == [0, 0]


def test_post_that_is_saved_meanwhile_is_rendered_again_with_nothing_locked(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    path = f"/api/blog/posts/{create_post(kari.user, body_markdown='a')}/"
    overtake = [partial(kari.patch, path, json={"excerpt": "Saved meanwhile"})]
    derive = rendering.derive

    def derive_and_be_overtaken(*arguments: Any) -> Any:
        if overtake:
            overtake.pop()()
        return derive(*arguments)

    monkeypatch.setattr(rendering, "derive", derive_and_be_overtaken)
    first = keyed(kari, "PATCH", path, json={"body_markdown": "*b*"})
    assert (first.status_code, first.get_json()["excerpt"]) == (200, "Saved meanwhile")
    assert first.get_json()["body_html"] == "<p><em>b</em></p>\n"
    assert_is_replayed(keyed(kari, "PATCH", path, json={"body_markdown": "*b*"}), first)


def test_file_whose_post_is_saved_meanwhile_is_deleted_with_nothing_locked(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    media = files.upload(kari)
    post = f"/api/blog/posts/{create_post(kari.user, body_markdown='![x](/media/' + media['filename'] + ')')}/"
    overtake = [partial(kari.patch, post, json={"title": "Saved meanwhile"})]
    rewrite = library._rewrite_posts

    def rewrite_and_be_overtaken(*arguments: Any) -> Any:
        rewritten = rewrite(*arguments)
        if overtake:
            overtake.pop()()
        return rewritten

    monkeypatch.setattr(library, "_rewrite_posts", rewrite_and_be_overtaken)
    assert keyed(kari, "DELETE", f"{MEDIA}{media['id']}/").status_code == 204
    saved = kari.get(post).get_json()
    assert (saved["title"], saved["body_markdown"]) == ("Saved meanwhile", "")


# At the same time


def test_twenty_at_once_with_one_key_are_done_once(client: FlaskClient, engine_name: str) -> None:
    kari = Person(client)
    answers = run_together(engine_name, [partial(keyed, kari, "POST", TASKS, json={"title": "Once"})] * 20)
    assert counts() == (1, 1, 1, 1)
    done = [answer for answer in answers if answer.status_code == 201]
    assert len([answer for answer in done if REPLAYED not in answer.headers]) == 1
    assert {answer.data for answer in done} == {done[0].data}
    assert {answer.status_code for answer in answers} <= {201, 409}


def test_request_while_the_first_is_under_way_is_409(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    send = partial(keyed, kari, "POST", TASKS, json={"title": "Once"})
    first, second = Pause(monkeypatch, engine_name, service, "create_task").run_into(engine_name, send, send)
    assert (first.status_code, second.status_code, second.headers["Retry-After"]) == (201, 409, "1")
    assert second.get_json()["error"]["details"] == {"reason": "KEY_IN_USE"}
    assert_is_replayed(send(), first)
    assert counts() == (1, 1, 1, 1)


def test_request_that_another_process_is_at_is_409(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine_name == "sqlite":
        pytest.skip("SQLite has one writer: there is nothing to be told of another one.")
    kari = Person(client)
    claimed: list[Any] = []
    claim = idempotency.claim

    def claim_behind_another(session: Any, record_id: str) -> None:
        other = db.engine.connect()
        number = int.from_bytes(bytes.fromhex(record_id)[:8], signed=True)
        other.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
        claimed.append(other)
        claim(session, record_id)

    monkeypatch.setattr(idempotency, "claim", claim_behind_another)
    refused = keyed(kari, "POST", TASKS, json={"title": "Once"})
    monkeypatch.undo()
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")
    assert counts() == (0, 0, 0, 0)
    # As when the other process is killed.
    claimed[0].invalidate()
    claimed[0].close()
    assert keyed(kari, "POST", TASKS, json={"title": "Once"}).status_code == 201


@pytest.mark.parametrize("path", [TASKS, f"{TASKS}{10**9}/duplicate/"], ids=["writes", "writes nothing"])
@pytest.mark.parametrize("is_same", [True, False])
def test_request_that_another_process_ended_meanwhile_is_answered_as_there(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str, is_same: bool
) -> None:
    kari = Person(client)
    look, others = idempotency.find_answer, []

    def look_too_early(record_id: str) -> Any:
        found = look(record_id)
        if not others:
            others.append(None)
            # Another process does not know what this one is at.
            wire._under_way.clear()
            others.append(keyed(kari, "POST", path, json={"title": "Once" if is_same else "Other"}))
        return found

    monkeypatch.setattr(idempotency, "find_answer", look_too_early)
    answer = keyed(kari, "POST", path, json={"title": "Once"})
    if is_same or path != TASKS:
        assert_is_replayed(answer, others[1])
    else:
        assert answer.get_json()["error"]["details"] == {"reason": "KEY_REUSED"}
    assert counts()[0] == counts()[1] == (1 if path == TASKS else 0)


# Time and cost


def test_answer_is_kept_for_a_day(client: FlaskClient) -> None:
    with time_machine.travel(NOW, tick=False) as moment:
        kari = Person(client)
        first = keyed(kari, "POST", TASKS, json={"title": "Daily"})
        moment.shift(idempotency.LIFETIME - timedelta(seconds=1))
        kari.headers = sign_in(client, kari.user)
        assert_is_replayed(keyed(kari, "POST", TASKS, json={"title": "Daily"}), first)
        moment.shift(timedelta(seconds=1))
        anew = keyed(kari, "POST", TASKS, json={"title": "Another day"})
        assert_is_done_anew(anew, first)
        assert_is_replayed(keyed(kari, "POST", TASKS, json={"title": "Another day"}), anew)
    assert counts(Task, IdempotencyRecord) == (2, 1)


def test_purge_deletes_what_has_run_out_in_batches(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "PURGED_AT_ONCE", 2)
    with time_machine.travel(NOW, tick=False):
        with transaction() as tx:
            for number in range(7):
                # The last two have not run out.
                left = timedelta(seconds=number - 4)
                tx.session.add(IdempotencyRecord(id=str(number), **ANSWER, expires_at=NOW + left))
        release_connection()
        assert idempotency.purge() == 5
        assert db.session.scalars(select(IdempotencyRecord.id).order_by(IdempotencyRecord.id)).all() == ["5", "6"]
        release_connection()
        assert idempotency.purge() == 0
    assert "idempotency.purge" in {scheduled.name for scheduled in SCHEDULE}


def test_keyed_write_costs_few_statements_more(client: FlaskClient, engine_name: str) -> None:
    kari = Person(client)
    kari.get("/api/auth/me/")
    plain = kari.post(TASKS, json={"title": "A"})
    first = keyed(kari, "POST", TASKS, json={"title": "A"})
    second = keyed(kari, "POST", TASKS, json={"title": "A"})
    cost = [int(each.headers["X-DB-Queries"]) for each in (plain, first, second)]
    # Looked up, claimed on PostgreSQL, looked up again inside, written.
    assert cost[1] - cost[0] == (3 if engine_name == "sqlite" else 4)
    assert cost[2] == 1
