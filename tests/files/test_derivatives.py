"""Derivatives: made once for each content and width, however many ask at once, and made again when they are lost."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from threading import Barrier, Thread

import gevent
import pytest
from flask import Flask
from gevent.event import Event
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


def test_claim_of_another_process_is_waited_for(app: Flask, renderings, monkeypatch):
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

    claim, asked = derivatives._claim, []
    monkeypatch.setattr(derivatives, "_claim", lambda *args: asked.append(args) or claim(*args))
    waiting = gevent.spawn(ask)
    while len(asked) < 2:
        gevent.sleep(0.01)
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


def remove(*files: StoredFile) -> None:
    """Delete files."""
    with transaction() as tx:
        removal.remove_files(tx, [file.id for file in files])


def test_content_that_comes_again_before_its_derivative_is_deleted_can_be_deleted_too(monkeypatch):
    def fail(*_: object) -> None:
        raise StorageError("the bucket is away")

    with monkeypatch.context() as broken:
        broken.setattr(LocalStorage, "delete", fail)
        for _ in range(2):
            file = keep(picture())
            size_of(file, 320)
            remove(file)
    assert removal.delete_what_is_left() == 3
    assert stored_keys() == set()


def test_file_that_is_deleted_while_its_derivative_is_made_leaves_nothing(monkeypatch):
    file = keep(picture())
    render = inspectors.render

    def delete_first(*args: object, width: int) -> object:
        remove(file)
        return render(*args, width=width)

    monkeypatch.setattr(inspectors, "render", delete_first)
    with pytest.raises(StoredFileNotFoundError):
        derivatives.open_derivative(file, 320)
    assert (stored_keys(), db.session.query(FileDerivative).count()) == (set(), 0)


def test_two_files_with_one_content_that_go_at_once_take_their_derivative_along(app: Flask):
    files = [keep(picture()), keep(picture())]
    size_of(files[0], 320)
    # SQLite has one writer, which greenlets of one thread wait for.
    is_sqlite = db.engine.dialect.name == "sqlite"
    both_begun = Barrier(1 if is_sqlite else 2)

    def work(file_id: int) -> None:
        with app.app_context():
            with transaction() as tx:
                both_begun.wait(10)
                removal.remove_files(tx, [file_id])
            db.session.remove()

    if is_sqlite:
        gevent.joinall([gevent.spawn(work, file.id) for file in files], raise_error=True, timeout=30)
    else:
        threads = [Thread(target=work, args=(file.id,)) for file in files]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    removal.delete_what_is_left()
    assert db.session.query(FileDerivative).count() == 0
    assert stored_keys() == set()


def test_failure_is_told_to_all_who_wait_for_it(app: Flask, renderings, monkeypatch):
    file = keep(picture())
    file_id, calls = file.id, []
    is_waited_for = Event()

    def fail(*_: object, width: int) -> None:
        calls.append(width)
        is_waited_for.wait(10)

    monkeypatch.setattr(inspectors, "render", fail)

    def ask() -> str:
        with app.app_context():
            try:
                derivatives.open_derivative(db.session.get_one(StoredFile, file_id), 320)
            except StoredFileNotFoundError as error:
                return type(error).__name__
            return "made"

    greenlets = [gevent.spawn(ask) for _ in range(10)]
    gevent.sleep(0)
    while len(calls) < 1:
        gevent.sleep(0.01)
    is_waited_for.set()
    gevent.joinall(greenlets, raise_error=True, timeout=30)
    assert {greenlet.value for greenlet in greenlets} == {"StoredFileNotFoundError"}
    assert calls == [320]


def test_nobody_holds_a_connection_while_a_derivative_is_made(monkeypatch):
    file = keep(picture())
    render, held = inspectors.render, []

    def look(*args: object, width: int) -> object:
        held.append(db.engine.pool.checkedout())
        return render(*args, width=width)

    monkeypatch.setattr(inspectors, "render", look)
    size_of(file, 320)
    assert held == [0]
