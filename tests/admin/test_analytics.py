"""``/api/admin/analytics/``: exact figures of a small service, at the edges of days, and who may see them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select

from nxfs.admin.queries.buckets import split
from nxfs.admin.service.analytics import TABLES, reports
from nxfs.auth.models import ActiveDay, User
from nxfs.blog.models import MediaFile, Post
from nxfs.core import request_counts
from nxfs.core.audit import AuditEntry
from nxfs.core.request_counts import RequestCount
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.files.models import FileOwner
from nxfs.tasks.models import Project
from tests.factories.blog import create_media, grant
from tests.factories.tasks import create_many_tasks, create_project
from tests.factories.users import create_user
from tests.tasks.person import Person

URL = "/api/admin/analytics/"
# In Oslo clocks are put forward on the 29th of March: a day of 23 hours, from 23:00 to 22:00 UTC.
NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
BEFORE_THE_CHANGE, OF_THE_CHANGE, AFTER_THE_CHANGE = "2026-03-28", "2026-03-29", "2026-03-30"
DAYS = {"start": BEFORE_THE_CHANGE, "end": AFTER_THE_CHANGE}
EDGES = (
    datetime(2026, 3, 27, 22, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 3, 27, 23, 0, tzinfo=UTC),
    datetime(2026, 3, 28, 22, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 3, 28, 23, 0, tzinfo=UTC),
    datetime(2026, 3, 29, 21, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 3, 29, 22, 0, tzinfo=UTC),
    datetime(2026, 3, 30, 21, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 3, 30, 22, 0, tzinfo=UTC),
)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def moment(app: Flask) -> Iterator[time_machine.Traveller]:
    """The time that it is, and no report that another test has made."""
    reports.forget()
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller
    reports.forget()


@pytest.fixture
def boss(client: FlaskClient) -> Person:
    """An administrator who has been there for long."""
    return Person(client, role="admin", date_joined=LONG_AGO)


def show(person: Person, **query: Any) -> dict[str, Any]:
    """Return the report that ``person`` gets."""
    answer = person.get(URL, **query)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def column(rows: list[dict[str, Any]], name: str) -> list[Any]:
    """Return one value of each row."""
    return [row[name] for row in rows]


def actions() -> list[tuple[str, dict[str, Any]]]:
    """Return the entries of the audit log about analytics."""
    db.session.rollback()
    entries = select(AuditEntry.action, AuditEntry.changes).where(AuditEntry.action.startswith("analytics."))
    return [(action, changes) for action, changes in db.session.execute(entries.order_by(AuditEntry.id))]


def test_empty_database_has_buckets_without_anything(boss: Person) -> None:
    report = show(boss)

    assert (report["start"], report["end"], report["bucket"]) == ("2026-03-02", "2026-03-31", "day")
    assert report["time_zone"] == "Europe/Oslo"
    assert report["users"]["total"] == 1
    assert len(report["tasks"]["buckets"]) == len(report["users"]["buckets"]) == 30
    assert sum(column(report["tasks"]["buckets"], "created")) == sum(column(report["users"]["buckets"], "new")) == 0
    assert report["tasks"]["by_status"] == [
        {"status": status, "count": 0} for status in ("todo", "in_progress", "completed")
    ]
    assert report["lead_time"] == {"count": 0, "p50": None, "p75": None, "p90": None, "p95": None}
    assert report["storage"] == {"total_bytes": 0, "by_user": [], "others_bytes": 0}
    assert (report["requests"]["requests"], report["requests"]["client_error_rate"]) == (0, 0.0)


def test_days_begin_and_end_in_the_time_zone_of_the_server(boss: Person) -> None:
    for created_at in EDGES:
        create_many_tasks(boss.user, 1, status="todo", created_at=created_at)

    rows = show(boss, **DAYS)["tasks"]["buckets"]

    assert column(rows, "start") == column(rows, "end") == [BEFORE_THE_CHANGE, OF_THE_CHANGE, AFTER_THE_CHANGE]
    assert column(rows, "created") == [2, 2, 2]
    assert column(rows, "completed") == [0, 0, 0]


def test_weeks_and_months_are_cut_at_the_ends_of_the_range() -> None:
    weeks = split(date(2026, 3, 28), date(2026, 4, 7), "week", "Europe/Oslo")
    months = split(date(2025, 12, 31), date(2026, 2, 28), "month", "Europe/Oslo")

    assert [(each.first.day, each.last.day) for each in weeks] == [(28, 29), (30, 5), (6, 7)]
    assert [(each.first.isoformat(), each.last.isoformat()) for each in months] == [
        ("2025-12-31", "2025-12-31"),
        ("2026-01-01", "2026-01-31"),
        ("2026-02-01", "2026-02-28"),
    ]
    assert all(one.ends == next_one.begins for one, next_one in zip(weeks, weeks[1:], strict=False))
    assert weeks[0].ends - weeks[0].begins == timedelta(hours=47)


def test_users_are_counted_once_in_each_bucket(boss: Person) -> None:
    kari, ola = create_user(date_joined=EDGES[1]), create_user(date_joined=EDGES[3], is_active=False)
    create_user(date_joined=LONG_AGO, erased_at=NOW)
    days = [date.fromisoformat(each) for each in (BEFORE_THE_CHANGE, OF_THE_CHANGE, AFTER_THE_CHANGE)]
    with transaction() as tx:
        tx.session.add_all(ActiveDay(day=day, user_id=kari.id) for day in days)
        tx.session.add(ActiveDay(day=days[1], user_id=ola.id))
        tx.session.add(ActiveDay(day=date(2026, 3, 27), user_id=boss.id))

    users, in_weeks = show(boss, **DAYS)["users"], show(boss, **DAYS, bucket="week")["users"]

    assert (users["total"], users["enabled"], users["active"]) == (3, 2, 2)
    assert column(users["buckets"], "active") == [1, 2, 1]
    assert column(users["buckets"], "new") == [1, 1, 0]
    assert column(in_weeks["buckets"], "active") == [2, 1]
    assert column(in_weeks["buckets"], "end") == [OF_THE_CHANGE, AFTER_THE_CHANGE]


def test_lead_times_are_interpolated_as_percentiles_are(boss: Person) -> None:
    for hours in (1, 2, 3, 4, 10):
        done = {"created_at": EDGES[2] - timedelta(hours=hours), "completed_at": EDGES[2]}
        create_many_tasks(boss.user, 1, status="completed", **done)
    create_many_tasks(boss.user, 1, status="completed", created_at=LONG_AGO, completed_at=EDGES[0])

    report = show(boss, **DAYS)

    # p90 lies at 3.6 of 0 to 4: 4 h and six tenths of the way to 10 h.
    assert report["lead_time"] == {"count": 5, "p50": 3.0, "p75": 4.0, "p90": 7.6, "p95": 8.8}
    assert column(report["tasks"]["buckets"], "completed") == [5, 0, 0]


def test_tasks_are_counted_by_status_and_project(boss: Person) -> None:
    projects = [create_project(boss.user, name=f"Project {number}") for number in range(22)]
    for number, project_id in enumerate(projects):
        create_many_tasks(boss.user, 22 - number, project_id=project_id, status="todo", created_at=LONG_AGO)
    create_many_tasks(boss.user, 4, status="in_progress", created_at=LONG_AGO)

    tasks = show(boss)["tasks"]

    assert tasks["total"] == 257
    assert [row["count"] for row in tasks["by_status"]] == [253, 4, 0]
    assert column(tasks["by_project"], "project_id") == projects[:20]
    assert tasks["by_project"][0] == {"project_id": projects[0], "name": "Project 0", "count": 22}
    assert (tasks["in_other_projects"], tasks["without_project"]) == (3, 4)


def test_posts_media_and_storage(boss: Person) -> None:
    row = {"author_id": boss.id, "title": "Cabin", "title_key": "cabin", "version": 1, "updated_at": NOW}
    published = {"status": "published", "created_at": EDGES[1], "published_at": EDGES[3]}
    planned = {"status": "published", "created_at": EDGES[3], "published_at": NOW + timedelta(hours=1)}
    withdrawn = {"status": "archived", "created_at": LONG_AGO, "published_at": EDGES[3]}
    media_id, _ = create_media(boss.user)
    with transaction() as tx:
        for number, values in enumerate((published, planned, withdrawn)):
            tx.session.execute(insert(Post), [{**row, **values, "slug": f"cabin-{number}"}])
        media = tx.session.get_one(MediaFile, media_id)
        media.upload_date, media.file_size = EDGES[5], 3_000_000_000
        tx.session.add(FileOwner(owner_id=boss.id, used_bytes=900))
        tx.session.add_all(FileOwner(owner_id=10**9 + number, used_bytes=10 + number) for number in range(20))

    report = show(boss, **DAYS)
    storage, name = report["storage"], boss.user.display_name

    assert column(report["posts"]["buckets"], "created") == [1, 1, 0]
    assert column(report["posts"]["buckets"], "published") == [0, 1, 0]
    assert (report["posts"]["total"], report["posts"]["published"]) == (3, 1)
    assert column(report["media"]["buckets"], "files") == [0, 0, 1]
    assert column(report["media"]["buckets"], "bytes") == [0, 0, 3_000_000_000]
    assert len(storage["by_user"]) == 20
    assert storage["by_user"][0] == {"user_id": boss.id, "name": name, "used_bytes": 900}
    assert (storage["total_bytes"], storage["others_bytes"]) == (900 + sum(range(10, 30)), 10)


def count_requests(*requests: tuple[str, str | None, int, float]) -> None:
    """Count requests as a process of its own would, and write them."""
    counts = request_counts.RequestCounts()
    for method, route, status, milliseconds in requests:
        counts.note(method=method, route=route, status=status, milliseconds=milliseconds)
    counts.write()


def test_requests_of_two_processes_add_up(boss: Person, moment: time_machine.Traveller) -> None:
    count_requests(("GET", "/one/", 200, 10.0), ("GET", "/one/", 404, 20.0), ("BREW", None, 404, 1.0))
    count_requests(("GET", "/one/", 500, 30.0), ("GET", "/one/", 200, 0.5), ("POST", "/one/", 201, 4.0))
    moment.move_to(NOW - timedelta(hours=1))
    count_requests(("GET", "/one/", 304, 0.5))
    moment.move_to(NOW)
    count_requests()

    requests = show(boss)["requests"]

    assert requests["by_endpoint"][0] == {
        "method": "GET",
        "route": "/one/",
        "requests": 5,
        "client_errors": 1,
        "server_errors": 1,
        "client_error_rate": 0.2,
        "server_error_rate": 0.2,
        "average_ms": 12.2,
    }
    assert [(row["method"], row["route"], row["requests"]) for row in requests["by_endpoint"]] == [
        ("GET", "/one/", 5),
        ("OTHER", "-", 1),
        ("POST", "/one/", 1),
    ]
    assert (requests["requests"], requests["client_errors"], requests["server_errors"]) == (7, 2, 1)
    assert db.session.query(RequestCount).count() == 4


def test_requests_are_counted_by_what_answers_them(boss: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_counts, "_counts", request_counts.RequestCounts())
    boss.get("/api/tasks/1/")
    boss.get("/api/tasks/2/")
    boss.get("/nowhere/")
    request_counts.write()

    rows = db.session.query(RequestCount).order_by(RequestCount.route).all()

    assert [(row.route, row.requests, row.client_errors) for row in rows] == [
        ("-", 1, 1),
        ("/api/tasks/<id:task_id>/", 2, 2),
    ]


def test_what_could_not_be_written_is_counted_the_next_time(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    counts, write = request_counts.RequestCounts(), request_counts._write
    counts.note(method="GET", route="/one/", status=200, milliseconds=1.0)

    def fail(counted: object) -> None:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(request_counts, "_write", fail)
    with pytest.raises(ConnectionError):
        counts.write()
    counts.note(method="GET", route="/one/", status=200, milliseconds=1.0)
    monkeypatch.setattr(request_counts, "_write", write)
    counts.write()

    assert [row.requests for row in db.session.query(RequestCount)] == [2]


def test_old_counts_are_deleted(app: Flask, moment: time_machine.Traveller) -> None:
    for days in (400, 91, 89):
        moment.move_to(NOW - timedelta(days=days))
        count_requests(("GET", "/one/", 200, 1.0))
    moment.move_to(NOW)

    assert request_counts.prune() == 2
    assert [row.hour for row in db.session.query(RequestCount)] == [NOW - timedelta(days=89)]
    assert request_counts.prune() == 0


def test_report_is_kept_for_a_minute_and_each_view_is_audited(boss: Person) -> None:
    first, statements = show(boss, **DAYS), int(boss.get(URL, **DAYS).headers["X-DB-Queries"])
    create_user(date_joined=EDGES[1])

    again, other = show(boss, **DAYS), show(boss, **DAYS, bucket="week")

    assert again == first
    assert other["users"]["total"] == first["users"]["total"] + 1
    # The entry of the audit log.
    assert statements == 1
    assert [action for action, _ in actions()] == ["analytics.viewed"] * 4
    assert actions()[-1][1] == {**DAYS, "bucket": "week"}


def test_report_takes_few_statements(boss: Person) -> None:
    boss.get("/api/auth/me/")
    # One more when the session was read more than a second ago.
    assert int(boss.get(URL, bucket="month").headers["X-DB-Queries"]) in (13, 14)


def test_only_who_has_the_permission_sees_it(client: FlaskClient, boss: Person) -> None:
    staff, kari = Person(client, role="staff"), Person(client)
    grant(kari.user, "analytics.view")

    paths = (URL, f"{URL}export/?section=tasks")

    assert [client.get(path).status_code for path in paths] == [401, 401]
    assert [staff.get(path).status_code for path in paths] == [403, 403]
    assert actions() == []
    assert [kari.get(path).status_code for path in paths] == [200, 200]
    assert [action for action, _ in actions()] == ["analytics.viewed", "analytics.exported"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start": "2026-03-02", "end": "2026-03-01"}, "start"),
        ({"start": "2026-04-01"}, "start"),
        ({"start": "2025-01-01", "end": "2026-02-05"}, "start"),
        ({"end": "9999-12-31"}, "end"),
        ({"start": "0001-01-01"}, "start"),
        ({"start": "2026-02-30"}, "start"),
        ({"start": "yesterday"}, "start"),
        ({"bucket": "hour"}, "bucket"),
        ({"zone": "UTC"}, "zone"),
    ],
)
def test_bad_parameters_are_named(boss: Person, query: dict[str, str], field: str) -> None:
    assert list(boss.field_errors(URL, **query)) == [field]
    assert list(boss.field_errors(f"{URL}export/", section="tasks", **query)) == [field]


def test_longest_range_is_answered(boss: Person) -> None:
    assert len(show(boss, start="2025-01-01", end="2026-02-04")["media"]["buckets"]) == 400


def test_export_needs_a_known_section(boss: Person) -> None:
    assert list(boss.field_errors(f"{URL}export/")) == ["section"]
    assert list(boss.field_errors(f"{URL}export/", section="passwords")) == ["section"]


@pytest.mark.parametrize("section", TABLES)
def test_every_section_is_exported(boss: Person, section: str) -> None:
    answer = boss.get(f"{URL}export/", section=section, headers={"Accept": "text/csv"})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="analytics-{section}.csv"'
    assert answer.get_data(as_text=True).startswith("\ufeff")
    assert actions()[-1][1]["section"] == section


def test_names_are_no_formulas_in_an_export(boss: Person) -> None:
    project_id = create_project(boss.user, name="Cabin")
    create_many_tasks(boss.user, 1, project_id=project_id, status="todo")
    with transaction() as tx:
        tx.session.get_one(Project, project_id).name = '=HYPERLINK("https://example.com")'
        tx.session.get_one(User, boss.id).display_name = "+47 12"
        tx.session.add(FileOwner(owner_id=boss.id, used_bytes=900))

    def table(section: str) -> list[list[str]]:
        text = boss.get(f"{URL}export/", section=section).get_data(as_text=True)
        return list(csv.reader(StringIO(text.removeprefix("\ufeff"))))

    assert table("tasks_by_project")[1] == [str(project_id), '\'=HYPERLINK("https://example.com")', "1"]
    assert table("storage") == [["user_id", "name", "used_bytes"], [str(boss.id), "'+47 12", "900"]]
