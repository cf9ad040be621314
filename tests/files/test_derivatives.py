"""Derivatives: made once for each content and width, however many ask at once, and made again when they are lost."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

import gevent
import pytest
from flask import Flask
from PIL import Image

from nxfs.core import clock
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.files import keys
from nxfs.files.errors import StorageUnavailableError, StoredFileNotFoundError
from nxfs.files.models import FileDerivative, StoredFile
from nxfs.files.service import derivatives, inspectors, removal
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.local import LocalStorage
from nxfs.files.storage.selection import current_storage
from tests.files.conftest import keep, leftovers, picture
from tests.pictures import stored_keys

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def renderings(monkeypatch) -> list[int]:
    """The widths that were rendered, in order."""
    widths: list[int] = []
    original = inspectors.render

    def render(*args: object, width: int) -> object:
        widths.append(width)
        return original(*args, width=width)

    monkeypatch.setattr(inspectors, "render", render)
    return widths


def size_of(file: StoredFile, width: int) -> tuple[int, int]:
    """Return the size of the derivative, and fail unless it is WebP."""
    reading = derivatives.open_derivative(file, width)
    with reading.stream, Image.open(BytesIO(reading.stream.read())) as image:
        assert image.format == "WEBP"
        return image.size


@pytest.mark.parametrize(
    ("size", "width", "expected"),
    [
        ((1000, 500), 320, (320, 160)),
        ((1000, 500), 1600, (1000, 500)),
        ((500, 1000), 320, (320, 640)),
        ((3000, 2), 320, (320, 1)),
        ((9000, 1), 1600, (1600, 1)),
        ((1, 1), 320, (1, 1)),
    ],
)
def test_derivative_keeps_the_aspect_and_is_never_larger(size, width, expected):
    assert size_of(keep(picture(*size)), width) == expected


def test_derivative_is_made_once(renderings):
    file = keep(picture())
    for _ in range(3):
        assert size_of(file, 320) == (320, 240)
    assert renderings == [320]
    assert leftovers() == []


def test_files_with_one_content_share_their_derivatives(renderings):
    first, second = keep(picture()), keep(picture())
    size_of(first, 320), size_of(second, 320)
    assert renderings == [320]
    with transaction() as tx:
        removal.remove_files(tx, [first.id])
    assert size_of(second, 320) == (320, 240)
    assert renderings == [320]
    with transaction() as tx:
        removal.remove_files(tx, [second.id])
    assert stored_keys() == set()
    assert db.session.query(FileDerivative).count() == 0


def test_hundred_at_once_make_it_once(app: Flask, renderings):
    name = keep(picture(2000, 1500)).name

    def ask() -> int:
        with app.app_context():
            file = db.session.query(StoredFile).filter_by(name=name).one()
            reading = derivatives.open_derivative(file, 800)
            reading.stream.close()
            return reading.size

    greenlets = [gevent.spawn(ask) for _ in range(100)]
    gevent.joinall(greenlets, raise_error=True, timeout=60)
    assert renderings == [800]
    assert len({greenlet.value for greenlet in greenlets}) == 1


def test_claim_of_another_process_is_waited_for(app: Flask, renderings):
    file = keep(picture())
    sha256, file_id = file.sha256, file.id
    claimed_at = clock.now()
    with transaction() as tx:
        tx.session.add(FileDerivative(sha256=sha256, width=320, claimed_at=claimed_at))

    def ask() -> int:
        with app.app_context():
            reading = derivatives.open_derivative(db.session.get_one(StoredFile, file_id), 320)
            reading.stream.close()
            return reading.size

    waiting = gevent.spawn(ask)
    gevent.sleep(0.3)
    assert not waiting.ready()
    # What the other process does when it is done.
    target = current_storage().incoming() / "other.webp"
    target.write_bytes(picture(320, 240, kind="WEBP"))
    size = target.stat().st_size
    current_storage().save(keys.of_derivative(sha256, 320), target)
    with transaction() as tx:
        derivative = tx.session.get_one(FileDerivative, (sha256, 320))
        derivative.actual_width, derivative.height, derivative.size = 320, 240, size
    assert waiting.get(timeout=10) == size
    assert renderings == []


def test_claim_of_a_killed_process_is_taken_over(renderings):
    file = keep(picture())
    long_ago = clock.now() - timedelta(seconds=derivatives.CLAIM_SECONDS + 1)
    with transaction() as tx:
        tx.session.add(FileDerivative(sha256=file.sha256, width=320, claimed_at=long_ago))
    assert size_of(file, 320) == (320, 240)
    assert renderings == [320]


def test_derivative_that_was_lost_is_made_again(renderings):
    file = keep(picture())
    size_of(file, 320)
    current_storage().delete(keys.of_derivative(file.sha256, 320))
    assert size_of(file, 320) == (320, 240)
    assert renderings == [320, 320]


def test_failure_leaves_no_claim_behind(monkeypatch):
    file = keep(picture())

    def fail(*_: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(LocalStorage, "save", fail)
        with pytest.raises(StorageUnavailableError):
            derivatives.open_derivative(file, 320)
    assert db.session.query(FileDerivative).count() == 0
    assert leftovers() == []
    assert size_of(file, 320) == (320, 240)


def test_original_that_was_lost_is_not_found():
    file = keep(picture())
    current_storage().delete(keys.of_original(file.name))
    with pytest.raises(StoredFileNotFoundError):
        derivatives.open_derivative(file, 320)


@pytest.mark.parametrize("width", [0, 319, 12_000])
def test_other_widths_are_not_made(width, renderings):
    file = keep(picture())
    with pytest.raises(StoredFileNotFoundError):
        derivatives.open_derivative(file, width)
    assert renderings == []
