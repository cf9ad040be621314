"""Both storages behave alike; what each of them promises besides; and which of them the settings choose."""

from __future__ import annotations

import errno
import logging
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import gevent
import pytest
from flask import Flask

from nxfs.files.storage import s3
from nxfs.files.storage.interface import MissingObjectError, Storage, StorageError, StoredObject
from nxfs.files.storage.local import LocalStorage
from nxfs.files.storage.s3 import S3Storage
from nxfs.files.storage.selection import current_storage
from tests.files.storage.failing_store import SIZE, failing_store, silent_store
from tests.object_store import object_store
from tests.services import free_port

KEY = f"originals/ab/{'ab' * 16}.jpg"
DERIVATIVE = f"derivatives/0f/{'0f' * 32}-320.webp"
CONTENT = bytes(range(256)) * 1000

HOSTILE_KEYS = (
    "",
    "originals",
    "originals/",
    "/" + KEY,
    "../" + KEY,
    f"originals/../{KEY}",
    f"originals/ab/../ab/{'ab' * 16}.jpg",
    "originals/ab/../../../etc/passwd",
    f"originals//{'ab' * 16}.jpg",
    f"incoming/ab/{'ab' * 16}.jpg",
    f"originals/ab/{'AB' * 16}.jpg",
    f"originals/ab/{'ab' * 16}",
    f"originals/ab/{'ab' * 16}.",
    f"originals/ab/{'ab' * 16}.jpg/",
    f"originals/ab/{'ab' * 16}.jpg/x",
    f"originals/ab/{'ab' * 16}.jpg\n",
    f"originals/ab/{'ab' * 16}.j\0g",
    f"originals\\ab\\{'ab' * 16}.jpg",
    f"originals/ab/{'ab' * 16}-.webp",
    f"originals/ab/{'ab' * 16}-٣٢٠.webp",
    f"originals/ab/{'ab' * 15}.jpg",
    f"originals/ab/{'ab' * 33}.jpg",
    "originals/ab/" + "%2e%2e/" * 5 + "passwd",
)


def new_local_storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "media" / "store")


def new_s3_storage(tmp_path: Path, **changes: str) -> S3Storage:
    store = object_store()
    settings = {
        "prefix": "nxfs/media",
        "endpoint_url": store.endpoint_url,
        "region": store.region,
        "access_key_id": store.access_key_id,
        "secret_access_key": store.secret_access_key,
    }
    bucket = changes.pop("bucket", None) or store.new_bucket()
    return S3Storage(bucket, **(settings | changes))


NEW_STORAGE: dict[str, Callable[[Path], Storage]] = {"local": new_local_storage, "s3": new_s3_storage}


@pytest.fixture(autouse=True)
def temporary_directory(tmp_path, monkeypatch):
    """Nothing is left beside the directory of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(params=["local", "s3"])
def storage(request, tmp_path) -> Storage:
    """An empty storage of either kind."""
    return NEW_STORAGE[request.param](tmp_path)


@pytest.fixture
def local(tmp_path) -> LocalStorage:
    """An empty storage in ``tmp_path / "media" / "store"``."""
    return new_local_storage(tmp_path)


@pytest.fixture
def without_pauses(monkeypatch):
    """botocore tries again at once."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)


def put(storage: Storage, key: str = KEY, content: bytes = CONTENT) -> None:
    storage.save(key, new_source(storage, content))


def new_source(storage: Storage, content: bytes = CONTENT) -> Path:
    descriptor, name = tempfile.mkstemp(dir=storage.incoming())
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return Path(name)


def read(storage: Storage, key: str = KEY) -> bytes:
    with storage.open(key).stream as stream:
        return stream.read()


def stored_keys(storage: Storage, prefix: str = "") -> set[str]:
    return {each.key for each in storage.list(prefix)}


def in_store(tmp_path: Path, key: str = KEY) -> Path:
    return tmp_path / "media" / "store" / key


# What both do


@pytest.mark.parametrize("key", [KEY, DERIVATIVE])
def test_saved_file_is_read_again(storage, key):
    put(storage, key)
    reading = storage.open(key)
    with reading.stream as stream:
        assert (reading.size, stream.read()) == (len(CONTENT), CONTENT)
    assert storage.exists(key)
    assert stored_keys(storage) == {key}


def test_source_is_gone_after_save(storage):
    source = new_source(storage)
    storage.save(KEY, source)
    assert not source.exists()
    assert list(storage.incoming().iterdir()) == []


def test_empty_file_is_stored(storage):
    put(storage, content=b"")
    reading = storage.open(KEY)
    with reading.stream as stream:
        assert (reading.size, stream.read()) == (0, b"")


def test_parts_are_read_from_any_position(storage):
    put(storage)
    with storage.open(KEY).stream as stream:
        assert stream.readable()
        assert stream.seekable()
        for position, length in [(200_000, 300), (0, 10), (100_000, 70_000), (100_005, 5), (len(CONTENT) - 3, 10)]:
            assert stream.seek(position) == position
            assert stream.tell() == position
            assert stream.read(length) == CONTENT[position : position + length]
        assert stream.read(10) == b""
        stream.seek(-7, os.SEEK_END)
        assert stream.read() == CONTENT[-7:]
        stream.seek(len(CONTENT) + 10)
        assert stream.read(10) == b""


def test_stream_is_closed_half_read(storage):
    put(storage)
    stream = storage.open(KEY).stream
    stream.read(10)
    stream.close()
    assert stream.closed
    assert read(storage) == CONTENT


def test_two_streams_of_one_file_do_not_disturb_each_other(storage):
    put(storage)
    with storage.open(KEY).stream as first, storage.open(KEY).stream as second:
        assert first.read(100_000) == CONTENT[:100_000]
        assert second.read(100) == CONTENT[:100]
        assert first.read(100) == CONTENT[100_000:100_100]


def test_missing_file_is_reported(storage):
    for _ in range(2):
        assert not storage.exists(KEY)
        with pytest.raises(MissingObjectError):
            storage.open(KEY)
        put(storage, DERIVATIVE)


def test_deleted_file_is_missing_and_others_stay(storage):
    put(storage)
    put(storage, DERIVATIVE)
    storage.delete(KEY)
    assert not storage.exists(KEY)
    assert stored_keys(storage) == {DERIVATIVE}


def test_missing_file_is_deleted_without_a_word(storage):
    storage.delete(KEY)
    put(storage)
    storage.delete(KEY)
    storage.delete(KEY)
    assert stored_keys(storage) == set()


def test_file_is_replaced(storage):
    put(storage)
    put(storage)
    assert read(storage) == CONTENT
    assert stored_keys(storage) == {KEY}


@pytest.mark.parametrize("key", HOSTILE_KEYS)
def test_other_keys_are_refused(storage, tmp_path, key):
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    for action in (storage.open, storage.delete, storage.exists, lambda each: storage.save(each, source)):
        with pytest.raises(ValueError, match="no key"):
            action(key)
    assert source.read_bytes() == CONTENT


@pytest.mark.parametrize("prefix", ["..", "../", "originals", "originals/../", "originals/ab", "incoming/", "/", KEY])
def test_other_folders_are_refused(storage, prefix):
    with pytest.raises(ValueError, match="no folder"):
        next(storage.list(prefix))


def test_list_tells_key_size_and_time(storage):
    before = datetime.now(UTC)
    put(storage)
    (found,) = storage.list()
    assert found == StoredObject(KEY, len(CONTENT), found.modified)
    assert found.modified.tzinfo is UTC
    # S3 tells whole seconds.
    assert before - timedelta(seconds=2) <= found.modified <= datetime.now(UTC) + timedelta(seconds=2)


def test_list_of_a_folder(storage):
    other = f"originals/cd/{'cd' * 16}.png"
    for key in (KEY, other, DERIVATIVE):
        put(storage, key)
    assert stored_keys(storage, "originals/") == {KEY, other}
    assert stored_keys(storage, "originals/cd/") == {other}
    assert stored_keys(storage, "originals/00/") == set()
    assert stored_keys(storage, "derivatives/") == {DERIVATIVE}


def test_list_of_more_than_one_page(storage):
    keys = {f"originals/{number % 7:02x}/{number:032x}.jpg" for number in range(1001)}
    assert len(keys) > 2 * s3.PAGE_SIZE
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: put(storage, key, b"x"), keys))
    found = [each.key for each in storage.list()]
    assert (len(found), set(found)) == (1001, keys)


def test_list_survives_deletions_on_the_way(storage):
    keys = [f"originals/{number:02x}/{number:032x}.jpg" for number in range(5)]
    for key in keys:
        put(storage, key, b"x")
    for found in storage.list():
        storage.delete(found.key)
    assert stored_keys(storage) == set()


def test_file_is_saved_by_many_at_once(storage):
    sources = [new_source(storage) for _ in range(8)]
    gevent.joinall([gevent.spawn(storage.save, KEY, source) for source in sources], timeout=30, raise_error=True)
    assert read(storage) == CONTENT
    assert stored_keys(storage) == {KEY}
    assert list(storage.incoming().iterdir()) == []


def test_source_that_does_not_exist_is_an_error(storage):
    with pytest.raises(StorageError) as raised:
        storage.save(KEY, storage.incoming() / "nothing")
    assert isinstance(raised.value.__cause__, FileNotFoundError)
    assert not storage.exists(KEY)


def test_symbolic_link_is_not_stored(storage, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    link = storage.incoming() / "link"
    link.symlink_to(secret)
    with pytest.raises(StorageError):
        storage.save(KEY, link)
    assert not storage.exists(KEY)
    assert secret.read_bytes() == b"secret"


def test_incoming_directory_is_private(storage):
    directory = storage.incoming()
    assert directory.is_dir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert storage.incoming() == directory


def test_incoming_directory_that_cannot_be_made_is_an_error(storage):
    directory = storage.incoming()
    directory.rmdir()
    directory.write_bytes(b"")
    with pytest.raises(StorageError):
        storage.incoming()


def test_stale_files_are_found(storage):
    assert list(storage.stale_incoming(0)) == []
    old, new = new_source(storage), new_source(storage)
    os.utime(old, (time.time() - 100, time.time() - 100))
    assert list(storage.stale_incoming(50)) == [old]
    assert list(storage.stale_incoming(200)) == []
    os.utime(new, (time.time() - 60, time.time() - 60))
    assert set(storage.stale_incoming(50)) == {old, new}
    assert stored_keys(storage) == set()


# The local one


def test_local_files_are_private(local, tmp_path):
    source = new_source(local)
    source.chmod(0o666)
    local.save(KEY, source)
    assert stat.S_IMODE(in_store(tmp_path).stat().st_mode) == 0o600
    for folder in in_store(tmp_path).parents[:3]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_local_save_reaches_the_disk_in_order(local, tmp_path, monkeypatch):
    calls: list[object] = []
    fsync, rename = os.fsync, os.rename

    def record_fsync(descriptor: int) -> None:
        fsync(descriptor)
        calls.append(os.fstat(descriptor).st_ino)

    def record_rename(*args: object, **keywords: object) -> None:
        rename(*args, **keywords)
        calls.append("rename")

    source = new_source(local)
    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "rename", record_rename)
    local.save(KEY, source)
    file = in_store(tmp_path)
    assert calls == [file.stat().st_ino, "rename", *(folder.stat().st_ino for folder in file.parents[:3])]


def test_local_directory_itself_reaches_the_disk(local, tmp_path, monkeypatch):
    synchronised: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synchronised.append(os.fstat(descriptor).st_ino))
    local.incoming()
    assert synchronised == [(tmp_path / "media").stat().st_ino, tmp_path.stat().st_ino]


@pytest.mark.parametrize("name", ["fsync", "rename", "mkdir"])
def test_local_save_that_fails_stores_nothing(local, monkeypatch, name):
    def fail(*args: object, **keywords: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = new_source(local)
    with monkeypatch.context() as broken:
        broken.setattr(os, name, fail)
        with pytest.raises(StorageError) as raised:
            local.save(KEY, source)
    assert isinstance(raised.value.__cause__, OSError)
    assert source.read_bytes() == CONTENT
    assert not local.exists(KEY)
    assert stored_keys(local) == set()
    local.save(KEY, source)
    assert read(local) == CONTENT


def test_local_save_that_is_not_on_the_disk_is_not_acknowledged(local, tmp_path, monkeypatch):
    fsync = os.fsync

    def fail_for_directories(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    source = new_source(local)
    monkeypatch.setattr(os, "fsync", fail_for_directories)
    with pytest.raises(StorageError):
        local.save(KEY, source)
    assert in_store(tmp_path).read_bytes() == CONTENT


def test_local_process_that_dies_before_the_rename_leaves_an_incoming_file(local, tmp_path):
    script = """
import os, sys
from pathlib import Path
from nxfs.files.storage.local import LocalStorage

os.rename = lambda *args, **keywords: os._exit(7)
storage = LocalStorage(Path(sys.argv[1]))
source = storage.incoming() / "upload"
source.write_bytes(b"content")
storage.save(sys.argv[2], source)
"""
    done = subprocess.run([sys.executable, "-c", script, str(in_store(tmp_path, "")), KEY], check=False)
    assert done.returncode == 7
    assert not local.exists(KEY)
    assert stored_keys(local) == set()
    assert [path.name for path in local.stale_incoming(-60)] == ["upload"]


def test_local_symbolic_links_are_not_followed(local, tmp_path):
    put(local)
    file = in_store(tmp_path)
    outside = tmp_path / "outside.jpg"
    file.rename(outside)
    file.symlink_to(outside)
    with pytest.raises(StorageError):
        local.open(KEY)
    assert stored_keys(local) == set()


@pytest.mark.parametrize("depth", [0, 1])
def test_local_folders_that_are_symbolic_links_are_not_followed(local, tmp_path, depth):
    put(local)
    folder = in_store(tmp_path).parents[depth]
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    other = f"originals/ab/{'ac' * 16}.jpg"
    for action in (lambda: local.open(KEY), lambda: local.exists(KEY), lambda: local.delete(KEY)):
        with pytest.raises(StorageError):
            action()
    with pytest.raises(StorageError):
        put(local, other)
    assert [path.name for path in (tmp_path / "outside").rglob("*.jpg")] == [Path(KEY).name]


def test_local_things_that_are_no_files_are_not_opened(local, tmp_path):
    put(local)
    for make in (os.mkfifo, os.mkdir):
        key = f"originals/ab/{'cd' * 16}.{make.__name__}"
        make(in_store(tmp_path, key))
        with pytest.raises(StorageError):
            local.open(key)
    assert stored_keys(local) == {KEY}


def test_local_list_leaves_out_what_is_not_its_own(local, tmp_path):
    put(local)
    for name in ("lost+found/x", "originals/.hidden", "originals/ab/.DS_Store", "originals/zz/x.jpg"):
        path = in_store(tmp_path, name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    new_source(local)
    assert stored_keys(local) == {KEY}


def test_local_descriptors_are_closed(local):
    def descriptors() -> int:
        return len(os.listdir("/dev/fd"))

    put(local)
    before = descriptors()
    for _ in range(3):
        put(local)
        read(local)
        local.exists(DERIVATIVE)
        list(local.list())
        local.delete(DERIVATIVE)
    assert descriptors() == before


# S3


def test_s3_keys_lie_below_the_prefix(tmp_path):
    bucket = object_store().new_bucket()
    put(new_s3_storage(tmp_path, bucket=bucket, prefix="/one/two/"))
    put(new_s3_storage(tmp_path, bucket=bucket, prefix=""), DERIVATIVE)
    found = object_store().client.list_objects_v2(Bucket=bucket)["Contents"]
    assert {each["Key"] for each in found} == {f"one/two/{KEY}", DERIVATIVE}
    assert stored_keys(new_s3_storage(tmp_path, bucket=bucket, prefix="one/two")) == {KEY}
    assert stored_keys(new_s3_storage(tmp_path, bucket=bucket, prefix="")) == {DERIVATIVE}


def test_s3_list_leaves_out_what_is_not_its_own(tmp_path):
    bucket = object_store().new_bucket()
    object_store().client.put_object(Bucket=bucket, Key="originals/notes.txt", Body=b"x")
    assert stored_keys(new_s3_storage(tmp_path, bucket=bucket, prefix="")) == set()


def test_s3_missing_bucket_is_not_taken_for_a_missing_file(tmp_path):
    storage = new_s3_storage(tmp_path, bucket="no-such-bucket")
    for action in (storage.exists, storage.open, storage.delete, lambda key: put(storage, key)):
        with pytest.raises(StorageError, match="NoSuchBucket"):
            action(KEY)
    with pytest.raises(StorageError, match="NoSuchBucket"):
        list(storage.list())


def test_s3_content_is_compared_by_the_server(tmp_path):
    storage = new_s3_storage(tmp_path)
    sent: list[dict[str, str]] = []
    client = storage._connected()
    client.meta.events.register("before-send.s3", lambda request, **_: sent.append(dict(request.headers)))
    put(storage)
    (headers,) = sent
    assert headers["Content-MD5"]
    assert int(headers["Content-Length"]) == len(CONTENT)
    assert not [name for name in headers if name.lower().startswith(("x-amz-checksum", "x-amz-sdk-checksum"))]


def test_s3_file_that_is_deleted_after_it_was_opened_is_missing(tmp_path):
    storage = new_s3_storage(tmp_path)
    put(storage)
    with storage.open(KEY).stream as stream:
        storage.delete(KEY)
        with pytest.raises(MissingObjectError):
            stream.read()


def test_s3_that_nobody_serves_is_an_error_in_time(tmp_path):
    storage = new_s3_storage(tmp_path, bucket="bucket", endpoint_url=f"http://127.0.0.1:{free_port()}")
    started = time.monotonic()
    with pytest.raises(StorageError) as raised:
        storage.exists(KEY)
    assert time.monotonic() - started < 10
    assert raised.value.__cause__ is not None


def test_s3_that_does_not_answer_is_an_error_in_time(tmp_path, monkeypatch, without_pauses):
    monkeypatch.setattr(s3, "READ_SECONDS", 0.2)
    with silent_store() as url:
        storage = new_s3_storage(tmp_path, bucket="bucket", endpoint_url=url)
        started = time.monotonic()
        with pytest.raises(StorageError):
            storage.exists(KEY)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("status", [500, 503, 403])
def test_s3_that_fails_is_an_error_for_every_method(tmp_path, without_pauses, status):
    with failing_store(status) as url:
        storage = new_s3_storage(tmp_path, bucket="bucket", endpoint_url=url)
        source = new_source(storage)
        for action in (storage.open, storage.exists, storage.delete, lambda key: storage.save(key, source)):
            with pytest.raises(StorageError):
                action(KEY)
        with pytest.raises(StorageError):
            next(storage.list())
        assert source.read_bytes() == CONTENT


@pytest.mark.parametrize("sent", [0, 1, SIZE - 1])
def test_s3_that_hangs_up_in_the_middle_is_an_error(tmp_path, sent):
    with failing_store(206, sent) as url:
        storage = new_s3_storage(tmp_path, bucket="bucket", endpoint_url=url)
        with storage.open(KEY).stream as stream, pytest.raises(StorageError):
            stream.read()


def test_s3_that_ignores_the_range_is_an_error(tmp_path):
    with failing_store(200, SIZE) as url:
        storage = new_s3_storage(tmp_path, bucket="bucket", endpoint_url=url)
        with storage.open(KEY).stream as stream:
            stream.seek(10)
            with pytest.raises(StorageError, match="parts"):
                stream.read()


def test_s3_takes_no_keys_from_elsewhere(tmp_path, monkeypatch):
    home = tmp_path / "home" / ".aws"
    home.mkdir(parents=True)
    (home / "config").write_text("[profile other]\nendpoint_url = http://127.0.0.1:1\n[default]\nregion = xx\n")
    monkeypatch.setenv("HOME", str(home.parent))
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "from-the-environment")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    storage = new_s3_storage(tmp_path)
    put(storage)
    credentials = storage._connected()._request_signer._credentials
    assert (credentials.access_key, credentials.token) == (object_store().access_key_id, None)
    amazon = S3Storage("bucket", access_key_id="a", secret_access_key="b", region="eu-north-1")
    assert amazon._connected().meta.endpoint_url == "https://s3.eu-north-1.amazonaws.com"
    for missing in ("access_key_id", "secret_access_key"):
        with pytest.raises(ValueError, match="missing"):
            new_s3_storage(tmp_path, **{missing: ""})


def test_s3_keys_are_not_logged(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    storage = new_s3_storage(tmp_path, access_key_id="AKIDTOLOOKFOR", secret_access_key="secret-to-look-for")
    put(storage)
    assert read(storage) == CONTENT
    assert "AKIDTOLOOKFOR" not in caplog.text + repr(storage)
    assert "secret-to-look-for" not in caplog.text + repr(storage)


def test_s3_makes_one_client(tmp_path):
    storage = new_s3_storage(tmp_path)
    greenlets = [gevent.spawn(storage._connected) for _ in range(4)]
    gevent.joinall(greenlets, timeout=30, raise_error=True)
    assert len({id(greenlet.value) for greenlet in greenlets}) == 1


def test_s3_incoming_directory_of_somebody_else_is_not_used(tmp_path):
    storage = new_s3_storage(tmp_path, bucket="bucket")
    directory = storage.incoming()
    directory.chmod(0o777)
    assert stat.S_IMODE(storage.incoming().stat().st_mode) == 0o700
    directory.rename(tmp_path / "theirs")
    directory.symlink_to(tmp_path / "theirs")
    with pytest.raises(StorageError):
        storage.incoming()


# The choice


def new_app(**settings: str | None) -> Flask:
    app = Flask(__name__)
    defaults = {"S3_ENDPOINT_URL": None, "S3_REGION": "us-east-1"}
    app.config.update(defaults | {"S3_ACCESS_KEY_ID": None, "S3_SECRET_ACCESS_KEY": None} | settings)
    return app


def test_settings_choose_a_directory(tmp_path):
    directory = tmp_path / "100% mine #1"
    with new_app(MEDIA_URL=f"file://{directory}").app_context():
        storage = current_storage()
        assert isinstance(storage, LocalStorage)
        assert current_storage() is storage
        put(storage)
    assert (directory / KEY).read_bytes() == CONTENT


@pytest.mark.parametrize(("suffix", "prefix"), [("", ""), ("/a/b", "a/b/")])
def test_settings_choose_a_bucket(suffix, prefix):
    store = object_store()
    bucket = store.new_bucket()
    app = new_app(
        MEDIA_URL=f"s3://{bucket}{suffix}",
        S3_ENDPOINT_URL=store.endpoint_url,
        S3_REGION=store.region,
        S3_ACCESS_KEY_ID=store.access_key_id,
        S3_SECRET_ACCESS_KEY=store.secret_access_key,
    )
    with app.app_context():
        put(current_storage())
        assert current_storage() is current_storage()
    assert store.client.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"] == prefix + KEY


def test_each_application_has_its_own_storage(tmp_path):
    found = []
    for name in ("one", "two"):
        with new_app(MEDIA_URL=f"file://{tmp_path / name}").app_context():
            found.append(current_storage())
    assert found[0] is not found[1]


def test_settings_without_keys_are_refused():
    with new_app(MEDIA_URL="s3://bucket").app_context():
        with pytest.raises(ValueError, match="missing"):
            current_storage()


def test_unknown_storage_is_refused():
    with new_app(MEDIA_URL="ftp://host/path").app_context():
        with pytest.raises(ValueError, match="ftp"):
            current_storage()
