"""What tests of files have: the storage of the application, emptied after each test, and uploads."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from flask import Flask

from nxfs.core.transaction import transaction
from nxfs.core.uploads import Upload
from nxfs.extensions import db
from nxfs.files.formats import IMAGES, UploadRule
from nxfs.files.models import StoredFile
from nxfs.files.service import uploads
from nxfs.files.storage.selection import current_storage
from tests import services
from tests.factories.files import image_bytes

OWNER_ID = 7
# These know no database; once is enough, each beside one engine, so that both runs take about as long.
collect_ignore_glob = {"sqlite": ["test_inspection*.py"], "postgresql": ["storage/*.py"]}[services.chosen_engine()]


@pytest.fixture
def media(app: Flask) -> Iterator[Path]:
    """The directory of the local storage."""
    directory = Path(app.config["MEDIA_URL"].removeprefix("file://"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def picture(width: int = 640, height: int = 480, *, kind: str = "JPEG", seed: int = 0) -> bytes:
    """Return a picture; another ``seed`` makes another one."""
    return image_bytes(kind, width=width, height=height, seed=seed)


def upload_of(content: bytes, *, filename: str = "cabin.jpg", media_type: str = "image/jpeg") -> Upload:
    """Return ``content`` as a client sends it."""
    return Upload("file", filename, media_type, BytesIO(content))


def keep(
    content: bytes,
    *,
    owner_id: int = OWNER_ID,
    filename: str = "cabin.jpg",
    media_type: str = "image/jpeg",
    rule: UploadRule = IMAGES,
    **columns: object,
) -> StoredFile:
    """Upload ``content`` and return the file."""
    upload = upload_of(content, filename=filename, media_type=media_type)
    with uploads.received(upload, rule, owner_id=owner_id) as received, transaction() as tx:
        file = received.keep(tx, **columns)
    # Plain values from here on, whatever happens to the session.
    db.session.expunge(file)
    return file


def leftovers() -> list[str]:
    """Return what interrupted uploads left behind."""
    return [path.name for path in current_storage().stale_incoming(0)]
