"""Uploads into the media library: every format, several at once, refusals, and the quota."""

from __future__ import annotations

import re
from functools import partial

import gevent
import pytest
from flask import Flask
from flask.testing import FlaskClient

from nxfs.extensions import db
from nxfs.files.models import FileOwner, StoredFile
from nxfs.files.storage.selection import current_storage
from tests.blog.writing import opens
from tests.factories import files
from tests.tasks.logbook import Logbook, row_counts
from tests.tasks.person import Person

UPLOAD, MEDIA = "/api/blog/media/upload/", "/api/blog/media/"
SHAPE = {
    "id": int,
    "version": int,
    "filename": str,
    "original_filename": str,
    "file_type": str,
    "file_size": int,
    "upload_date": str,
    "uploaded_by": int,
    "url": str,
    "thumbnail_url": str,
    "description": str,
    "alt_text": str,
}


def used_bytes(person: Person) -> int:
    """Return how many bytes are counted for the person."""
    db.session.rollback()
    owner = db.session.get(FileOwner, person.id, populate_existing=True)
    return owner.used_bytes if owner else 0


def stored_names() -> set[str]:
    """Return the names of the originals in the storage."""
    return {item.key.rpartition("/")[2] for item in current_storage().list("originals/")}


@pytest.mark.parametrize("path", [UPLOAD, MEDIA])
@pytest.mark.parametrize("filename", files.LIBRARY)
def test_upload_of_each_format_answers_the_media_file(client: FlaskClient, path: str, filename: str) -> None:
    kari = Person(client)
    media_type, _ = files.LIBRARY[filename]
    logbook = Logbook()

    answer = kari.post(path, data={"file": files.part(filename), "description": " The  cabin ", "alt_text": "Red"})

    media = answer.get_json()
    assert answer.status_code == 201, media
    is_image = media_type.startswith("image/")
    shape = SHAPE | ({} if is_image else {"thumbnail_url": type(None)})
    assert {name: type(value) for name, value in media.items()} == shape
    assert re.fullmatch(r"[0-9a-f]{32}\." + filename.rpartition(".")[2], media["filename"])
    assert (media["original_filename"], media["file_type"]) == (filename, media_type)
    assert (media["uploaded_by"], media["description"], media["alt_text"]) == (kari.id, "The cabin", "Red")
    assert media["file_size"] == used_bytes(kari) > 0
    assert media["url"].startswith(f"http://localhost/media/{media['filename']}?expires=")
    assert opens(client, media["url"])
    assert not is_image or opens(client, media["thumbnail_url"])
    assert logbook.types() == (["media_uploaded"], ["blog.media_uploaded"])


def test_upload_of_several_files_answers_one_result_each(client: FlaskClient) -> None:
    kari = Person(client, language="no")
    parts = [files.part("a.jpg"), files.part("b.pdf", b"no document"), files.part("c.png"), files.part("d.gif", b"")]

    answer = kari.post(UPLOAD, data={"file": parts, "description": "All"})

    results = answer.get_json()["results"]
    assert answer.status_code == 207
    assert [result["status"] for result in results] == [201, 415, 201, 400]
    assert [result["original_filename"] for result in results] == ["a.jpg", "b.pdf", "c.png", "d.gif"]
    assert [result["error"] and result["error"]["code"] for result in results] == [
        None,
        "UNSUPPORTED_MEDIA_TYPE",
        None,
        "VALIDATION_ERROR",
    ]
    assert results[3]["error"]["field_errors"] == {"file": ["Filen er tom."]}
    kept = [result["file"] for result in results if result["file"]]
    assert [media["description"] for media in kept] == ["All", "All"]
    assert kari.get(MEDIA).get_json()["results"] == kept[::-1]


def test_upload_of_files_that_are_all_refused_is_still_207(client: FlaskClient) -> None:
    kari = Person(client)
    before = row_counts(), stored_names()

    answer = kari.post(UPLOAD, data={"file": [files.part("a.jpg", b"text"), files.part("b.png", b"text")]})

    assert answer.status_code == 207
    assert [result["file"] for result in answer.get_json()["results"]] == [None, None]
    assert (row_counts(), stored_names()) == before


@pytest.mark.parametrize(
    ("data", "status", "fields"),
    [
        ({}, 400, ["file"]),
        ({"file": "text"}, 400, ["file.0"]),
        ({"file": ""}, 400, ["file.0"]),
        ({"file": files.part("", b"")}, 400, ["file"]),
        ({"file": files.part("a.jpg", b"")}, 400, ["file"]),
        ({"file": files.part("a.jpg", b"text")}, 415, ["file"]),
        ({"file": files.part("a.exe", b"MZ")}, 415, ["file"]),
        ({"file": files.part("a.mp3")}, 415, ["file"]),
        ({"file": files.part("a.png", files.image_bytes("JPEG"))}, 415, ["file"]),
        ({"file": files.part("a.jpg", media_type="text/html")}, 415, ["file"]),
        ({"file": files.part("a.jpg", files.image_bytes()[:300])}, 400, ["file"]),
        ({"file": files.part("a.jpg", bytes(10 * 1024 * 1024 + 1))}, 413, ["file"]),
        ({"file": [files.part()] * 11}, 400, ["file"]),
        ({"file": files.part(), "other": "1"}, 400, ["other"]),
        ({"file": files.part(), "upload_date": "2020-01-01T00:00:00Z"}, 400, ["upload_date"]),
        ({"file": files.part(), "uploaded_by": "1"}, 400, ["uploaded_by"]),
        ({"file": files.part(), "description": "x" * 1_001}, 400, ["description"]),
        ({"file": files.part(), "alt_text": "x" * 501}, 400, ["alt_text"]),
        ({"file": files.part(), "image": files.part()}, 400, ["image"]),
    ],
    ids=lambda value: None if isinstance(value, dict) else str(value),
)
def test_upload_of_what_is_not_allowed_is_refused_and_leaves_nothing(
    client: FlaskClient, data: dict[str, object], status: int, fields: list[str]
) -> None:
    kari = Person(client)
    before = row_counts(), stored_names()

    answer = kari.post(UPLOAD, **files.encoded(data))

    assert answer.status_code == status, answer.get_json()
    assert list(answer.get_json()["error"]["field_errors"]) == fields
    assert (row_counts(), stored_names()) == before


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_upload_with_another_content_type_is_415(client: FlaskClient, content_type: str) -> None:
    assert Person(client).post(UPLOAD, data=b"{}", content_type=content_type).status_code == 415


def test_upload_without_a_session_is_401(client: FlaskClient) -> None:
    assert client.post(UPLOAD, data={"file": files.part()}).status_code == 401


def test_upload_beyond_the_quota_is_refused_and_leaves_nothing(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari, ola = Person(client), Person(client)
    content = files.image_bytes(seed=1)
    first = files.upload(kari, content=content)
    monkeypatch.setitem(app.config, "MEDIA_QUOTA", max(len(content), first["file_size"]) + 100)
    before = row_counts(), stored_names()

    answer = kari.post(UPLOAD, data={"file": files.part(content=content)})

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "BUSINESS_RULE_VIOLATION")
    assert (row_counts(), stored_names()) == before
    files.upload(ola, content=content)
    assert kari.delete(f"{MEDIA}{first['id']}/").status_code == 204
    files.upload(kari, content=content)


def test_upload_ten_at_once_keeps_only_what_fits(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    content = files.image_bytes(seed=1)
    size = files.upload(kari, content=content)["file_size"]
    # Of what is sent a little is saved, so that the first check does not refuse already.
    monkeypatch.setitem(app.config, "MEDIA_QUOTA", 4 * size + max(0, len(content) - size) + 1)

    def send() -> int:
        return kari.post(UPLOAD, data={"file": files.part(content=content)}).status_code

    greenlets = [gevent.spawn(partial(send)) for _ in range(10)]
    gevent.joinall(greenlets, timeout=60, raise_error=True)

    statuses = sorted(greenlet.value for greenlet in greenlets)
    assert statuses == [201] * 3 + [422] * 7
    assert used_bytes(kari) == 4 * size
    names = {row.name for row in db.session.query(StoredFile)}
    assert len(names) == 4
    assert names == stored_names() & names
    assert kari.get(MEDIA).get_json()["count"] == 4
