"""Tests of what surrounds every request: ids, headers, limits, languages, and the envelope of every failure."""

from __future__ import annotations

import gzip
import json
import logging
import re
from io import BytesIO
from typing import Any

import brotli
import pytest
from flask import Flask

from nxfs.core.http import EXPOSED_HEADERS, SECURITY_HEADERS
from tests.client import DocumentedClient
from tests.core.laboratory import LONG_TEXT, create_laboratory
from tests.factories.users import create_user, sign_in

try:
    from compression import zstd
except ImportError:
    from backports import zstd

ORIGIN = "https://app.example.com"
OTHER_ORIGIN = "https://evil.example.com"
JSON = {"Content-Type": "application/json"}
DECOMPRESS = {"zstd": zstd.decompress, "br": brotli.decompress, "gzip": gzip.decompress}


@pytest.fixture(scope="module")
def laboratory() -> Flask:
    """An application with small limits, one allowed origin, and routes that misbehave."""
    limits = {"MAX_JSON_BYTES": "1024", "MAX_UPLOAD_BYTES": "4096"}
    return create_laboratory(CORS_ORIGINS=ORIGIN, **limits)


@pytest.fixture
def lab(laboratory: Flask) -> DocumentedClient:
    """A client of the laboratory."""
    return laboratory.test_client()


def error_of(response: Any) -> tuple[int, str]:
    """Return the status and the code of an error."""
    return response.status_code, response.get_json()["error"]["code"]


# Request ids


@pytest.mark.parametrize("given", ["abcd1234", "A.b_c-1" * 9, "0" * 64])
def test_request_id_of_the_caller_is_kept(lab, given):
    response = lab.get("/api/nowhere/", headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == given
    assert response.get_json()["request_id"] == given


@pytest.mark.parametrize(
    "given",
    ["", "short", "x" * 65, "with space", "semi;colon1", "æøå-æøå-æøå", "good-id-1\r\nX-Evil: 1", "good-id-1\n"],
)
def test_request_id_that_is_malformed_is_replaced(lab, given):
    response = lab.get("/api/nowhere/", environ_overrides={"HTTP_X_REQUEST_ID": given})
    assert re.fullmatch(r"[0-9a-f]{24}", response.headers["X-Request-ID"])
    assert "X-Evil" not in response.headers


def test_request_ids_of_two_requests_differ(lab):
    assert lab.get("/").headers["X-Request-ID"] != lab.get("/").headers["X-Request-ID"]


# Headers


def test_every_answer_says_how_long_it_took_and_how_many_statements(app, client):
    signed_in = client.get("/api/tasks/", headers=sign_in(client, create_user()))
    unknown = client.get("/nowhere")
    assert 1 <= int(signed_in.headers["X-DB-Queries"]) <= 4
    assert unknown.headers["X-DB-Queries"] == "0"
    for response in (signed_in, unknown):
        assert re.fullmatch(r"\d+\.\d{3}s", response.headers["X-Response-Time"])


@pytest.mark.parametrize("url", ["/", "/api/tasks/", "/schema/", "/api/laboratory/crash/", "/api/laboratory/short/"])
def test_every_answer_has_the_security_headers(lab, url):
    headers = lab.get(url).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "Strict-Transport-Security" not in headers
    assert "Server" not in headers


def test_secure_answer_demands_security_for_the_future(lab):
    headers = lab.get("/api/tasks/", base_url="https://localhost").headers
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize("url", ["/api/tasks/", "/api/laboratory/short/", "/api/nowhere/"])
def test_json_answer_varies_and_is_not_stored(lab, url):
    headers = lab.get(url).headers
    assert {"Authorization", "Accept-Language"} <= {each.strip() for each in headers["Vary"].split(",")}
    assert headers["Cache-Control"] == "no-store"


# CORS


@pytest.mark.parametrize("url", ["/api/tasks/", "/api/nowhere/", "/api/laboratory/crash/"])
def test_answer_to_the_allowed_origin_exposes_our_headers(lab, url):
    response = lab.get(url, headers={"Origin": ORIGIN})
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = {each.strip().lower() for each in response.headers["Access-Control-Expose-Headers"].split(",")}
    assert exposed == {name.lower() for name in EXPOSED_HEADERS}
    assert "Origin" in response.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", [OTHER_ORIGIN, f"{ORIGIN}.evil.example", "null", "http://app.example.com"])
def test_answer_to_another_origin_allows_nothing(lab, origin):
    headers = lab.get("/api/tasks/", headers={"Origin": origin}).headers
    assert "Access-Control-Allow-Origin" not in headers


def preflight(lab: DocumentedClient, origin: str, method: str = "PATCH") -> Any:
    """Ask as a browser does before it sends a request to another origin."""
    wanted = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization, if-match"}
    return lab.options("/api/tasks/1/", headers={"Origin": origin, **wanted})


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_preflight_of_the_allowed_origin_is_granted(lab, method):
    response = preflight(lab, ORIGIN, method)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method in response.headers["Access-Control-Allow-Methods"]
    assert "if-match" in response.headers["Access-Control-Allow-Headers"].lower()
    assert response.headers["Access-Control-Max-Age"] == "600"


def test_preflight_of_another_origin_is_not_granted(lab):
    assert "Access-Control-Allow-Origin" not in preflight(lab, OTHER_ORIGIN).headers


# Compression


@pytest.mark.parametrize("encoding", DECOMPRESS)
def test_long_answer_is_compressed_as_the_client_asks(lab, encoding):
    response = lab.get("/api/laboratory/long/", headers={"Accept-Encoding": encoding})
    assert response.headers["Content-Encoding"] == encoding
    assert "Accept-Encoding" in response.headers["Vary"]
    assert json.loads(DECOMPRESS[encoding](response.data)) == {"text": LONG_TEXT}


def test_long_answer_to_a_browser_is_compressed_by_zstd(lab):
    response = lab.get("/api/laboratory/long/", headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert response.headers["Content-Encoding"] == "zstd"


@pytest.mark.parametrize("encoding", ["", "identity", "unknown"])
def test_long_answer_to_a_client_without_compression_is_plain(lab, encoding):
    response = lab.get("/api/laboratory/long/", headers={"Accept-Encoding": encoding})
    assert "Content-Encoding" not in response.headers
    assert response.get_json() == {"text": LONG_TEXT}


@pytest.mark.parametrize("url", ["/api/laboratory/short/", "/api/laboratory/stream/"])
def test_short_answers_and_event_streams_are_never_compressed(lab, url):
    with lab.get(url, headers={"Accept-Encoding": "gzip, br, zstd"}) as response:
        assert "Content-Encoding" not in response.headers


def test_compressed_document_that_the_client_has_already_is_304(lab):
    asks = {"Accept-Encoding": "gzip"}
    tag = lab.get("/schema/", headers=asks).headers["ETag"]
    assert lab.get("/schema/", headers={**asks, "If-None-Match": tag}).status_code == 304


# Failures


def test_unknown_url_is_404_in_the_envelope(lab):
    for url in (
        "/",
        "/nowhere",
        "/api/",
        "/api/nowhere/",
        "/api//tasks/",
        "/api/tasks/0/",
        "/api/tasks/9223372036854775808/",
    ):
        assert error_of(lab.get(url)) == (404, "RESOURCE_NOT_FOUND"), url


def test_wrong_method_is_405_and_names_the_right_ones(lab):
    response = lab.patch("/api/tasks/")
    assert error_of(response) == (405, "METHOD_NOT_ALLOWED")
    assert set(response.allow) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize("accept", ["text/html", "application/xml, text/*;q=0.5"])
def test_client_that_takes_no_json_is_406(lab, accept):
    assert error_of(lab.get("/api/tasks/", headers={"Accept": accept})) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/html, */*;q=0.1", "application/*"])
def test_client_that_takes_json_is_answered(lab, accept):
    assert lab.get("/api/laboratory/short/", headers={"Accept": accept}).status_code == 200


def too_large() -> dict[str, Any]:
    """Return a request whose JSON is larger than the laboratory's limit."""
    return {"data": json.dumps({"token": "x" * 2000}), "headers": JSON}


def test_body_over_the_limit_is_413(lab):
    assert error_of(lab.post("/api/auth/token/verify/", **too_large())) == (413, "PAYLOAD_TOO_LARGE")


def post_in_chunks(client: DocumentedClient, url: str, body: bytes, headers: dict[str, str]) -> Any:
    """Send a body whose length is not told, as with ``Transfer-Encoding: chunked``."""
    environ = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    return client.post(url, headers=headers, environ_overrides=environ)


@pytest.mark.parametrize("size", [1100, 70_000, 200_000])
def test_body_over_the_limit_without_a_length_is_413(lab, size):
    padded = b'{"token": "x"}'.ljust(size)
    assert error_of(post_in_chunks(lab, "/api/auth/token/verify/", padded, JSON)) == (413, "PAYLOAD_TOO_LARGE")


def test_body_within_the_limit_without_a_length_is_read(lab):
    assert post_in_chunks(lab, "/api/auth/token/verify/", b'{"token": "x"}', JSON).get_json() == {"valid": False}


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/xml", "application/json; charset=iso-8859-1", "application/jsonx"]
)
def test_body_of_another_type_is_415(lab, content_type):
    response = lab.post("/api/auth/token/verify/", data=b'{"token": "x"}', content_type=content_type)
    assert error_of(response) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("method", ["get", "post"])
def test_crash_is_500_without_details_and_logged_once(lab, caplog, method):
    with caplog.at_level(logging.ERROR):
        response = getattr(lab, method)("/api/laboratory/crash/")
    assert error_of(response) == (500, "INTERNAL_SERVER_ERROR")
    assert set(response.get_json()["error"]) == {"code", "message"}
    assert "secret" not in response.get_data(as_text=True)
    [record] = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.name == "nxfs.error"


@pytest.mark.parametrize("view", ["lose_database", "run_out_of_connections"])
def test_database_that_is_gone_is_503_and_worth_a_retry(lab, caplog, view):
    with caplog.at_level(logging.ERROR):
        response = lab.get(f"/api/laboratory/{view}/")
    assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
    assert int(response.headers["Retry-After"]) > 0
    assert "secret" not in response.get_data(as_text=True)
    assert len([each for each in caplog.records if each.levelno >= logging.ERROR]) == 1


# Languages


@pytest.mark.parametrize(
    ("accepted", "message"),
    [
        ("", "We could not find"),
        ("en-GB,en;q=0.9", "We could not find"),
        ("de", "We could not find"),
        ("en;q=0.5, nb;q=0.9", "Vi fant ikke"),
        ("no", "Vi fant ikke"),
        ("nb-NO,nb;q=0.9,no;q=0.8,en;q=0.5", "Vi fant ikke"),
        ("nn", "Vi fant ikke"),
        ("\x00;q=abc,,;", "We could not find"),
    ],
)
def test_message_is_in_the_language_that_the_client_accepts(lab, accepted, message):
    response = lab.get("/nowhere", headers={"Accept-Language": accepted})
    assert response.get_json()["error"]["message"].startswith(message)


def test_message_to_a_user_is_in_their_language_whatever_the_client_accepts(app, client):
    headers = sign_in(client, create_user(language="no"))
    response = client.get("/api/tasks/999/", headers={**headers, "Accept-Language": "en"})
    assert response.get_json()["error"]["message"] == "Denne oppgaven finnes ikke."


# Paths


def test_path_without_its_trailing_slash_gives_the_same_answer(app, client):
    headers = sign_in(client, create_user())
    for rule in app.url_map.iter_rules():
        url = re.sub(r"<[^>]+>", "1", rule.rule)
        for method in sorted(rule.methods & {"GET", "PATCH"} if url.endswith("/") else ()):
            slash = client.open(url, method=method, headers=headers)
            bare = client.open(url.rstrip("/"), method=method, headers=headers)
            assert bare.status_code == slash.status_code not in (301, 302, 307, 308), url
            assert bare.headers.get("ETag") == slash.headers.get("ETag"), url


def test_write_without_the_trailing_slash_is_done_not_redirected(app, client):
    headers = sign_in(client, create_user())
    assert client.post("/api/tasks", json={"title": "Cable"}, headers=headers).status_code == 201


# Proxies

FORWARDED = {
    "X-Forwarded-For": "6.6.6.6, 203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "api.example.com",
}


def test_forwarded_headers_without_a_proxy_are_ignored(lab):
    told = lab.get("/api/laboratory/who/", headers=FORWARDED).get_json()
    assert told == {"address": "127.0.0.1", "url": "http://localhost/api/laboratory/who/", "is_secure": False}


def test_forwarded_headers_behind_one_proxy_are_those_that_it_wrote():
    lab = create_laboratory(PROXY_HOPS="1").test_client()
    response = lab.get("/api/laboratory/who/", headers=FORWARDED)
    url = "https://api.example.com/api/laboratory/who/"
    assert response.get_json() == {"address": "203.0.113.9", "url": url, "is_secure": True}
    assert "Strict-Transport-Security" in response.headers
    spoofed = {"X-Forwarded-Proto": "https, http", "X-Forwarded-For": "6.6.6.6, 7.7.7.7, 203.0.113.9"}
    told = lab.get("/api/laboratory/who/", headers=spoofed).get_json()
    assert (told["address"], told["is_secure"]) == ("203.0.113.9", False)


@pytest.mark.parametrize("address", ["not-an-address", "<script>", "1.2.3.4\r\nX-Evil: 1", "' OR 1=1", ""])
def test_forwarded_address_that_is_none_is_dropped(address):
    lab = create_laboratory(PROXY_HOPS="1").test_client()
    response = lab.get("/api/laboratory/who/", environ_overrides={"HTTP_X_FORWARDED_FOR": address})
    assert response.get_json()["address"] in (None, "127.0.0.1")
    assert "X-Evil" not in response.headers
