"""Exports as somebody asks for them and reads them: the request, the job, the file, and what is in it."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import Any
from xml.etree import ElementTree

from werkzeug.test import TestResponse

from nxfs.core.jobs.models import Job
from nxfs.extensions import db
from nxfs.files import links
from tests.jobs import run_due_jobs
from tests.tasks.person import Person

PATH = "/api/tasks/export/"
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def queue_export(person: Person, format: str = "json", **filters: Any) -> int:
    """Ask for an export and return the job's id."""
    answer = person.post(PATH, json={"format": format, "filters": filters})
    assert answer.status_code == 202, answer.get_json()
    return answer.get_json()["id"]


def stored_job(job_id: int) -> Job:
    """Return the job as the database has it now."""
    db.session.rollback()
    job = db.session.get_one(Job, job_id, populate_existing=True)
    # Plain values, and no old state of the database for whoever reads next.
    db.session.close()
    return job


def export(person: Person, format: str = "json", **filters: Any) -> bytes:
    """Export, and return the content of the file."""
    job_id = queue_export(person, format, **filters)
    run_due_jobs()
    return download(person, job_id).data


def download(person: Person, job_id: int) -> TestResponse:
    """Return the answer with the file of a job that has succeeded."""
    job = stored_job(job_id)
    assert job.state == "succeeded", job.failure
    answer = person.client.get(links.path_of(job.result["file"], None))
    assert answer.status_code == 200
    return answer


def ids_of(content: bytes) -> list[int]:
    """Return the ids of the tasks in a JSON file, in its order."""
    return [task["id"] for task in json.loads(content)]


def read_csv(content: bytes) -> list[dict[str, str]]:
    """Return the rows of a CSV file by their headings."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def read_xlsx(content: bytes) -> list[dict[str, str | float | None]]:
    """Return the rows of a workbook's sheet by their headings: texts as texts, everything else as numbers."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        sheet = ElementTree.fromstring(archive.read("xl/worksheets/sheet1.xml"))
    rows = [{_column(cell): _value(cell) for cell in row} for row in sheet.iter(f"{SHEET}row")]
    headings = rows[0]
    return [{str(heading): row.get(column) for column, heading in headings.items()} for row in rows[1:]]


def _column(cell: ElementTree.Element) -> str:
    return cell.attrib["r"].rstrip("0123456789")


def _value(cell: ElementTree.Element) -> str | float:
    assert cell.find(f"{SHEET}f") is None, "a formula"
    if cell.get("t") == "inlineStr":
        assert [child.tag for child in cell.iter()] == [f"{SHEET}c", f"{SHEET}is", f"{SHEET}t"]
        return cell.find(f"{SHEET}is/{SHEET}t").text or ""
    assert cell.get("t") is None
    return float(cell.find(f"{SHEET}v").text)
