"""Serving: who may read a file, as what it is sent, in parts, and for how long caches keep it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine

from nxfs.core import clock
from nxfs.files import keys, links
from nxfs.files.formats import AUDIO, LIBRARY
from nxfs.files.models import StoredFile
from nxfs.files.storage.selection import current_storage
from tests.client import DocumentedClient
from tests.files.conftest import keep, picture

pytestmark = pytest.mark.usefixtures("media")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 5, 17, 12, 0, 10, tzinfo=UTC)
WAV_HEAD = "2c000000574156 45666d74 20 10000000 0100 0100 401f0000 803e0000 0200 1000".replace(" ", "")
WAV = b"RIFF" + bytes.fromhex(WAV_HEAD) + b"data\x08\x00\x00\x00" + bytes(8)


@pytest.fixture
def public() -> StoredFile:
    """A picture that everybody may read."""
    return keep(picture(), filename="Hytta på fjellet.jpg", public_from=LONG_AGO)


@pytest.fixture
def private() -> StoredFile:
    """A picture that needs a signature."""
    return keep(picture())


def path_of(file: StoredFile, width: int | None = None) -> str:
    """Return the address that the API gives."""
    return links.path_of(file.name, file.public_from, width=width)


def test_public_file_is_sent_as_what_it_is(client: DocumentedClient, public):
    response = client.get(path_of(public))
    assert (response.status_code, response.mimetype) == (200, "image/jpeg")
    assert len(response.data) == response.content_length == public.size
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response.headers["Cache-Control"] == "public, max-age=3600, immutable"
    assert response.headers["Content-Disposition"] == (
        "inline; filename=\"Hytta p_ fjellet.jpg\"; filename*=UTF-8''Hytta%20p%C3%A5%20fjellet.jpg"
    )


def test_derivative_is_webp_for_a_year(client, public):
    response = client.get(path_of(public, 320))
    assert (response.status_code, response.mimetype) == (200, "image/webp")
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "320.webp" in response.headers["Content-Disposition"]


def test_download_is_saved_instead_of_shown(client, public):
    assert client.get(f"{path_of(public)}?download=true").headers["Content-Disposition"].startswith("attachment; ")


def test_what_is_no_picture_is_saved(client):
    file = keep(WAV, filename='a"b\\c%.wav', media_type="audio/wav", rule=AUDIO, public_from=LONG_AGO)
    response = client.get(path_of(file))
    assert (response.status_code, response.mimetype) == (200, "audio/wav")
    assert response.headers["Content-Disposition"].startswith("attachment; ")
    assert "\r" not in response.headers["Content-Disposition"]


def test_private_file_opens_with_its_signature_only(client, private, public):
    path = path_of(private)
    assert client.get(path).status_code == 200
    assert client.get(path).headers["Cache-Control"].startswith("private, max-age=")
    assert client.get(urlsplit(path).path).status_code == 404
    assert client.get(path.replace("signature=", "signature=A")).status_code == 404
    other = keep(picture(seed=20))
    assert client.get(path.replace(private.name, other.name)).status_code == 404
    assert client.get(path_of(private, 320)).status_code == 200
    later = int(parse_qs(urlsplit(path).query)["expires"][0]) + 3600
    assert client.get(f"{urlsplit(path).path}?expires={later}&signature=" + path.rpartition("=")[2]).status_code == 404


def test_signature_runs_out(client, private):
    with time_machine.travel(NOON, tick=False) as time:
        path = path_of(private)
        for minutes in (0, 30):
            time.move_to(NOON + timedelta(minutes=minutes))
            assert client.get(path).status_code == 200
        time.move_to(NOON + timedelta(minutes=61))
        assert client.get(path).status_code == 404


def test_address_of_a_private_file_stays_the_same_for_a_while(private):
    with time_machine.travel(NOON, tick=False) as time:
        first = path_of(private)
        time.shift(60)
        assert path_of(private) == first
        time.shift(1800)
        assert path_of(private) != first


def test_signature_of_the_former_key_still_opens(app, client, private, monkeypatch):
    path = path_of(private)
    monkeypatch.setitem(app.config, "SECRET_KEY_PREVIOUS", app.config["SECRET_KEY"])
    monkeypatch.setitem(app.config, "SECRET_KEY", "another-key-for-tests-0123456789-abcdefg")
    assert client.get(path).status_code == 200
    assert path_of(private) != path


def test_file_becomes_public_at_its_time(client):
    with time_machine.travel(NOON, tick=False) as time:
        file = keep(picture(), public_from=NOON + timedelta(seconds=30))
        path = f"/media/{file.name}"
        assert client.get(path).status_code == 404
        time.shift(30)
        assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/media/" + "0" * 32 + ".jpg",
        "/media/..%2f..%2fetc%2fpasswd",
        "/media/x",
        "/media/x/320.webp",
        "/media/a%00.jpg",
    ],
)
def test_unknown_file_is_404(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("width", ["0", "321", "99999", "-320", "x"])
def test_other_width_is_404(client, public, width):
    assert client.get(f"/media/{public.name}/{width}.webp").status_code == 404


def test_derivative_of_a_document_is_404(client):
    file = keep(WAV, filename="a.wav", media_type="audio/wav", rule=AUDIO, public_from=LONG_AGO)
    assert client.get(f"/media/{file.name}/320.webp").status_code == 404


def test_etag_answers_304(client, public):
    tag = client.get(path_of(public)).headers["ETag"]
    assert not tag.startswith("W/")
    response = client.get(path_of(public), headers={"If-None-Match": tag})
    assert (response.status_code, response.data) == (304, b"")
    small = client.get(path_of(public, 320)).headers["ETag"]
    assert small not in (tag, client.get(path_of(public, 800)).headers["ETag"])


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [("bytes=0-99", 0, 99), ("bytes=100-", 100, None), ("bytes=-50", -50, None), ("bytes=10-99999999", 10, None)],
)
def test_range_sends_a_part(client, public, header, first, last):
    whole = client.get(path_of(public)).data
    response = client.get(path_of(public), headers={"Range": header})
    expected = whole[first : None if last is None else last + 1]
    assert (response.status_code, response.data) == (206, expected)
    start = first % len(whole)
    assert response.headers["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(whole)}"


def test_range_of_another_version_sends_everything(client, public):
    response = client.get(path_of(public), headers={"Range": "bytes=0-9", "If-Range": '"another"'})
    assert (response.status_code, len(response.data)) == (200, public.size)


@pytest.mark.parametrize("header", ["items=0-1", "bytes=abc", "bytes=5-2", "bytes=0-0,5-6", "bytes"])
def test_range_that_is_not_one_of_bytes_is_ignored(client, public, header):
    response = client.get(path_of(public), headers={"Range": header})
    assert (response.status_code, len(response.data)) == (200, public.size)
    assert response.headers["Accept-Ranges"] == "bytes"


def test_range_behind_the_end_is_416(client, public):
    response = client.get(path_of(public), headers={"Range": f"bytes={public.size}-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{public.size}"


def test_head_has_no_body(client, public):
    response = client.head(path_of(public))
    assert (response.status_code, response.data, response.content_length) == (200, b"", public.size)


def test_lost_file_is_404(client, public):
    current_storage().delete(keys.of_original(public.name))
    assert client.get(path_of(public)).status_code == 404


def test_answer_allows_other_origins_to_read_it(app, client, public):
    origin = app.config["CORS_ORIGINS"][0]
    assert client.get(path_of(public), headers={"Origin": origin}).headers["Access-Control-Allow-Origin"] == origin


def test_statement_counts(client, public):
    client.get(path_of(public, 320))
    assert client.get(path_of(public)).headers["X-DB-Queries"] == "1"
    assert int(client.get(path_of(public, 320)).headers["X-DB-Queries"]) <= 2


def test_document_kept_in_the_library_is_pdf_inline(client):
    pdf = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\nxref\n0 4\n0000000000 65535 f \n"
        b"0000000009 00000 n \n0000000052 00000 n \n0000000101 00000 n \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n"
        b"161\n%%EOF\n"
    )
    file = keep(pdf, filename="tilbud.pdf", media_type="application/pdf", rule=LIBRARY, public_from=clock.now())
    response = client.get(path_of(file))
    assert (response.mimetype, response.data) == ("application/pdf", pdf)
    assert response.headers["Content-Disposition"].startswith("inline; ")
