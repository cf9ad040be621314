"""``/api/admin/audit/``: who may read the log, what is found by which filter, exports, and hostile texts."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from sqlalchemy import event, select, text

from nxfs.admin.queries import audit as queries
from nxfs.auth.models import User
from nxfs.auth.service import accounts
from nxfs.core import audit, clock
from nxfs.core.audit import AuditEntry, Origin
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from tests.factories.users import create_user
from tests.tasks.person import Person

URL = "/api/admin/audit/"
EXPORT = f"{URL}export/"
ACTIONS = ("users.updated", "users.role_changed", "groups.created", "tasks.exported")


@pytest.fixture
def admin(client) -> Person:
    """An administrator."""
    return Person(client, role="admin", username="kari", display_name="Kari")


def make_entries(actor: User, count: int) -> None:
    """Write entries that differ in everything that can be filtered by, some at the same moment."""
    start = clock.now().replace(microsecond=0) - timedelta(days=1)
    for number in range(count):
        token = audit.origin.set(Origin(f"request-{number % 7}", "192.0.2.7", "Firefox"))
        with time_machine.travel(start + timedelta(seconds=number // 2), tick=False), transaction() as tx:
            tx.audit(
                ACTIONS[number % 4],
                actor_id=None if number % 5 == 0 else actor.id,
                target=actor if number % 3 == 0 else None,
                outcome="failure" if number % 6 == 0 else "success",
                changes={"number": [None, number]},
            )
        audit.origin.reset(token)


def passes(entry: Mapping[str, Any], filters: Mapping[str, Any], actor: User) -> bool:
    """Return whether an entry passes filters, by Python."""
    wanted = filters.get("action", [])
    return (
        ("actor" not in filters or (entry["actor"] or {}).get("id") == actor.id)
        and (not wanted or any(entry["action"].startswith(name) for name in wanted))
        and ("target" not in filters or entry["target"] == {"type": "user", "id": actor.id})
        and ("since" not in filters or entry["occurred_at"] >= filters["since"])
        and ("until" not in filters or entry["occurred_at"] < filters["until"])
        and ("outcome" not in filters or entry["outcome"] == filters["outcome"])
        and ("request_id" not in filters or entry["request_id"] == filters["request_id"])
    )


def encoded(place: str) -> str:
    """Return a text that looks like a cursor."""
    return base64.urlsafe_b64encode(place.encode()).decode()


def results(person: Person, **query: Any) -> list[dict[str, Any]]:
    """Return all results of a list of at most a hundred."""
    answer = person.get(URL, page_size=100, **query)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()["results"]


def test_entry_is_shown_with_everything_that_is_known(admin):
    make_entries(admin.user, 1)
    make_entries(admin.user, 2)
    entry = results(admin, until=clock.to_wire(clock.now()), action="users.role_changed")[0]
    stored = db.session.scalars(select(AuditEntry).where(AuditEntry.id == entry["id"])).one()
    assert entry == {
        "id": stored.id,
        "occurred_at": clock.to_wire(stored.occurred_at),
        "actor": {"id": admin.id, "username": "kari", "display_name": "Kari"},
        "action": "users.role_changed",
        "description": "Changed somebody's role.",
        "target": None,
        "changes": {"number": [None, 1]},
        "outcome": "success",
        "request_id": "request-1",
        "address": "192.0.2.7",
        "user_agent": "Firefox",
        "day": stored.day.isoformat(),
        "position": stored.position,
        "digest": stored.digest,
        "link": stored.link,
    }
    norwegian = Person(admin.client, role="admin", language="no")
    assert results(norwegian, action="users.role_changed")[0]["description"] == "Endret rollen til noen."


def test_reading_and_exporting_leave_entries(admin):
    admin.get(URL, outcome="failure")
    admin.get(EXPORT, format="csv", actor="kari")
    viewed, exported = results(admin, action="audit.", ordering="occurred_at")
    assert (viewed["action"], viewed["changes"]) == ("audit.viewed", {"outcome": "failure", "page": 1, "page_size": 20})
    assert (exported["action"], exported["changes"]) == ("audit.exported", {"actor": "kari", "format": "csv"})
    assert viewed["actor"]["id"] == exported["actor"]["id"] == admin.id


def test_only_who_has_the_permission_reads_it(client):
    staff = Person(client, role="staff")
    for url in (URL, EXPORT):
        assert staff.get(url).status_code == 403
        assert client.get(url).status_code == 401
    # Who was refused has left nothing.
    assert db.session.scalar(select(AuditEntry.id).where(AuditEntry.action.startswith("audit."))) is None
    trusted = Person(client)
    accounts.grant_permission(name=trusted.user.email, permission="audit.view")
    assert trusted.get(URL).status_code == trusted.get(EXPORT).status_code == 200


def test_any_filters_find_what_python_finds(admin):
    make_entries(admin.user, 40)
    everything = results(admin)
    moments = sorted({entry["occurred_at"] for entry in everything})
    choices: dict[str, list[Any]] = {
        "actor": ["kari", "KARI", str(admin.id)],
        "action": [
            ["users."],
            ["users.updated"],
            ["groups.", "tasks.exported"],
            ["users.role_changed", "groups.created"],
        ],
        "target": [f"user:{admin.id}"],
        "since": moments[5:25:7],
        "until": moments[10::9],
        "outcome": ["success", "failure"],
        "request_id": ["request-3", "request-6"],
    }
    chance = Random(7)
    for _ in range(40):
        filters = {name: chance.choice(choices[name]) for name in chance.sample(sorted(choices), chance.randint(1, 3))}
        expected = [entry["id"] for entry in everything if passes(entry, filters, admin.user)]
        # What reading has added is younger than all of these.
        found = [entry["id"] for entry in results(admin, **filters) if entry["id"] <= everything[0]["id"]]
        assert found == expected, filters


@pytest.mark.parametrize("ordering", ["-occurred_at", "occurred_at"])
def test_cursor_walks_through_all_and_pages_count_from_it(admin, ordering):
    make_entries(admin.user, 30)
    query = {"until": clock.to_wire(clock.now() - timedelta(hours=1)), "page_size": 7, "ordering": ordering}
    expected = [entry["id"] for entry in results(admin, until=query["until"], ordering=ordering)]
    found, cursor = [], {}
    while True:
        answer = admin.get(URL, **query, **cursor).get_json()
        assert answer["count"] == len(expected) - len(found)
        found += [entry["id"] for entry in answer["results"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert found == expected
    assert answer["next"] is None
    first = admin.get(URL, **query).get_json()
    behind = admin.get(URL, **query, cursor=first["next_cursor"]).get_json()
    second = urlsplit(behind["next"])
    page = admin.client.get(f"{second.path}?{second.query}", headers=admin.headers).get_json()
    assert [entry["id"] for entry in page["results"]] == expected[14:21]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": "x"}, "cursor"),
        ({"cursor": "MjAyNg"}, "cursor"),
        ({"cursor": "æ"}, "cursor"),
        ({"cursor": encoded("0001-01-01T00:00:00+23:59 1")}, "cursor"),
        ({"cursor": encoded("2026-01-01T00:00:00Z 0")}, "cursor"),
        ({"cursor": encoded(f"2026-01-01T00:00:00Z {2**63}")}, "cursor"),
        ({"target": "user"}, "target"),
        ({"target": "user:0"}, "target"),
        ({"target": f"user:{2**63}"}, "target"),
        ({"since": "2026-01-01"}, "since"),
        ({"outcome": "perhaps"}, "outcome"),
        ({"ordering": "action"}, "ordering"),
        ({"who": "kari"}, "who"),
    ],
)
def test_filter_that_is_none_is_refused(admin, query, field):
    assert list(admin.field_errors(URL, **query)) == [field]


def test_filters_that_nothing_passes_find_nothing(admin):
    for query in ({"actor": "nobody"}, {"actor": str(2**62)}, {"action": "nothing."}, {"action": "'; --"}):
        assert results(admin, **query) == []


def test_page_costs_three_statements(admin):
    make_entries(admin.user, 30)
    answer = admin.get(URL, page_size=20, actor="kari")
    assert len(answer.get_json()["results"]) == 20
    # The session, the page, and the entry of having read it.
    assert answer.headers["X-DB-Queries"] == "3"


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "ix_audit_entries_occurred_at_id"),
        ({"actor": "7"}, "ix_audit_entries_actor_id_occurred_at_id"),
        ({"action": ["users.updated"]}, "ix_audit_entries_action_occurred_at_id"),
        ({"target": ("user", 7)}, "ix_audit_entries_target"),
        ({"outcome": "failure"}, "ix_audit_entries_failures"),
        ({"request_id": "request-1"}, "ix_audit_entries_request_id"),
        ({"cursor": (clock.now(), 7)}, "ix_audit_entries_occurred_at_id"),
    ],
)
def test_every_filter_has_its_index(app, engine_name, filters, index):
    # Small tables are read as a whole otherwise; the plans of large ones are these.
    if engine_name == "postgresql":
        db.session.execute(text("SET LOCAL enable_seqscan = off"))
        db.session.execute(text("SET LOCAL enable_sort = off"))
    plans: list[str] = []

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT audit_entries"):
            prefix = "EXPLAIN" if engine_name == "postgresql" else "EXPLAIN QUERY PLAN"
            cursor.execute(f"{prefix} {statement}", parameters)
            plans.extend(str(row) for row in cursor.fetchall())

    event.listen(db.engine, "before_cursor_execute", explain)
    try:
        queries.list_entries(filters={**filters, "page": 1, "page_size": 20}, language="en")
    finally:
        event.remove(db.engine, "before_cursor_execute", explain)
    assert any(index in line for line in plans), plans


def test_export_as_lines_has_the_whole_list(admin, monkeypatch):
    monkeypatch.setattr(queries, "BATCH", 7)
    make_entries(admin.user, 21)
    until = clock.to_wire(clock.now() - timedelta(hours=1))
    answer = admin.get(EXPORT, until=until)
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("application/x-ndjson", "no-store")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.jsonl"'
    assert [json.loads(line) for line in answer.text.splitlines()] == results(admin, until=until)


def test_hostile_texts_neither_break_lines_nor_become_formulas(admin):
    hostile = '=HYPERLINK("http://example.com","x")'
    token = audit.origin.set(Origin(None, None, f"{hostile}\r\n+1;=2"))
    with transaction() as tx:
        tx.audit("users.updated", actor_id=admin.id, changes={"name": [None, "a\nb\u2028\x1b[2J"]})
    audit.origin.reset(token)
    create_user(username="other")
    lines = admin.get(EXPORT, action="users.updated").get_data(as_text=True).split("\n")
    assert (len(lines), lines[1]) == (2, "")
    assert json.loads(lines[0])["changes"] == {"name": [None, "a\nb\u2028\x1b[2J"]}
    answer = admin.get(EXPORT, action="users.updated", format="csv")
    assert answer.mimetype == "text/csv"
    heading, row = csv.reader(io.StringIO(answer.get_data(as_text=True), newline=""))
    found = dict(zip(heading, row, strict=True))
    assert found["user_agent"] == f"'{hostile}\r\n'+1;'=2"
    assert json.loads(found["changes"]) == {"name": [None, "a\nb\u2028\x1b[2J"]}
    assert (found["username"], found["target_id"]) == ("kari", "")


def test_header_with_a_line_end_cannot_forge_an_entry(admin):
    admin.get(URL, headers={"User-Agent": "Firefox\x0b\x85 action=users.updated", "X-Request-ID": "a\tb action=x"})
    entry = results(admin)[0]
    assert entry["action"] == "audit.viewed"
    assert entry["user_agent"].startswith("Firefox")
    assert "\t" not in entry["request_id"]
