"""Uploads: whole and inspected, or absent; counted against the quota of their owner."""

from __future__ import annotations

import gevent
import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from nxfs.core.errors import APIError
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.files import keys
from nxfs.files.errors import QuotaExceededError, StorageUnavailableError
from nxfs.files.formats import IMAGES, UploadRule
from nxfs.files.models import FileDeletion, FileOwner, StoredFile
from nxfs.files.service import inspectors, removal, uploads
from nxfs.files.service.uploads import clean_filename
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.local import LocalStorage
from tests.files.conftest import OWNER_ID, keep, leftovers, picture, upload_of
from tests.pictures import stored_keys

pytestmark = pytest.mark.usefixtures("media")


def used_bytes(owner_id: int = OWNER_ID) -> int:
    """Return how many bytes are counted for the owner."""
    db.session.rollback()
    owner = db.session.get(FileOwner, owner_id, populate_existing=True)
    return owner.used_bytes if owner else 0


def count_files() -> int:
    """Return how many files have a row."""
    db.session.rollback()
    return db.session.query(StoredFile).count()


def test_kept_upload_has_bytes_and_a_row_and_is_counted():
    file = keep(picture(), filename="Hytta ved fjorden.jpg")
    assert stored_keys() == {keys.of_original(file.name)}
    assert (file.format, file.width, file.height) == ("jpeg", 640, 480)
    assert file.original_filename == "Hytta ved fjorden.jpg"
    assert used_bytes() == file.size > 0
    assert leftovers() == []


@pytest.mark.parametrize(
    ("content", "filename", "status"),
    [
        (b"", "a.jpg", 400),
        (b"<svg onload=alert(1)>", "a.jpg", 415),
        (picture(), "a.png", 415),
        (picture()[:400], "a.jpg", 400),
    ],
    ids=["empty", "svg", "other name", "cut"],
)
def test_refused_upload_leaves_nothing(content, filename, status):
    with pytest.raises(APIError) as refusal:
        keep(content, filename=filename)
    assert refusal.value.status == status
    assert refusal.value.field_errors == {"file": [refusal.value.message]}
    assert (stored_keys(), leftovers(), count_files(), used_bytes()) == (set(), [], 0, 0)


def test_upload_of_more_bytes_than_allowed_is_refused_before_it_is_looked_at(monkeypatch):
    monkeypatch.setattr(inspectors, "inspect", lambda *args, **kwargs: pytest.fail("it was looked at"))
    with pytest.raises(APIError) as refusal:
        keep(b"x" * 2_000_001, rule=UploadRule(("jpeg",), 2_000_000))
    assert refusal.value.status == 413
    assert leftovers() == []


def test_upload_that_nobody_keeps_leaves_nothing():
    with uploads.received(upload_of(picture()), IMAGES, owner_id=OWNER_ID) as received:
        assert len(stored_keys()) == 1
    assert not received.is_kept
    assert stored_keys() == set()


def test_upload_whose_transaction_fails_leaves_nothing():
    with pytest.raises(LookupError):
        with uploads.received(upload_of(picture()), IMAGES, owner_id=OWNER_ID) as received, transaction() as tx:
            received.keep(tx)
            raise LookupError
    assert (stored_keys(), count_files(), used_bytes()) == (set(), 0, 0)


def test_upload_whose_commit_succeeded_before_the_error_stays():
    with pytest.raises(LookupError):
        with uploads.received(upload_of(picture()), IMAGES, owner_id=OWNER_ID) as received:
            with transaction() as tx:
                received.keep(tx)
            raise LookupError
    assert (len(stored_keys()), count_files()) == (1, 1)


def test_upload_to_a_storage_that_fails_is_503_and_leaves_no_row(monkeypatch):
    def fail(*_: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(LocalStorage, "save", fail)
    with pytest.raises(StorageUnavailableError):
        keep(picture())
    assert (count_files(), leftovers()) == (0, [])


def test_quota_refuses_what_does_not_fit(app, monkeypatch):
    size = keep(picture()).size
    monkeypatch.setitem(app.config, "MEDIA_QUOTA", 2 * size)
    keep(picture())
    with pytest.raises(QuotaExceededError):
        keep(picture())
    assert (count_files(), len(stored_keys()), used_bytes()) == (2, 2, 2 * size)
    keep(picture(), owner_id=OWNER_ID + 1)


def test_quota_of_zero_is_no_quota(app, monkeypatch):
    monkeypatch.setitem(app.config, "MEDIA_QUOTA", 0)
    keep(picture())


def test_parallel_uploads_never_take_more_than_the_quota(app: Flask, monkeypatch):
    size = keep(picture()).size
    monkeypatch.setitem(app.config, "MEDIA_QUOTA", 4 * size)

    def send() -> bool:
        with app.app_context():
            try:
                keep(picture())
            except QuotaExceededError:
                return False
            return True

    greenlets = [gevent.spawn(send) for _ in range(10)]
    gevent.joinall(greenlets, raise_error=True, timeout=60)
    assert sum(greenlet.value for greenlet in greenlets) == 3
    assert (count_files(), len(stored_keys()), used_bytes()) == (4, 4, 4 * size)


def test_removed_file_is_gone_and_its_room_is_free():
    file, other = keep(picture()), keep(picture())
    with transaction() as tx:
        removal.remove_files(tx, [file.id])
    assert stored_keys() == {keys.of_original(other.name)}
    assert (count_files(), used_bytes()) == (1, other.size)
    assert db.session.query(FileDeletion).count() == 0


def test_removal_that_is_rolled_back_removes_nothing():
    file = keep(picture())
    file_id, size = file.id, file.size
    with pytest.raises(LookupError), transaction() as tx:
        removal.remove_files(tx, [file_id])
        raise LookupError
    assert (len(stored_keys()), count_files(), used_bytes()) == (1, 1, size)


def test_removal_that_the_storage_refuses_is_tried_again(monkeypatch):
    file = keep(picture())

    def fail(*_: object) -> None:
        raise StorageError("the bucket is away")

    with monkeypatch.context() as broken:
        broken.setattr(LocalStorage, "delete", fail)
        with transaction() as tx:
            removal.remove_files(tx, [file.id])
        assert removal.delete_what_is_left() == 0
    assert count_files() == 0
    assert [row.attempts for row in db.session.query(FileDeletion)] == [2]
    db.session.rollback()
    assert removal.delete_what_is_left() == 1
    assert (stored_keys(), db.session.query(FileDeletion).count()) == (set(), 0)


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("../../etc/passwd.jpg", "passwd.jpg"),
        (r"C:\Users\kari\hytte.jpg", "hytte.jpg"),
        ("a\x00b\r\nSet-Cookie: x.jpg", "abSet-Cookie: x.jpg"),
        ("invoice\u202egpj.exe.jpg", "invoicegpj.exe.jpg"),
        ("☀️ på hytta 🏔️.jpg", "☀️ på hytta 🏔️.jpg"),
        ("..", "file."),
        (".jpg", "file.jpg"),
    ],
)
def test_filename_is_kept_as_harmless_text(given_name, shown):
    assert clean_filename(given_name) == shown


@given(st.text(max_size=6000))
def test_any_filename_becomes_one_line_that_fits(name):
    cleaned = clean_filename(name)
    assert 0 < len(cleaned) <= 255
    assert "/" not in cleaned and "\\" not in cleaned
    assert not any(ord(letter) < 32 for letter in cleaned)
