"""Tests of reading requests: bodies and query strings of every form, and what is refused before any schema looks."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import marshmallow as ma
import pytest
from flask import Flask, Response, request
from marshmallow import validate
from werkzeug.test import TestResponse

from nxfs.core.api import fields
from nxfs.core.api.parser import Parser, flatten
from nxfs.core.api.schema import Schema
from nxfs.core.filters import AnyOf
from nxfs.core.uploads import Upload
from tests.client import DocumentedClient
from tests.core.laboratory import create_laboratory

PARSER = Parser()


class InnerSchema(Schema):
    """An object in an object."""

    name = fields.Line(minimum=1, maximum=5)


class ThingSchema(Schema):
    """One field of every kind."""

    text = fields.Line(maximum=20)
    note = fields.LongText(maximum=20)
    color = fields.Line(maximum=7, pattern="#[0-9a-f]{6}", allow_none=True)
    number = fields.Integer(validate=validate.Range(max=10**6))
    identifier = fields.Identifier(allow_none=True)
    real = fields.Number(allow_none=True)
    truth = fields.Boolean()
    day = fields.Date(allow_none=True)
    items = fields.UniqueList(fields.Identifier(), maximum=3)
    word = fields.Choice(("a", "b"))
    email = fields.Email()
    inner = ma.fields.List(ma.fields.Nested(InnerSchema))


class UploadSchema(Schema):
    """A form with files."""

    picture = fields.File(required=True)
    others = fields.Files(maximum=2)
    title = fields.Line(maximum=20)


class QuerySchema(Schema):
    """Parameters."""

    status = AnyOf(("todo", "done"))
    page_size = fields.Integer()
    truth = fields.Boolean()


class NothingSchema(Schema):
    """No parameters at all."""


@pytest.fixture(scope="module")
def laboratory() -> Flask:
    """An application that answers with what it has read."""
    app = create_laboratory(MAX_JSON_BYTES="200000", MAX_UPLOAD_BYTES="200000")
    schemas = {"json": ThingSchema, "json_or_form": ThingSchema, "optional_json": ThingSchema, "query": QuerySchema}
    for location, schema in schemas.items():
        view = reader(schema, location)
        app.add_url_rule(f"/api/laboratory/{location}/", location, view, methods=["GET", "POST"])
    for location in ("upload", "json_or_form"):
        view = reader(UploadSchema(partial=location != "upload"), location)
        app.add_url_rule(f"/api/laboratory/file_by_{location}/", f"file_by_{location}", view, methods=["POST"])
    app.add_url_rule("/api/laboratory/nothing/", "nothing", reader(NothingSchema, "query"))
    return app


def reader(schema: ma.Schema | type[ma.Schema], location: str) -> Any:
    """Return a view that answers with the values it has read."""
    instance = schema() if isinstance(schema, type) else schema

    def view() -> Any:
        values = PARSER.parse(instance, request, location=location)
        return Response(json.dumps(values, default=shown), mimetype="application/json")

    return view


def shown(value: Any) -> Any:
    """Return a value that JSON does not know as one that it does."""
    if isinstance(value, Upload):
        return [value.field, value.filename, value.media_type, value.stream.read().decode()]
    return str(value)


def send_file(lab: DocumentedClient, location: str = "upload", **values: Any) -> TestResponse:
    """Send ``values`` as a form with files."""
    url = f"/api/laboratory/file_by_{location}/"
    return lab.post(url, data=values, content_type="multipart/form-data")


def part(content: bytes = b"abc", filename: str = "a.jpg", media_type: str = "image/jpeg") -> tuple[BytesIO, str, str]:
    """Return a file as the test client sends it."""
    return BytesIO(content), filename, media_type


@pytest.fixture
def lab(laboratory: Flask) -> DocumentedClient:
    """A client of the laboratory."""
    return laboratory.test_client()


def post(lab: DocumentedClient, body: bytes | str, location: str = "json") -> TestResponse:
    """Send ``body`` as JSON."""
    return lab.post(f"/api/laboratory/{location}/", data=body, content_type="application/json")


def send_form(lab: DocumentedClient, **values: Any) -> TestResponse:
    """Send ``values`` as a form."""
    return lab.post("/api/laboratory/json_or_form/", data=values, content_type="multipart/form-data")


def field_errors(response: TestResponse) -> dict[str, list[str]]:
    """Return the errors of fields of an answer that must be a validation error."""
    body = response.get_json()
    assert (response.status_code, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    return body["error"]["field_errors"]


# JSON


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\ude00 lone"}',
        b'{"number": NaN}',
        b'{"number": 01}',
        b'{"text": "a"} {}',
        b'\xef\xbb\xbf{"text": "a"}',
        '{"text": "a"}'.encode("utf-16"),
        b'{"inner": ' * 5000,
        b"[" * 100_000,
    ],
)
def test_read_malformed_json_is_malformed_request(lab, body):
    response = post(lab, body)
    assert (response.status_code, response.get_json()["error"]["code"]) == (400, "MALFORMED_REQUEST")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"text"', b"true"])
def test_read_json_that_is_no_object_is_refused(lab, body):
    assert set(field_errors(post(lab, body))) == {"body"}


@pytest.mark.parametrize("depth", [50, 500, 900, 1000, 1020])
def test_read_deeply_nested_json_is_refused_not_crashed(lab, depth):
    nested = b'{"text": ' + b"[" * depth + b"]" * depth + b"}"
    assert post(lab, nested).status_code == 400


@pytest.mark.parametrize(
    "number", ["9223372036854775808", "-1", "0", "1e400", "1e30", "123456789012345678901234567890"]
)
def test_read_number_past_64_bits_is_refused(lab, number):
    assert post(lab, f'{{"identifier": {number}}}').status_code == 400


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"text": "a\x00b"}, "text"),
        ({"inner": [{"name": "a"}, {"name": "\x00"}]}, "inner.1.name"),
        ({"a\x00": 1}, "body"),
        ({"other": {"deep": ["\x00"]}}, "other.deep.0"),
    ],
)
def test_read_nul_is_refused_where_it_stands(lab, body, path):
    assert set(field_errors(post(lab, json.dumps(body)))) == {path}


def test_read_unknown_fields_names_them(lab):
    errors = field_errors(post(lab, '{"text": "a", "is_admin": true, "inner": [{"role": "admin"}]}'))
    assert errors == {"is_admin": ["Unknown field."], "inner.0.role": ["Unknown field."]}


@pytest.mark.parametrize(
    "values",
    [
        {"text": 1},
        {"text": None},
        {"number": "1"},
        {"number": 1.5},
        {"number": True},
        {"real": "1.5"},
        {"real": True},
        {"truth": "true"},
        {"truth": 1},
        {"day": "2026-1-1"},
        {"day": "2026-02-30"},
        {"day": "2026-01-01T00:00:00"},
        {"day": "20260101"},
        {"day": "٢٠٢٦-٠١-٠١"},
        {"day": 20260101},
        {"items": 1},
        {"items": "1,2"},
        {"items": [1, 2, 3, 4]},
        {"items": [1, "2"]},
        {"word": "A"},
        {"word": ["a"]},
        {"color": "#12345g"},
        {"color": "#123456\n#"},
        {"email": "no address"},
        {"note": "x" * 21},
    ],
)
def test_read_value_of_the_wrong_kind_names_the_field(lab, values):
    assert {path.split(".")[0] for path in field_errors(post(lab, json.dumps(values)))} == set(values)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"text": "  a \n b\t"}, {"text": "a b"}),
        ({"text": "A\u030a"}, {"text": "Å"}),
        ({"note": "a\r\nb "}, {"note": "a\nb "}),
        ({"number": 5.0}, {"number": 5}),
        ({"items": [2, 1, 2]}, {"items": [2, 1]}),
        ({"email": " kari@example.com "}, {"email": "kari@example.com"}),
        ({"day": "2028-02-29"}, {"day": "2028-02-29"}),
        ({"identifier": 2**63 - 1}, {"identifier": 2**63 - 1}),
    ],
)
def test_read_value_is_brought_into_its_one_form(lab, given, read):
    assert post(lab, json.dumps(given)).get_json() == read


def test_read_optional_body_that_is_missing_is_empty(lab):
    assert lab.post("/api/laboratory/optional_json/").get_json() == {}
    assert post(lab, '{"text": "a"}', "optional_json").get_json() == {"text": "a"}
    assert post(lab, "{", "optional_json").status_code == 400


# Forms


def test_read_form_is_what_json_would_be(lab):
    values = {"text": "a", "number": "5", "real": "1.5", "truth": "True", "items": ["2", "1"], "day": "2026-01-01"}
    expected = {"text": "a", "number": 5, "real": 1.5, "truth": True, "items": [2, 1], "day": "2026-01-01"}
    assert send_form(lab, **values).get_json() == expected


def test_read_form_with_empty_texts_means_null_where_null_is_allowed(lab):
    values = {"identifier": "", "real": "", "day": "", "color": "", "text": ""}
    expected = {"identifier": None, "real": None, "day": None, "color": None, "text": ""}
    assert send_form(lab, **values).get_json() == expected


@pytest.mark.parametrize(
    "values",
    [
        {"number": "1.5"},
        {"number": "１"},
        {"number": "9" * 5000},
        {"number": ""},
        {"identifier": "-1"},
        {"real": "nan"},
        {"real": "infinity"},
        {"truth": "1"},
        {"text": ["a", "b"]},
        {"text": "a\x00"},
        {"unknown": "a"},
    ],
)
def test_read_form_with_a_wrong_text_names_the_field(lab, values):
    assert set(field_errors(send_form(lab, **values))) == set(values)


def test_read_urlencoded_form_is_read_too(lab):
    response = lab.post("/api/laboratory/json_or_form/", data={"text": "blåbær", "items": ["1", "2"]})
    assert response.get_json() == {"text": "blåbær", "items": [1, 2]}


def test_read_form_where_only_json_is_spoken_is_unsupported(lab):
    assert lab.post("/api/laboratory/json/", data={"text": "a"}).status_code == 415


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\n", b"garbage\x00\xff", b"--x\r\nContent-Disposition: form-data\r\n\r\n"]
)
def test_read_malformed_form_does_not_crash(lab, body):
    content_type = "multipart/form-data; boundary=x"
    response = lab.post("/api/laboratory/json_or_form/", data=body, content_type=content_type)
    assert response.status_code in (200, 400)


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_read_form_over_the_limit_without_a_length_is_too_large(lab, content_type):
    part = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n'
    body = part + b"a" * 300_000 if "multipart" in content_type else b"text=" + b"a" * 300_000
    environ = {"wsgi.input": BytesIO(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    headers = {"Content-Type": content_type}
    response = lab.post("/api/laboratory/json_or_form/", headers=headers, environ_overrides=environ)
    assert response.status_code == 413


# Query strings


@pytest.mark.parametrize(
    ("query", "read"),
    [
        ("", {}),
        ("status=todo&status=done", {"status": ["todo", "done"]}),
        ("status=todo,done,,todo", {"status": ["todo", "done"]}),
        ("_t=123", {}),
        ("truth=false&page_size=7", {"truth": False, "page_size": 7}),
        ("page_size=" + "9" * 30, {"page_size": 1e30}),
    ],
)
def test_read_query_gives_the_values(lab, query, read):
    assert lab.get(f"/api/laboratory/query/?{query}").get_json() == read


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("statu=todo", "Unknown parameter. Did you mean “status”?"),
        ("status=foo", "“foo” is not allowed; allowed: todo, done."),
        ("status=", "Give at least one value."),
        ("page_size=1&page_size=2", "Give this only once."),
        ("page_size=abc", "Not a valid integer."),
        ("page_size=1%00", "Text may not contain the NUL character."),
        ("status=" + ",".join(f"v{number}" for number in range(51)), "Give at most 50 values."),
    ],
)
def test_read_query_that_is_wrong_says_what_would_be_right(lab, query, sentence):
    assert list(field_errors(lab.get(f"/api/laboratory/query/?{query}")).values()) == [[sentence]]


def test_read_query_where_nothing_is_taken_says_so(lab):
    errors = field_errors(lab.get("/api/laboratory/nothing/?a=1"))
    assert errors == {"a": ["This endpoint takes no parameters."]}


# Errors


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (["a"], {"body": ["a"]}),
        ("a", {"body": ["a"]}),
        ({"_schema": ["a"]}, {"body": ["a"]}),
        ({"x": ["a", "b"]}, {"x": ["a", "b"]}),
        ({"x": {0: {"y": ["a"]}, 3: ["b"]}}, {"x.0.y": ["a"], "x.3": ["b"]}),
        ({"x": {"_schema": ["a"]}}, {"x": ["a"]}),
    ],
)
def test_flatten_gives_dotted_paths(messages, expected):
    assert flatten(messages) == expected


def test_send_form_that_is_not_utf8_is_refused(lab):
    body = b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\n\xff\xfe\r\n--x--\r\n'
    response = lab.post("/api/laboratory/json_or_form/", data=body, content_type="multipart/form-data; boundary=x")
    assert (response.status_code, list(response.get_json()["error"]["field_errors"])) == (400, ["text"])


def test_send_unknown_file_in_a_form_is_refused(lab):
    data = {"text": "a", "picture": (BytesIO(b"x"), "x.png")}
    response = lab.post("/api/laboratory/json_or_form/", data=data, content_type="multipart/form-data")
    assert (response.status_code, list(response.get_json()["error"]["field_errors"])) == (400, ["picture"])


def test_send_urlencoded_form_that_is_not_utf8_is_refused(lab):
    content_type = "application/x-www-form-urlencoded"
    response = lab.post("/api/laboratory/json_or_form/", data=b"text=%ED%A0%80%FF", content_type=content_type)
    assert (response.status_code, response.get_json()["error"]["code"]) == (400, "MALFORMED_REQUEST")


# Files


def test_read_file_of_a_form_as_the_client_sent_it(lab):
    answer = send_file(lab, picture=part(filename="../a.jpg"), title="Hytta", others=[part(b"x"), part(b"y", "b.png")])
    assert answer.get_json() == {
        "picture": ["picture", "../a.jpg", "image/jpeg", "abc"],
        "others": [["others", "a.jpg", "image/jpeg", "x"], ["others", "b.png", "image/jpeg", "y"]],
        "title": "Hytta",
    }


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "picture"),
        ({"picture": "a text"}, "picture"),
        ({"picture": part(b"", "")}, "picture"),
        ({"picture": [part(), part()]}, "picture"),
        ({"picture": part(), "others": "text"}, "others.0"),
        ({"picture": part(), "others": [part(), part(), part()]}, "others"),
        ({"picture": part(), "title": part()}, "title"),
        ({"picture": part(), "unknown": part()}, "unknown"),
    ],
    ids=["missing", "text", "left empty", "twice", "text among files", "too many", "file for a text", "unknown"],
)
def test_read_form_whose_files_are_not_as_asked_names_the_field(lab, values, field):
    assert list(field_errors(send_file(lab, **values))) == [field]


def test_read_file_where_json_comes_is_unsupported(lab):
    assert post(lab, b"{}", "file_by_upload").status_code == 415


@pytest.mark.parametrize("value", ['"a.jpg"', "7", "{}", "null"])
def test_read_json_cannot_carry_a_file(lab, value):
    assert list(field_errors(post(lab, f'{{"picture": {value}}}', "file_by_json_or_form"))) == ["picture"]


def test_read_file_over_the_limit_is_too_large(lab):
    assert send_file(lab, picture=part(b"x" * 200_001)).status_code == 413


def test_read_form_of_ten_thousand_parts_is_too_large(lab):
    assert send_file(lab, others=[part() for _ in range(1500)]).status_code == 413
