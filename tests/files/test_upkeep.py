"""Upkeep: what storage and rows do not agree on is found, and mended without harming anything else."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import update

from nxfs.auth.models import User
from nxfs.core import clock
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.files import keys
from nxfs.files.models import FileDeletion, FileDerivative, FileOwner, StoredFile
from nxfs.files.service import derivatives, upkeep
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.local import LocalStorage
from nxfs.files.storage.selection import current_storage
from tests.factories.users import create_user
from tests.files.conftest import keep, leftovers, picture
from tests.pictures import stored_keys

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def runner(app: Flask) -> FlaskCliRunner:
    """The command line."""
    return app.test_cli_runner()


def keep_referred(**columns: object) -> StoredFile:
    """Upload a picture and let a user show it."""
    user = create_user()
    file = keep(picture(seed=user.id), owner_id=user.id, **columns)
    with transaction() as tx:
        tx.session.execute(update(User).where(User.id == user.id).values(profile_picture_id=file.id))
    return file


def stray(key: str = "originals/ab/ab" + "0" * 30 + ".jpg") -> str:
    """Store bytes that no row knows, as an upload that was killed before its commit."""
    source = current_storage().incoming() / "stray"
    source.write_bytes(b"x")
    current_storage().save(key, source)
    return key


def test_what_agrees_is_clean():
    file = keep_referred()
    derivatives.open_derivative(file, 320).stream.close()
    assert upkeep.verify(grace_seconds=0).is_clean()


def test_everything_that_does_not_agree_is_found_and_mended():
    kept, lost = keep_referred(), keep_referred()
    unreferenced = keep(picture(), owner_id=9)
    key = stray()
    derivative = stray("derivatives/ab/" + "ab" * 32 + "-320.webp")
    waiting = stray("originals/cd/cd" + "0" * 30 + ".jpg")
    (current_storage().incoming() / "killed.upload").write_bytes(b"half of a pic")
    current_storage().delete(keys.of_original(lost.name))
    kept_name, lost_name = kept.name, lost.name
    unreferenced_id, kept_owner = unreferenced.id, kept.owner_id
    with transaction() as tx:
        tx.session.add(FileDerivative(sha256="cd" * 32, width=320, claimed_at=clock.now(), height=240))
        tx.session.add(FileDeletion(key=waiting))
        tx.session.execute(update(FileOwner).where(FileOwner.owner_id == kept_owner).values(used_bytes=5))
    findings = upkeep.verify(grace_seconds=0)
    assert sorted(findings.stray_keys) == sorted([key, derivative])
    assert (findings.lost, findings.unreferenced) == ([lost_name], [unreferenced_id])
    assert ([path.name for path in findings.leftovers], findings.waiting) == (["killed.upload"], [waiting])
    assert (findings.miscounted, findings.orphans) == ([kept_owner], ["cd" * 32])
    upkeep.mend(findings)
    left = upkeep.verify(grace_seconds=0)
    assert left.lost == [lost_name]
    left.lost.clear()
    assert left.is_clean()
    assert (stored_keys(), leftovers()) == ({keys.of_original(kept_name)}, [])
    assert upkeep.forget_lost([lost_name]) == 1
    assert upkeep.verify(grace_seconds=0).is_clean()
    assert db.session.query(User).filter(User.profile_picture_id.is_not(None)).count() == 1


def test_what_is_young_is_left_alone():
    keep(picture())
    stray()
    (current_storage().incoming() / "under-way.upload").write_bytes(b"x")
    findings = upkeep.verify(grace_seconds=600)
    assert findings.is_clean()
    assert findings.too_young == 1


def test_verify_says_what_it_found_by_its_exit_code(runner):
    keep_referred()
    assert runner.invoke(args=["media", "verify"]).exit_code == 0
    key = stray()
    found = runner.invoke(args=["media", "verify", "--grace", "0"])
    assert (found.exit_code, key in found.output) == (1, True)
    assert key in stored_keys()


def test_gc_cleans_up_and_keeps_the_rest(runner):
    file, key = keep_referred(), stray()
    would = runner.invoke(args=["media", "gc", "--grace", "0", "--dry-run"])
    assert (would.exit_code, key in stored_keys()) == (0, True)
    done = runner.invoke(args=["media", "gc", "--grace", "0"])
    assert done.exit_code == 0, done.output
    assert stored_keys() == {keys.of_original(file.name)}
    assert runner.invoke(args=["media", "verify", "--grace", "0"]).exit_code == 0


def test_gc_keeps_rows_of_lost_files_unless_told_otherwise(runner):
    file = keep_referred()
    current_storage().delete(keys.of_original(file.name))
    kept = runner.invoke(args=["media", "gc", "--grace", "0"])
    assert (kept.exit_code, db.session.query(StoredFile).count()) == (1, 1)
    db.session.rollback()
    forgot = runner.invoke(args=["media", "gc", "--grace", "0", "--forget-lost"])
    assert (forgot.exit_code, db.session.query(StoredFile).count()) == (0, 0), forgot.output


def test_storage_that_is_away_is_said_and_nothing_is_changed(runner, monkeypatch):
    keep_referred()

    def fail(*_: object) -> None:
        raise StorageError("the bucket is away")

    monkeypatch.setattr(LocalStorage, "list", fail)
    result = runner.invoke(args=["media", "gc", "--forget-lost"])
    assert (result.exit_code, "The storage cannot be used" in result.output) == (2, True)
    assert db.session.query(StoredFile).count() == 1
