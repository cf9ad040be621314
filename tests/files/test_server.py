"""Uploads to the real server: hostile HTTP, clients and servers that go away, a bucket, and two servers at once."""

from __future__ import annotations

import hashlib
import json
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
import requests
from PIL import Image

from nxfs.extensions import db
from nxfs.files.formats import LIBRARY, MEGABYTE
from nxfs.files.service.uploads import LONGEST_FILENAME
from tests import services
from tests.factories.files import image_bytes
from tests.factories.users import create_user, open_session
from tests.files import site as sites
from tests.files.gate import Gate
from tests.files.site import BOUNDARY, END, MEDIA, UPLOAD, Answer, Site, chunked, form, part_head
from tests.object_store import ObjectStore, object_store
from tests.server import ServerProcess
from tests.waiting import wait_until

MOST_UPLOAD_BYTES = 12 * MEGABYTE
KILLS = 3
SLOW_UPLOADS = 6
LONGEST_ANSWER_SECONDS = 2
ME = "/api/auth/me/"


# How a request is read is the same beside every database.
once = pytest.mark.skipif(services.chosen_engine() != "sqlite", reason="Once, beside SQLite, is enough.")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that takes bodies of twelve megabytes."""
    with sites.begin(tmp_path_factory.mktemp("site"), MAX_UPLOAD_BYTES=str(MOST_UPLOAD_BYTES)) as begun:
        yield begun


@pytest.fixture
def unchanged(site: Site) -> Iterator[None]:
    """Fails when the test leaves a row, bytes or a file that waits, or when the server does not go on."""
    before = site.names()
    yield
    wait_until(lambda: not site.incoming())
    assert site.names() == site.stored() == before
    assert site.call("GET", ME).status_code == 200


@cache
def slow_image() -> bytes:
    """Return a small file that takes an inspector more than a second."""
    return _png((7000, 7000))


def padded_jpeg(size: int) -> bytes:
    """Return a picture of exactly ``size`` bytes: comments fill it up."""
    picture = image_bytes(seed=1)
    missing = size - len(picture)
    comments = b""
    while missing:
        # A comment takes 4 to 65,537 bytes, and no less than 4 may be left for the next one.
        length = missing if missing <= 65_537 else min(65_537, missing - 4)
        comments += b"\xff\xfe" + (length - 2).to_bytes(2, "big") + bytes(length - 4)
        missing -= length
    return picture[:2] + comments + picture[2:]


def error_of(answer: Answer) -> dict[str, Any]:
    """Return the error in the envelope, which has to be whole."""
    body = json.loads(answer.content)
    assert body.keys() == {"error", "timestamp", "request_id"}
    return body["error"]


def _png(size: tuple[int, int]) -> bytes:
    file = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(file, "PNG", compress_level=1)
    return file.getvalue()


@once
@pytest.mark.usefixtures("unchanged")
def test_chunked_body_beyond_the_limit_is_413(site: Site) -> None:
    pieces = [part_head(), *[bytes(MEGABYTE)] * (MOST_UPLOAD_BYTES // MEGABYTE + 2), b"\r\n" + END]
    answer = site.send(site.head("Transfer-Encoding: chunked"), *chunked(pieces))
    assert (answer.status, error_of(answer)["code"]) == (413, "PAYLOAD_TOO_LARGE")


@once
@pytest.mark.usefixtures("unchanged")
def test_body_with_a_length_beyond_the_limit_is_413(site: Site) -> None:
    answer = site.send(site.head(f"Content-Length: {MOST_UPLOAD_BYTES + 1}"), part_head())
    assert (answer.status, error_of(answer)["code"]) == (413, "PAYLOAD_TOO_LARGE")


@once
def test_chunked_upload_is_kept(site: Site) -> None:
    body = form(("file", "cabin.jpg", image_bytes()))
    pieces = [body[start : start + 100] for start in range(0, len(body), 100)]
    answer = site.send(site.head("Transfer-Encoding: chunked"), *chunked(pieces))
    assert answer.status == 201, answer.content
    assert json.loads(answer.content)["filename"] in site.names() & site.stored()


@once
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_client_that_goes_away_in_the_middle_leaves_nothing(site: Site, share: float, is_chunked: bool) -> None:
    body = form(("file", "cabin.jpg", padded_jpeg(2 * MEGABYTE)))
    sent = body[: int(len(body) * share)]
    if is_chunked:
        chunks = list(chunked([body]))
        site.send(site.head("Transfer-Encoding: chunked"), chunks[0][: len(sent)], hang_up=True)
    else:
        site.send(site.head(f"Content-Length: {len(body)}"), sent, hang_up=True)


@pytest.mark.usefixtures("unchanged")
def test_client_that_goes_away_while_its_file_is_inspected_leaves_all_or_nothing(site: Site) -> None:
    before = site.names()
    body = form(("file", "cabin.png", slow_image()))
    site.send(site.head(f"Content-Length: {len(body)}"), body, hang_up=True)
    # It was sent completely: the server keeps it, though nobody reads the answer.
    wait_until(lambda: site.names() != before)
    (kept,) = site.names() - before
    media_id = next(each["id"] for each in site.listed() if each["filename"] == kept)
    assert site.call("DELETE", f"{MEDIA}{media_id}/").status_code == 204


@once
@pytest.mark.usefixtures("unchanged")
def test_body_that_is_longer_than_its_length_is_cut_and_refused(site: Site) -> None:
    body = form(("file", "cabin.jpg", image_bytes()))
    answer = site.send(site.head(f"Content-Length: {len(body) // 2}"), body)
    assert answer.status == 400
    assert error_of(answer)["code"] in ("MALFORMED_REQUEST", "VALIDATION_ERROR")


@once
@pytest.mark.usefixtures("unchanged")
def test_file_of_one_byte_too_many_is_413_with_the_field(site: Site) -> None:
    answer = site.upload(padded_jpeg(LIBRARY.most_bytes + 1))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert list(error["field_errors"]) == ["file"]


def test_file_of_exactly_the_most_bytes_is_kept(site: Site) -> None:
    content = padded_jpeg(LIBRARY.most_bytes)
    assert len(content) == LIBRARY.most_bytes
    answer = site.upload(content)
    assert answer.status_code == 201, answer.text
    assert answer.json()["filename"] in site.names() & site.stored()


@once
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("filename", [None, "a.jpg"], ids=["texts", "files"])
def test_ten_thousand_parts_are_413(site: Site, filename: str | None) -> None:
    disposition = 'Content-Disposition: form-data; name="file"' + (f'; filename="{filename}"' if filename else "")
    body = f"--{BOUNDARY}\r\n{disposition}\r\n\r\nx\r\n".encode() * 10_000 + END
    answer = site.send(site.head(f"Content-Length: {len(body)}"), body)
    assert (answer.status, error_of(answer)["code"]) == (413, "PAYLOAD_TOO_LARGE")


@once
@pytest.mark.usefixtures("unchanged")
def test_part_with_a_head_of_100_kb_is_refused(site: Site) -> None:
    part = part_head().replace(b"\r\n\r\n", b"\r\nX-Padding: " + b"a" * 100_000 + b"\r\n\r\n")
    body = part + image_bytes() + b"\r\n" + END
    answer = site.send(site.head(f"Content-Length: {len(body)}"), body)
    assert answer.status in (201, 400, 413)
    if answer.status == 201:
        site.call("DELETE", f"{MEDIA}{json.loads(answer.content)['id']}/")
    else:
        assert error_of(answer)["code"] in ("MALFORMED_REQUEST", "PAYLOAD_TOO_LARGE")


@once
@pytest.mark.usefixtures("unchanged")
def test_file_under_an_unknown_name_is_refused_by_name(site: Site) -> None:
    body = form(("file", "a.jpg", image_bytes()), ("payload", "b.jpg", image_bytes()))
    answer = site.send(site.head(f"Content-Length: {len(body)}"), body)
    assert answer.status == 400
    assert "payload" in error_of(answer)["field_errors"]


@once
@pytest.mark.parametrize(
    ("filename", "shown"),
    [
        pytest.param("../../etc/cabin.jpg", "cabin.jpg", id="dots"),
        pytest.param("C:\\\\temp\\\\cabin.jpg", "cabin.jpg", id="backslashes"),
        pytest.param("/etc/passwd/..jpg", None, id="nothing but dots"),
        pytest.param("ca\u202egpj.jpg", "cagpj.jpg", id="right to left"),
        pytest.param("hytta \U0001f3e1 på fjellet.jpg", "hytta \U0001f3e1 på fjellet.jpg", id="emoji"),
        pytest.param("a" * 5000 + ".jpg", "a" * (LONGEST_FILENAME - 4) + ".jpg", id="5,000 letters"),
        pytest.param("ca\0bin.jpg", None, id="NUL"),
        pytest.param("cabin.jpg\r\nX-Injected: yes", None, id="line end"),
        pytest.param("cabin%0d%0aX-Injected: yes.jpg", None, id="quoted line end"),
        pytest.param('cabin\\".jpg', None, id="quotation mark"),
    ],
)
def test_filename_of_a_client_becomes_harmless_text(site: Site, filename: str, shown: str | None) -> None:
    before = site.names()
    body = part_head(filename=filename) + image_bytes() + b"\r\n" + END
    answer = site.send(site.head(f"Content-Length: {len(body)}"), body)
    if answer.status != 201:
        assert answer.status in (400, 415)
        assert error_of(answer)
        assert shown is None
        assert site.names() == site.stored() == before
        return
    media = json.loads(answer.content)
    name = media["original_filename"]
    assert shown in (None, name)
    assert name.isprintable()
    assert len(name) <= LONGEST_FILENAME
    assert not {"/", "\\", "\r", "\n", "\0", "\u202e"} & set(name)
    sent = site.call("GET", media["url"])
    assert sent.status_code == 200
    assert "X-Injected" not in sent.headers
    assert sent.headers["Content-Disposition"].isascii()


@once
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "content_type",
    [
        f"multipart/form-data; boundary={BOUNDARY}x",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'b' * 5000}",
    ],
    ids=["another", "none", "empty", "long"],
)
def test_wrong_boundary_is_refused(site: Site, content_type: str) -> None:
    body = form(("file", "cabin.jpg", image_bytes()))
    head = site.head(f"Content-Length: {len(body)}").replace(sites.FORM.encode(), content_type.encode())
    answer = site.send(head, body)
    assert answer.status == 400
    assert error_of(answer)["code"] in ("MALFORMED_REQUEST", "VALIDATION_ERROR")


@once
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: {length}", "Content-Length: 5"),
        ("Content-Length: {length}", "Transfer-Encoding: chunked"),
        ("Content-Length: -1",),
        ("Content-Length: 0x10",),
    ],
    ids=["two lengths", "length and chunks", "negative", "hexadecimal"],
)
def test_contradicting_lengths_are_refused(site: Site, lines: tuple[str, ...]) -> None:
    body = form(("file", "cabin.jpg", image_bytes()))
    answer = site.send(site.head(*[line.format(length=len(body)) for line in lines]), body)
    assert (answer.status, error_of(answer)["code"]) == (400, "MALFORMED_REQUEST")


@once
def test_others_are_answered_while_files_are_inspected(site: Site) -> None:
    content = slow_image()
    codes, seconds = [], []
    # Three one after the other, however many processors there are: that takes seconds.
    with ThreadPoolExecutor(2) as pool:
        started = time.monotonic()
        uploads = [pool.submit(_upload_alone, site, content, "cabin.png") for _ in range(SLOW_UPLOADS)]
        while not all(each.done() for each in uploads):
            asked = time.monotonic()
            codes.append(site.call("GET", ME).status_code)
            seconds.append(time.monotonic() - asked)
            # Inspectors leave the processor to everything else, also to this.
            time.sleep(0.02)
        elapsed = time.monotonic() - started
    assert [each.result() for each in uploads] == [201] * SLOW_UPLOADS
    assert set(codes) == {200}
    # A server that inspects by itself answers nobody else before it is done with a file: once or twice for each.
    assert len(codes) >= 5 * SLOW_UPLOADS
    assert max(seconds) < LONGEST_ANSWER_SECONDS < elapsed


@pytest.mark.usefixtures("unchanged")
def test_others_are_answered_while_uploads_do_not_go_on(site: Site) -> None:
    # More than there are connections to the database, and each of somebody else: nobody's session is remembered.
    number = site.app.config["DATABASE_POOL_SIZE"] + 4
    with site.app.app_context():
        tokens = [open_session(create_user()).access for _ in range(number)]
        db.session.remove()
    own = str(site.browser.headers["Authorization"])
    head = site.head("Content-Length: 100000")
    with ExitStack() as stack:
        for token in tokens:
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", site.server.port), 10))
            connection.sendall(head.replace(own.encode(), f"Bearer {token}".encode()) + part_head().splitlines(True)[0])
            time.sleep(0.05)
        for path in (ME, "/api/blog/posts/public/"):
            answer = requests.get(site.server.url + path, headers={"Authorization": own}, timeout=5)
            assert answer.status_code == 200, answer.text


def test_two_servers_share_files_and_make_a_derivative_once(site: Site, tmp_path: Path) -> None:
    environment = {name: value for name, value in site.server.environment.items() if name != "PORT"}
    with ServerProcess(environment["DATABASE_URL"], tmp_path, environment=environment) as other:
        media = site.upload(_png((2000, 1500)), "cabin.png").json()
        elsewhere = media["url"].replace(site.server.url, other.url)
        assert site.call("GET", elsewhere).content == site.call("GET", media["url"]).content
        url = media["thumbnail_url"].replace("/320.webp", "/800.webp")
        urls = [url, url.replace(site.server.url, other.url)] * 10
        with ThreadPoolExecutor(len(urls)) as pool:
            answers = list(pool.map(lambda each: requests.get(each, timeout=60), urls))
        assert {each.status_code for each in answers} == {200}
        assert len({each.content for each in answers}) == 1
        digest = answers[0].headers["ETag"].strip('"').removesuffix("-800")
        made = [line for line in (site.server.log() + other.log()).splitlines() if "derivative made" in line]
        assert len([line for line in made if media["filename"] in line]) == 1
        assert site.call("DELETE", f"{MEDIA}{media['id']}/").status_code == 204
        assert site.call("GET", elsewhere).status_code == 404
        assert not any(digest in name for name in site.derived())


def test_stop_lets_an_upload_finish(site: Site) -> None:
    body = form(("file", "cabin.png", slow_image()))
    codes: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(site.send, site.head(f"Content-Length: {len(body)}"), body)
        wait_until(site.incoming)
        codes.append(site.server.stop())
        assert answer.result().status == 201
    assert codes == [0]
    assert site.inspector_pids() == []
    site.server.start()
    assert json.loads(answer.result().content)["filename"] in site.names() & site.stored()


@once
def test_kill_in_the_middle_of_uploads_leaves_whole_files_or_nothing(tmp_path: Path) -> None:
    random = Random(7)
    with sites.begin(tmp_path) as site:
        for number in range(KILLS):
            _kill_during(site, number, random)
            site.server.start()
            _assert_library_is_whole(site)
        assert site.media("gc", "--grace", "0") == 0
        assert site.media("verify", "--grace", "0") == 0
        assert site.incoming() == set()
        assert site.stored() == {each["filename"] for each in site.listed()} != set()


def _kill_during(site: Site, number: int, random: Random) -> None:
    """Kill the server while it receives, while an inspector works, or while small files come and go."""
    slow = form(("file", "cabin.png", slow_image()))
    length = f"Content-Length: {len(slow)}"
    with ThreadPoolExecutor(2) as pool:
        if number % 3 == 0:
            pool.submit(_send_slowly, site, site.head(length), slow)
            time.sleep(random.uniform(0.05, 0.3))
        elif number % 3 == 1:
            pool.submit(site.send, site.head(length), slow)
            wait_until(site.inspector_pids)
            time.sleep(random.uniform(0, 1))
        else:
            stopped = threading.Event()
            for _ in range(2):
                pool.submit(_upload_until, site, stopped)
            before = site.stored()
            wait_until(lambda: len(site.stored() - before) >= 5)
            time.sleep(random.uniform(0, 0.05))
        inspectors = site.kill()
        if number % 3 == 2:
            stopped.set()
    assert inspectors or number % 3 == 0
    # They end as soon as they have read the end of their input.
    wait_until(lambda: not site.inspector_pids())


def _assert_library_is_whole(site: Site) -> None:
    digests = site.digests()
    for media in site.listed():
        sent = site.call("GET", media["url"])
        assert (sent.status_code, len(sent.content)) == (200, media["file_size"])
        assert hashlib.sha256(sent.content).hexdigest() == digests[media["filename"]]


def _send_slowly(site: Site, *pieces: bytes) -> None:
    with suppress(OSError):
        site.send(pieces[0], *(_slowly(pieces[1])))


def _slowly(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]
        time.sleep(0.02)


def _upload_until(site: Site, stopped: threading.Event) -> None:
    while not stopped.is_set():
        with suppress(requests.ConnectionError):
            _upload_alone(site, image_bytes(), "cabin.jpg")


def _upload_alone(site: Site, content: bytes, filename: str) -> int:
    """Upload over a connection of its own: a session is not for several threads."""
    headers = {"Authorization": str(site.browser.headers["Authorization"])}
    files = {"file": (filename, content, "application/octet-stream")}
    return requests.post(site.server.url + UPLOAD, headers=headers, files=files, timeout=60).status_code


@once
def test_bucket_takes_shows_and_loses_files_and_may_be_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where files wait before they go to the bucket: other tests would share it otherwise.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = object_store()
    bucket = store.new_bucket()
    with (
        Gate(store.endpoint_url) as gate,
        sites.begin(tmp_path, **_bucket_settings(store, bucket, gate, tmp_path)) as site,
    ):
        media = [site.upload(image_bytes()).json() for _ in range(2)]
        assert [each["id"] for each in site.listed()] == [media[1]["id"], media[0]["id"]]
        assert len(site.call("GET", media[0]["url"]).content) == media[0]["file_size"]
        assert site.call("GET", media[0]["thumbnail_url"]).headers["Content-Type"] == "image/webp"
        assert site.call("DELETE", f"{MEDIA}{media[0]['id']}/").status_code == 204
        assert _keys(store, bucket) == {f"originals/{media[1]['filename'][:2]}/{media[1]['filename']}"}

        gate.shut()
        refused = site.upload(image_bytes())
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert site.call("GET", media[1]["url"]).status_code == 503
        assert [each["id"] for each in site.listed()] == [media[1]["id"]]
        assert site.call("DELETE", f"{MEDIA}{media[1]['id']}/").status_code == 204
        assert site.listed() == []
        assert site.names() == set()
        assert site.media("verify", "--grace", "0") == 2

        gate.open()
        assert len(_keys(store, bucket)) == 1
        assert site.media("gc", "--grace", "0") == 0
        assert _keys(store, bucket) == set()
        assert site.media("verify", "--grace", "0") == 0


def _bucket_settings(store: ObjectStore, bucket: str, gate: Gate, directory: Path) -> dict[str, str]:
    return {
        "MEDIA_URL": f"s3://{bucket}",
        "S3_ENDPOINT_URL": gate.url,
        "S3_REGION": store.region,
        "S3_ACCESS_KEY_ID": store.access_key_id,
        "S3_SECRET_ACCESS_KEY": store.secret_access_key,
        "TMPDIR": str(directory),
    }


def _keys(store: ObjectStore, bucket: str) -> set[str]:
    return {each["Key"] for each in store.client.list_objects_v2(Bucket=bucket).get("Contents", ())}
