"""Exports: what is in the files, whose tasks, how they end, and what is left of them."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, update

from nxfs.auth.models import User
from nxfs.core.audit import AuditEntry
from nxfs.core.database import start_counting
from nxfs.core.jobs import leases, queue, running
from nxfs.core.jobs.execution import execute
from nxfs.core.jobs.models import Job
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.files.models import StoredFile
from nxfs.files.service import upkeep
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.local import LocalStorage
from nxfs.files.storage.selection import current_storage
from nxfs.tasks.models import Task, TaskExport
from nxfs.tasks.service import export_writers, exports
from nxfs.tasks.service import tasks as task_service
from tests.factories.tasks import add_member, create_category, create_project, create_task
from tests.factories.users import create_user
from tests.jobs import run_due_jobs
from tests.pictures import stored_keys, used_bytes
from tests.tasks.exported import PATH, download, export, ids_of, queue_export, read_csv, read_xlsx, stored_job
from tests.tasks.person import Person
from tests.turns import turns_during

NASTY = 'Blåbær; "sitert", æøå ÆØÅ\nlinje to\r\nlinje tre\t\U0001f600'
MOMENT = datetime(2026, 7, 1, 22, 30, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def storage(app: Flask) -> Iterator[None]:
    """Empty the storage after each test."""
    yield
    shutil.rmtree(Path(app.config["MEDIA_URL"].removeprefix("file://")), ignore_errors=True)


def assert_nothing_left() -> None:
    """Fail unless there is no file, neither half nor whole, and no row of one."""
    assert (stored_keys(), list(current_storage().stale_incoming(0))) == (set(), [])
    assert count(StoredFile) == count(TaskExport) == 0


def count(model: type) -> int:
    """Return how many rows a table has."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_export_is_queued_as_a_job_of_the_caller(client: FlaskClient) -> None:
    kari = Person(client, language="no")
    answer = kari.post(PATH, json={"format": "csv", "filters": {"status": "todo", "due_date_end": "2026-01-31"}})
    job = stored_job(answer.get_json()["id"])

    url = f"/api/jobs/{job.id}/"
    assert answer.status_code == 202
    assert answer.headers["Location"].endswith(url)
    assert answer.get_json() == {"id": job.id, "kind": "tasks.export", "state": "queued", "url": url}
    assert (job.kind, job.owner_id, job.language, job.state) == ("tasks.export", kari.id, "no", "queued")
    entry = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (entry.action, entry.actor_id) == ("tasks.export_queued", kari.id)
    assert entry.changes["filters"]["due_date_end"] == "2026-01-31"
    run_due_jobs()
    assert (stored_job(job.id).state, stored_job(job.id).result["row_count"]) == ("succeeded", 0)


def test_export_says_what_it_made(client: FlaskClient) -> None:
    kari = Person(client)
    for _ in range(3):
        create_task(kari.user)
    with time_machine.travel("2026-11-22T23:30:00Z", tick=False):
        job_id = exports.queue_export(actor=exports.require_actor(kari.id), format="csv", filters={})
        run_due_jobs()
    job = stored_job(job_id)
    file = db.session.scalars(select(StoredFile)).one()
    assert job.result == {
        "row_count": 3,
        "format": "csv",
        "file": file.name,
        # The day in Oslo.
        "file_name": "tasks-2026-11-23.csv",
        "size": file.size,
    }
    assert (job.done, job.total) == (3, 3)
    assert (file.owner_id, file.format, file.public_from) == (kari.id, "csv", None)
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "tasks.exported")).one()
    assert entry.changes == {"job_id": job_id, "format": "csv", "row_count": 3}


def test_csv_has_every_column_and_any_text(client: FlaskClient) -> None:
    kari, ola = Person(client, display_name="Kari Ås"), create_user(display_name="")
    categories = [create_category(kari.user, name=name) for name in ("Rødt", "Blått, lyst")]
    project = create_project(kari.user, name="Hytta på Ål", members=(ola,))
    with time_machine.travel(MOMENT, tick=False):
        task_id = create_task(
            kari.user,
            title="Måle, og «veie»",
            title_nb="Måle",
            description=NASTY,
            notes=" mellomrom ",
            priority="high",
            due_date=date(1, 2, 3),
            estimated_time=1.5,
            category=categories,
            project=project,
            assignee_id=ola.id,
            done=True,
        )
    content = export(kari, "csv")
    assert content.startswith(b"\xef\xbb\xbfId,Title,")
    assert content.endswith(b"\r\n")
    assert read_csv(content) == [
        {
            "Id": str(task_id),
            "Title": "Måle, og «veie»",
            "Title (Norwegian)": "Måle",
            "Description": db.session.get_one(Task, task_id).description,
            "Description (Norwegian)": "",
            "Notes": " mellomrom ",
            "Status": "completed",
            "Priority": "high",
            "Due date": "0001-02-03",
            "Estimated hours": "1.5",
            "Categories": "Rødt; Blått, lyst",
            "Project": "Hytta på Ål",
            "Created by": "Kari Ås",
            "Assignee": ola.username,
            "Completed at": "2026-07-01T22:30:15Z",
            "Created at": "2026-07-01T22:30:15Z",
            "Updated at": "2026-07-01T22:30:15Z",
        }
    ]


def test_headings_and_names_are_in_the_language_of_the_owner(client: FlaskClient) -> None:
    kari = Person(client, language="no")
    category = create_category(kari.user, name="Blue", name_nb="Blå")
    project = create_project(kari.user, name="Cabin", name_nb="Hytte")
    create_task(kari.user, category=[category, create_category(kari.user, name="Red")], project=project)
    (row,) = read_csv(export(kari, "csv"))
    assert (row["Tittel"][:4], row["Kategorier"], row["Prosjekt"]) == ("Task", "Blå; Red", "Hytte")
    assert "Fullført (Europe/Oslo)" in read_xlsx(export(kari, "xlsx"))[0]


@pytest.mark.parametrize("blanks", ["", " ", "\u00a0", "\u3000", "\u200b", "\ufeff", "\x01", "\u202e ", "\n", " \t"])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹣", "−"])
def test_cell_that_looks_like_a_formula_begins_with_an_apostrophe(blanks: str, sign: str) -> None:
    text = f"{blanks}{sign}1+1"
    assert export_writers.text_of(text) == f"'{text}"


@pytest.mark.parametrize("text", ["\ttab", "\rreturn", "\nline", "\t"])
def test_cell_that_begins_with_a_line_end_or_tab_begins_with_an_apostrophe(text: str) -> None:
    assert export_writers.text_of(text) == f"'{text}"


@pytest.mark.parametrize(
    ("text", "guarded"),
    [("a;=1+1", "a;'=1+1"), ("a; @x", "a; '@x"), ("a\t-1", "a\t'-1"), ("x\n=1", "x\n'=1"), (" =a;+b", "' =a;'+b")],
)
def test_what_would_begin_a_cell_at_another_separator_is_guarded_too(text: str, guarded: str) -> None:
    assert export_writers.text_of(text) == guarded


@pytest.mark.parametrize(
    "text", ["", " ", "1-2", "a=b", "post@nxfs.no", "'=1", "«=1»", "\U0001f600 =1", "x\n- y", "a; b"]
)
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert export_writers.text_of(text) == text


def test_numbers_and_dates_have_no_apostrophe() -> None:
    cells = (-1, 0.5, date(2026, 1, 2), MOMENT, None)
    assert [export_writers.text_of(cell) for cell in cells] == ["-1", "0.5", "2026-01-02", "2026-07-01T22:30:15Z", ""]


def test_formulas_in_files_are_text(client: FlaskClient) -> None:
    kari = Person(client)
    formula = "=cmd|' /C calc'!A0"
    create_task(kari.user, title=formula, description="@SUM(1)", notes="https://example.com", category=[])
    (row,) = read_csv(export(kari, "csv"))
    assert (row["Title"], row["Description"], row["Notes"]) == (f"'{formula}", "'@SUM(1)", "https://example.com")
    content = export(kari, "xlsx")
    (cells,) = read_xlsx(content)
    assert (cells["Title"], cells["Description"], cells["Notes"]) == (formula, "@SUM(1)", "https://example.com")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert not [name for name in archive.namelist() if "sheet1.xml.rels" in name]


def test_xlsx_has_numbers_dates_and_any_text(client: FlaskClient) -> None:
    kari = Person(client)
    with time_machine.travel(MOMENT, tick=False):
        task_id = create_task(
            kari.user,
            title="<r><t>x</t></r>",
            description=f" {NASTY} ",
            notes="a\x01_x0041_\ufffe\uffff<&>",
            due_date=date(2026, 2, 14),
            estimated_time=0.25,
            done=True,
        )
        old = create_task(kari.user, due_date=date(1900, 2, 28))
        job_id = exports.queue_export(
            actor=exports.require_actor(kari.id), format="xlsx", filters={"ordering": [("title", False)]}
        )
        run_due_jobs()
        content = download(kari, job_id).data
    row, aged = read_xlsx(content)
    assert (row["Id"], aged["Id"]) == (task_id, old)
    assert row["Title"].rstrip() == "<r><t>x</t></r>"
    described = db.session.get_one(Task, task_id).description
    assert row["Description"].replace("_x000D_", "\r").replace("_x0009_", "\t") == described
    # The escapes of Excel, for what XML does not have, and for what looks like one.
    assert row["Notes"] == "a_x0001__x005F_x0041_\ufffd\ufffd<&>"
    # Days since the end of 1899.
    assert (row["Due date"], row["Estimated hours"]) == (46067.0, 0.25)
    assert aged["Due date"] == "1900-02-28"
    # In Oslo.
    local = timedelta(hours=24, minutes=30, seconds=15) / timedelta(days=1)
    assert row["Completed at (Europe/Oslo)"] == pytest.approx(46204 + local, abs=1e-6)
    assert aged["Completed at (Europe/Oslo)"] is None


@pytest.mark.parametrize("letter", ["x", "\U0001f600"])
def test_xlsx_cuts_what_a_cell_cannot_hold(letter: str) -> None:
    units = len(letter.encode("utf-16-le")) // 2
    fits = letter * (32_767 // units)
    assert export_writers.spreadsheet_text(fits) == fits
    cut = export_writers.spreadsheet_text(letter * 40_000)
    assert cut == letter * (32_766 // units) + "…"


def test_json_has_what_the_api_has(client: FlaskClient) -> None:
    kari, ola = Person(client), create_user()
    project = create_project(kari.user, name="Hytta", members=(ola,))
    category = create_category(kari.user, name="Blå")
    create_task(kari.user, title=NASTY[:20], category=[category], project=project, assignee_id=ola.id, done=True)
    create_task(kari.user, due_date=date(2026, 1, 2), estimated_time=2.0)
    listed = kari.get("/api/tasks/").get_json()["results"]
    exported = json.loads(export(kari, "json"))
    names = [
        {
            "category_names": task.pop("category_names"),
            "project_name": task.pop("project_name"),
            "user_name": task.pop("user_name"),
            "assignee_name": task.pop("assignee_name"),
        }
        for task in exported
    ]
    assert exported == [{name: value for name, value in task.items() if name != "images"} for task in listed]
    me = kari.user.display_name
    assert names == [
        {"category_names": [], "project_name": None, "user_name": me, "assignee_name": None},
        {"category_names": ["Blå"], "project_name": "Hytta", "user_name": me, "assignee_name": ola.display_name},
    ]


@pytest.mark.parametrize("format", ["csv", "xlsx", "json"])
def test_export_of_nothing_is_a_whole_file(client: FlaskClient, format: str) -> None:
    content = export(Person(client), format)
    assert {"csv": read_csv, "xlsx": read_xlsx, "json": json.loads}[format](content) == []


def test_export_has_the_tasks_of_the_list_in_its_order(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 4)
    kari, ola = Person(client), Person(client)
    web, mail = create_category(kari.user, name="Web"), create_category(kari.user, name="Mail, og mer", slug="mail")
    cabin = create_project(ola.user, name="Cabin", members=(kari.user,))
    for number in range(12):
        create_task(
            (kari if number % 3 else ola).user,
            title=f"{'Cable' if number % 2 else 'Boat'} {number % 5}",
            notes="cable" if number % 4 == 0 else "",
            category=[each for each, step in ((web, 2), (mail, 3)) if number % step == 0],
            project=cabin if number % 3 == 0 else None,
            priority=("low", "medium", "high")[number % 3],
            assignee_id=kari.id if number % 5 == 0 else None,
            due_date=date(2026, 1, number + 1) if number % 4 else None,
            done=number % 6 == 0,
        )
    queries: list[dict[str, Any]] = [
        {},
        {"status": "todo,completed", "ordering": "-due_date,title"},
        {"priority": ["low", "high"], "ordering": ["priority", "-title"]},
        {"category": [web, "mail"], "ordering": "updated_at"},
        {"category": ["web", "mail"], "category_match": "any", "ordering": "title"},
        {"project": "Cabin", "ordering": "-status"},
        {"project": [cabin, "none"], "completed": False},
        {"assignee": kari.id},
        {"assignee": "none", "user_id": kari.id, "overdue": True},
        {"search": "cable", "ordering": "relevance"},
        {"search": "cable", "ordering": "-relevance", "status": ["todo"]},
        {"search": "!"},
        {"due_date_after": "2026-01-03", "due_date_end": "2026-01-08", "ordering": "due_date"},
    ]
    for filters in queries:
        as_query = {name: str(each).lower() if isinstance(each, bool) else each for name, each in filters.items()}
        assert ids_of(export(kari, "json", **filters)) == kari.ids(**as_query), filters


def test_export_has_what_its_owner_sees_when_it_is_made(client: FlaskClient) -> None:
    kari, ola, admin = Person(client), Person(client), Person(client, role="admin")
    project = create_project(ola.user, name="Secret")
    shared = create_task(ola.user, project=project)
    assigned = create_task(ola.user, project=project, assignee_id=kari.id)
    mine = create_task(kari.user)
    hidden = create_task(ola.user)
    job_id = queue_export(kari, "json")
    (alone,) = [task for task in json.loads(export(kari)) if task["id"] == assigned]
    # She sees the task, not the project.
    assert (alone["project"], alone["project_name"]) == (project, None)
    assert ids_of(download(kari, job_id).data) == [mine, assigned]

    job_id = queue_export(kari, "json")
    add_member(project, kari.user, owner=ola.user)
    run_due_jobs()
    tasks = json.loads(download(kari, job_id).data)
    assert [task["id"] for task in tasks] == [mine, assigned, shared]
    assert tasks[1]["project_name"] == "Secret"
    assert ids_of(export(admin)) == [hidden, mine, assigned, shared]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "format"),
        ({"format": "pdf"}, "format"),
        ({"format": None}, "format"),
        ({"format": "csv", "columns": []}, "columns"),
        ({"format": "csv", "filters": None}, "filters"),
        ({"format": "csv", "filters": []}, "filters"),
        ({"format": "csv", "filters": {"page": 1}}, "filters.page"),
        ({"format": "csv", "filters": {"page_size": 10}}, "filters.page_size"),
        ({"format": "csv", "filters": {"unknown": 1}}, "filters.unknown"),
        ({"format": "csv", "filters": {"status": "done"}}, "filters.status"),
        ({"format": "csv", "filters": {"status": ["todo", "done"]}}, "filters.status"),
        ({"format": "csv", "filters": {"status": 5}}, "filters.status"),
        ({"format": "csv", "filters": {"status": []}}, "filters.status"),
        ({"format": "csv", "filters": {"category": ""}}, "filters.category"),
        ({"format": "csv", "filters": {"status": {"a": 1}}}, "filters.status"),
        ({"format": "csv", "filters": {"status": [["todo"]]}}, "filters.status.0"),
        ({"format": "csv", "filters": {"priority": ["high", True]}}, "filters.priority.1"),
        ({"format": "csv", "filters": {"category": 1.5}}, "filters.category"),
        ({"format": "csv", "filters": {"category": "nothing"}}, "filters.category"),
        ({"format": "csv", "filters": {"category": [987654321]}}, "filters.category"),
        ({"format": "csv", "filters": {"project": "a,b"}}, "filters.project"),
        ({"format": "csv", "filters": {"category_match": "some"}}, "filters.category_match"),
        ({"format": "csv", "filters": {"completed": "true"}}, "filters.completed"),
        ({"format": "csv", "filters": {"overdue": 1}}, "filters.overdue"),
        ({"format": "csv", "filters": {"assignee": 0}}, "filters.assignee"),
        ({"format": "csv", "filters": {"assignee": True}}, "filters.assignee"),
        ({"format": "csv", "filters": {"assignee": "kari"}}, "filters.assignee"),
        ({"format": "csv", "filters": {"user_id": "7"}}, "filters.user_id"),
        ({"format": "csv", "filters": {"ordering": "color"}}, "filters.ordering"),
        ({"format": "csv", "filters": {"search": "a b c d e f g h i j k"}}, "filters.search"),
        ({"format": "csv", "filters": {"due_date_start": "2026-02-30"}}, "filters.due_date_start"),
        (
            {"format": "csv", "filters": {"due_date_start": "2026-02-02", "due_date_end": "2026-02-01"}},
            "filters.due_date_start",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_queued(client: FlaskClient, body: Any, field: str) -> None:
    answer = Person(client).post(PATH, json=body)
    assert answer.status_code == 400, answer.get_json()
    assert list(answer.get_json()["error"]["field_errors"]) == [field]
    assert count(Job) == 0


def test_project_of_somebody_else_is_unknown(client: FlaskClient) -> None:
    hidden = create_project(create_user(), name="Secret")
    for value in (hidden, "Secret"):
        answer = Person(client).post(PATH, json={"format": "csv", "filters": {"project": value}})
        sentences = answer.get_json()["error"]["field_errors"]
        assert sentences == {"filters.project": [f"There is no “{value}” that you can use here."]}


def test_export_by_what_is_deleted_meanwhile_fails_with_a_sentence(client: FlaskClient) -> None:
    kari, ola = Person(client, language="no"), Person(client)
    project = create_project(ola.user, name="Båt", members=(kari.user,))
    job_id = queue_export(kari, "csv", project="Båt")
    assert ola.delete(f"/api/tasks/projects/{project}/").status_code == 204
    run_due_jobs()
    job = stored_job(job_id)
    assert (job.state, job.attempts) == ("failed", 1)
    assert job.error == "Det finnes ingen «Båt» som du kan bruke her."
    assert_nothing_left()


def test_export_of_a_disabled_account_fails(client: FlaskClient) -> None:
    kari = Person(client)
    job_id = queue_export(kari)
    with transaction() as tx:
        tx.session.execute(update(User).where(User.id == kari.id).values(is_active=False))
    run_due_jobs()
    assert stored_job(job_id).state == "failed"
    assert_nothing_left()


def test_workbook_that_would_be_too_long_is_refused(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_ROWS", {"xlsx": 2})
    kari = Person(client)
    for _ in range(2):
        create_task(kari.user)
    assert len(read_xlsx(export(kari, "xlsx"))) == 2
    create_task(kari.user)
    assert len(read_csv(export(kari, "csv"))) == 3
    job_id = queue_export(kari, "xlsx")
    run_due_jobs()
    assert stored_job(job_id).error.startswith("There are more tasks than the 2 that an XLSX file can hold.")


def test_task_that_is_deleted_meanwhile_is_left_out(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 1)
    kari = Person(client)
    kept, doomed, newest = (create_task(kari.user) for _ in range(3))
    find = exports.queries.list_ids

    def delete_one(**keywords: Any) -> list[int]:
        found = find(**keywords)
        actor = exports.require_actor(kari.id)
        task_service.delete_task(actor=actor, task_id=doomed)
        return found

    monkeypatch.setattr(exports.queries, "list_ids", delete_one)
    assert ids_of(export(kari)) == [newest, kept]


def test_task_that_is_taken_away_meanwhile_is_left_out(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari, ola = Person(client), Person(client)
    mine, lost = create_task(kari.user), create_task(ola.user, assignee_id=kari.id)
    find = exports.queries.list_ids

    def take_away(**keywords: Any) -> list[int]:
        found = find(**keywords)
        assert ola.patch(f"/api/tasks/{lost}/", json={"assignee_id": None}).status_code == 200
        return found

    monkeypatch.setattr(exports.queries, "list_ids", take_away)
    assert ids_of(export(kari)) == [mine]


def test_more_exports_than_are_kept_for_one_person_are_refused(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST_KEPT", 1)
    kari, ola = Person(client), Person(client)
    export(kari)
    refused = kari.post("/api/tasks/export/", json={"format": "csv"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3600")
    assert ola.post("/api/tasks/export/", json={"format": "csv"}).status_code == 202


def interrupt_after(monkeypatch: pytest.MonkeyPatch, calls: int, action: Any) -> None:
    """Do ``action`` when so many tasks were written."""
    monkeypatch.setattr(exports, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(running, "TELL_SECONDS", 0.0)
    write_some, written = exports._write_some, []

    def write(writer: Any, named: Any) -> None:
        write_some(writer, named)
        written.append(named)
        if len(written) == calls:
            action()

    monkeypatch.setattr(exports, "_write_some", write)


@pytest.mark.parametrize("format", ["csv", "xlsx", "json"])
@pytest.mark.parametrize("calls", [2, 3])
def test_cancelled_export_leaves_nothing(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, format: str, calls: int
) -> None:
    kari = Person(client)
    for _ in range(3):
        create_task(kari.user)
    job_id = queue_export(kari, format)
    # Behind the last task there is no step left but the last transaction.
    interrupt_after(
        monkeypatch, calls, lambda: queue.cancel(actor_id=kari.id, job_id=job_id, condition=Job.owner_id == kari.id)
    )
    run_due_jobs()
    assert (stored_job(job_id).state, stored_job(job_id).result) == ("cancelled", None)
    assert_nothing_left()

    queue.retry(actor_id=kari.id, job_id=job_id, condition=Job.owner_id == kari.id)
    run_due_jobs()
    assert stored_job(job_id).result["row_count"] == 3
    assert upkeep.verify(grace_seconds=0).is_clean()


def test_export_that_fails_is_tried_again_and_leaves_nothing(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    create_task(kari.user)
    job_id = queue_export(kari, "xlsx")
    save = LocalStorage.save

    def fail(*_: Any) -> None:
        raise StorageError("no room")

    monkeypatch.setattr(LocalStorage, "save", fail)
    run_due_jobs()
    assert (stored_job(job_id).state, stored_job(job_id).attempts) == ("queued", 1)
    assert_nothing_left()
    monkeypatch.setattr(LocalStorage, "save", save)
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1)):
        run_due_jobs()
    assert stored_job(job_id).state == "succeeded"


def test_export_that_is_taken_over_leaves_one_file(client: FlaskClient) -> None:
    kari = Person(client)
    create_task(kari.user)
    job_id = queue_export(kari, "csv")
    first = leases.claim(lambda: False)
    with time_machine.travel(datetime.now(UTC) + leases.LEASE + timedelta(seconds=1)):
        second = leases.claim(lambda: False)
        execute(second)
        execute(first)
    job = stored_job(job_id)
    assert (job.state, job.attempts) == ("succeeded", 2)
    assert (count(StoredFile), count(TaskExport), len(stored_keys())) == (1, 1, 1)
    assert upkeep.verify(grace_seconds=0).is_clean()


def test_export_whose_runner_was_killed_at_the_end_is_not_made_again(client: FlaskClient) -> None:
    kari = Person(client)
    create_task(kari.user)
    job_id = queue_export(kari, "csv")
    made = exports.run(leases.claim(lambda: False))
    keys = stored_keys()
    with time_machine.travel(datetime.now(UTC) + leases.LEASE + timedelta(seconds=1)):
        run_due_jobs()
    assert (stored_job(job_id).result, stored_keys()) == (made, keys)
    entries = select(func.count()).where(AuditEntry.action == "tasks.exported")
    assert db.session.scalar(entries) == 1


def test_file_opens_with_its_signature_only_and_is_saved(client: FlaskClient) -> None:
    kari = Person(client)
    expected = {
        "csv": "text/csv; charset=utf-8",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "json": "application/json",
    }
    for format, media_type in expected.items():
        job_id = queue_export(kari, format)
        run_due_jobs()
        answer = download(kari, job_id)
        result = stored_job(job_id).result
        assert answer.content_type == media_type
        assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{result["file_name"]}"')
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"].startswith("private")
        assert len(answer.data) == result["size"]
        assert kari.get(f"/media/{result['file']}").status_code == 404
        assert client.get(f"/media/{result['file']}/320.webp").status_code == 404


def test_exports_take_no_room_and_are_not_in_the_library(client: FlaskClient, app: Flask) -> None:
    kari = Person(client)
    create_task(kari.user)
    app.config["MEDIA_QUOTA"], quota = 1, app.config["MEDIA_QUOTA"]
    try:
        export(kari, "csv")
    finally:
        app.config["MEDIA_QUOTA"] = quota
    assert used_bytes(kari.id) == 0
    assert upkeep.verify(grace_seconds=0).is_clean()
    assert kari.get("/api/blog/media/").get_json()["count"] == 0


def test_prune_deletes_exports_of_jobs_that_ended_long_ago(client: FlaskClient, app: Flask) -> None:
    kari = Person(client)
    now, days = datetime.now(UTC), timedelta(days=app.config["JOB_RETENTION_DAYS"])
    with time_machine.travel(now - days - timedelta(minutes=1)):
        old = exports.queue_export(actor=exports.require_actor(kari.id), format="csv", filters={})
        run_due_jobs()
        # The job ends later.
        exports.queue_export(actor=exports.require_actor(kari.id), format="json", filters={})
        unfinished = leases.claim(lambda: False)
        exports.run(unfinished)
    with time_machine.travel(now - days + timedelta(minutes=1)):
        young = exports.queue_export(actor=exports.require_actor(kari.id), format="csv", filters={})
        run_due_jobs()
    assert unfinished.id not in (old, young)
    assert (count(TaskExport), len(stored_keys())) == (3, 3)
    assert exports.prune() == 1
    db.session.rollback()
    kept = db.session.scalars(select(TaskExport.job_id).order_by(TaskExport.job_id)).all()
    assert sorted(kept) == sorted([unfinished.id, young])
    assert (count(StoredFile), len(stored_keys())) == (2, 2)
    assert upkeep.verify(grace_seconds=0).is_clean()
    assert exports.prune() == 0


def test_export_lets_others_run(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = Person(client)
    for _ in range(6):
        create_task(kari.user)
    monkeypatch.setattr(exports, "SECONDS_AT_ONCE", 0.0)
    queue_export(kari, "csv")
    assert turns_during(run_due_jobs) >= 6


def test_export_asks_as_often_for_many_tasks_as_for_one(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    # How far it is, is told at the end only, however slow this machine is.
    monkeypatch.setattr(running, "TELL_SECONDS", 3600.0)
    kari = Person(client)

    def statements() -> int:
        queue_export(kari, "csv")
        counter = start_counting()
        run_due_jobs()
        return counter[0]

    def add() -> None:
        project = create_project(kari.user)
        category = create_category(kari.user)
        create_task(kari.user, project=project, category=[category], assignee_id=kari.id)

    add()
    of_one = statements()
    for _ in range(9):
        add()
    assert statements() == of_one
