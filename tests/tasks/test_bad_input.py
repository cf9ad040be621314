"""Bad input: every kind of it answers the error envelope and changes nothing."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.factories.tasks import create_category, create_project, create_task
from tests.tasks.logbook import row_counts
from tests.tasks.person import Person

NOT_READABLE = (400, "MALFORMED_REQUEST")
NOT_VALID = (400, "VALIDATION_ERROR")
NOT_SUPPORTED = (415, "UNSUPPORTED_MEDIA_TYPE")
TOO_LARGE = (413, "PAYLOAD_TOO_LARGE")

BODIES = {
    "nothing": (b"", NOT_READABLE),
    "half an object": (b'{"title": "x"', NOT_READABLE),
    "two objects": (b'{"title": "x"}{"title": "y"}', NOT_READABLE),
    "a trailing comma": (b'{"title": "x",}', NOT_READABLE),
    "single quotes": (b"{'title': 'x'}", NOT_READABLE),
    "a byte order mark": (b'\xef\xbb\xbf{"title": "x"}', NOT_READABLE),
    "latin-1": (b'{"title": "bl\xe5b\xe6r"}', NOT_READABLE),
    "utf-16": ('{"title": "x"}'.encode("utf-16"), NOT_READABLE),
    "NUL bytes": (b'{"title": "x\x00"}', NOT_READABLE),
    "a high surrogate": (b'{"title": "\\ud800"}', NOT_READABLE),
    "a low surrogate": (b'{"title": "\\udc00"}', NOT_READABLE),
    "surrogates in utf-8": (b'{"title": "\xed\xa0\x80"}', NOT_READABLE),
    "NaN": (b'{"title": "x", "estimated_time": NaN}', NOT_READABLE),
    "infinity": (b'{"title": "x", "estimated_time": -Infinity}', NOT_READABLE),
    "1e400": (b'{"title": "x", "estimated_time": 1e400}', NOT_READABLE),
    "leading zeros": (b'{"title": "x", "estimated_time": 01}', NOT_READABLE),
    "nesting beyond all measure": (b'{"title": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", NOT_READABLE),
    "10 MB": (b'{"title": "' + b"x" * 10_000_000 + b'"}', TOO_LARGE),
    "nesting of 1000 lists": (b'{"title": ' + b"[" * 1000 + b"]" * 1000 + b"}", None),
    "nesting of 900 objects": (b'{"a":' * 900 + b"1" + b"}" * 900, None),
    "a list": (b'[{"title": "x"}]', NOT_VALID),
    "a text": (b'"title"', NOT_VALID),
    "a number": (b"1", NOT_VALID),
    "null": (b"null", NOT_VALID),
    "NUL in a text": (b'{"title": "x\\u0000y"}', NOT_VALID),
    "NUL in a name": (b'{"title": "x", "\\u0000": 1}', NOT_VALID),
    "NUL deep inside": (b'{"title": "x", "category": [["\\u0000"]]}', NOT_VALID),
    "an unknown field": (b'{"title": "x", "owner": 1}', NOT_VALID),
    "a number for a text": (b'{"title": 1}', NOT_VALID),
    "an object for a text": (b'{"title": {"en": "x"}}', NOT_VALID),
    "a list for a text": (b'{"title": ["x"]}', NOT_VALID),
    "an object for a list": (b'{"title": "x", "category": {"0": 1}}', NOT_VALID),
    "a number past 64 bits": (b'{"title": "x", "project": 18446744073709551616}', NOT_VALID),
    "a number past 63 bits": (b'{"title": "x", "project": 9223372036854775808}', NOT_VALID),
    "a huge number": (b'{"title": "x", "project": 1e300}', NOT_VALID),
    "a number of 5000 digits": (b'{"title": "x", "estimated_time": ' + b"9" * 5000 + b"}", None),
    "a fraction for an id": (b'{"title": "x", "project": 1.5}', NOT_VALID),
    "a negative id": (b'{"title": "x", "project": -1}', NOT_VALID),
    "true for an id": (b'{"title": "x", "project": true}', NOT_VALID),
    "true in a list of ids": (b'{"title": "x", "category": [true]}', NOT_VALID),
    "true for a number": (b'{"title": "x", "estimated_time": true}', NOT_VALID),
    "a text for an id": (b'{"title": "x", "project": "1"}', NOT_VALID),
    "a text for a number": (b'{"title": "x", "estimated_time": "1"}', NOT_VALID),
    "1 for a boolean": (b'{"title": "x", "completed": 1}', NOT_VALID),
    "a text for a boolean": (b'{"title": "x", "completed": "true"}', NOT_VALID),
    "100,000 categories": (b'{"title": "x", "category": [' + b"1," * 100_000 + b"1]}", NOT_VALID),
}


@pytest.mark.parametrize(("body", "expected"), BODIES.values(), ids=BODIES)
def test_write_task_with_a_bad_body_changes_nothing(
    client: FlaskClient, body: bytes, expected: tuple[int, str] | None
) -> None:
    kari = Person(client)
    task = create_task(kari.user)
    before = row_counts()

    for method, url in (("POST", "/api/tasks/"), ("PATCH", f"/api/tasks/{task}/"), ("PUT", f"/api/tasks/{task}/")):
        answer = kari.send(method, url, data=body, content_type="application/json")
        assert answer.status_code == (expected[0] if expected else 400)
        assert answer.get_json()["error"]["code"] == (expected[1] if expected else answer.get_json()["error"]["code"])

    assert row_counts() == before
    assert kari.get(f"/api/tasks/{task}/").get_json()["version"] == 1


WRITES = (
    ("POST", "/api/tasks/"),
    ("PATCH", "/api/tasks/{task}/"),
    ("PUT", "/api/tasks/{task}/"),
    ("POST", "/api/tasks/projects/"),
    ("PATCH", "/api/tasks/projects/{project}/"),
    ("PUT", "/api/tasks/projects/{project}/"),
    ("POST", "/api/tasks/projects/{project}/members/"),
    ("POST", "/api/tasks/projects/{project}/add-task/"),
    ("POST", "/api/tasks/projects/{project}/remove-task/"),
    ("POST", "/api/tasks/categories/"),
    ("PATCH", "/api/tasks/categories/{category}/"),
    ("PUT", "/api/tasks/categories/{category}/"),
    ("POST", "/api/tasks/categories/{category}/merge/"),
)
BAD = {
    "text": (b"title=x", "text/plain", NOT_SUPPORTED),
    "no type": (b'{"title": "x"}', None, NOT_SUPPORTED),
    "xml": (b"<title>x</title>", "application/xml", NOT_SUPPORTED),
    "latin-1": (b'{"title": "x"}', "application/json; charset=iso-8859-1", NOT_SUPPORTED),
    "utf-16": (b'{"title": "x"}', "application/json; charset=utf-16", NOT_SUPPORTED),
    "json of another kind": (b'{"title": "x"}', "application/jsonp", NOT_SUPPORTED),
    "no json": (b"title", "application/json", NOT_READABLE),
    "a list": (b"[]", "application/json", NOT_VALID),
    "an unknown field": (b'{"nonsense": 1}', "application/json", NOT_VALID),
    "NUL in a form": (b"title=x%00", "application/x-www-form-urlencoded", NOT_VALID),
    "no boundary": (b"x", "multipart/form-data", None),
    "a wrong boundary": (b"--b\r\nnonsense", "multipart/form-data; boundary=a", None),
    "too large a form": (b"x" * 13_000_000, "multipart/form-data; boundary=a", TOO_LARGE),
}


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_write_anything_with_a_bad_body_changes_nothing(client: FlaskClient, method: str, path: str) -> None:
    kari = Person(client)
    ids = {"task": create_task(kari.user), "project": create_project(kari.user), "category": create_category(kari.user)}
    before = row_counts()

    for name, (body, content_type, expected) in BAD.items():
        answer = kari.send(method, path.format(**ids), data=body, content_type=content_type)
        if expected:
            assert (answer.status_code, answer.get_json()["error"]["code"]) == expected, name
        elif method != "PATCH":
            # A form without a single field is a change of nothing, and lacks something everywhere else.
            assert answer.status_code == 400, name

    assert row_counts() == before


def test_write_task_with_json_and_a_charset_of_utf_8_works(client: FlaskClient) -> None:
    kari = Person(client)

    for content_type in ("application/json; charset=utf-8", "application/json;charset=UTF-8", "Application/JSON"):
        answer = kari.post("/api/tasks/", data='{"title": "blåbær"}'.encode(), content_type=content_type)
        assert (answer.status_code, answer.get_json()["title"]) == (201, "blåbær")


def test_write_task_as_form_with_bad_texts_names_the_field(client: FlaskClient) -> None:
    kari = Person(client)
    before = row_counts()

    for field, text in [
        ("estimated_time", "nan"),
        ("estimated_time", "inf"),
        ("estimated_time", "1e400"),
        ("estimated_time", "1,5"),
        ("project", "1.0"),
        ("project", "９"),
        ("project", "9" * 5000),
        ("category", "1,2"),
        ("completed", "yes"),
        ("due_date", "tomorrow"),
        ("status", ""),
        ("title", "\x00"),
        ("description", "x" * 10_001),
    ]:
        form = {"title": "x", field: text}
        answer = kari.post("/api/tasks/", data=form, content_type="multipart/form-data")
        assert answer.status_code == 400
        assert [name.partition(".")[0] for name in answer.get_json()["error"]["field_errors"]] == [field]

    assert row_counts() == before


def test_write_task_as_form_with_a_field_twice_is_refused(client: FlaskClient) -> None:
    form = {"title": ["one", "two"]}

    answer = Person(client).post("/api/tasks/", data=form, content_type="multipart/form-data")

    assert answer.get_json()["error"]["field_errors"] == {"title": ["Give this only once."]}


@pytest.mark.parametrize(
    "text",
    [
        "' OR '1'='1",
        "'; DROP TABLE tasks; --",
        "%s %(x)s {0} {x} :x ?",
        "\\x00 \\ \\\\",
        "<script>alert(1)</script>",
        "🚀 \u202e \u200d \ufeff",
        "a\u0301" * 100,
        "\x01\x1f\x7f",
    ],
)
def test_write_task_with_strange_text_keeps_it(client: FlaskClient, text: str) -> None:
    kari = Person(client)
    body = {"title": f"x{text}"[:200], "notes": text}

    created = kari.post("/api/tasks/", json=body)

    assert created.status_code == 201
    shown = kari.get(f"/api/tasks/{created.get_json()['id']}/").get_json()
    assert shown == created.get_json()
    if text.isascii():
        assert shown["notes"] == text
    assert kari.ids(search=text[:500]) in ([], [shown["id"]])


@pytest.mark.parametrize(
    "query",
    [
        "search=%00",
        "category=%00",
        "project=a%00b",
        "status=%00",
        "%00=1",
        "search=%ED%A0%80",
        "search=%ff%fe",
        "category=%ED%A0%80",
        "&&&=&",
        "=",
        "status[]=todo",
        "status=todo&status[0]=done",
        "page=1;page=2",
        "search=" + "x" * 100_000,
        "category=" + "x" * 100_000,
        "category=" + "&category=".join("x" * 10_000),
        "user_id=" + "9" * 5000,
        "due_date_start=" + "9" * 5000,
        "due_date_start=-0001-01-01",
        "due_date_start=10000-01-01",
        "due_date_start=0000-01-01",
        "overdue=true&overdue=true",
    ],
)
def test_list_tasks_with_a_bad_query_answers_and_changes_nothing(client: FlaskClient, query: str) -> None:
    kari = Person(client)
    create_task(kari.user)
    before = row_counts()

    answer = kari.get(f"/api/tasks/?{query}")

    assert answer.status_code in (200, 400)
    assert row_counts() == before


def test_list_tasks_by_a_date_in_another_form_is_refused(client: FlaskClient) -> None:
    kari = Person(client)

    for text in ("2026-001", "+2026-1-01", "２０２６-01-01", "2026-1-1", "20260101"):
        assert list(kari.field_errors(due_date_start=text)) == ["due_date_start"]
        assert kari.post("/api/tasks/", json={"title": "x", "due_date": text}).status_code == 400


def test_list_tasks_by_a_date_by_week_is_refused(client: FlaskClient) -> None:
    assert Person(client).get("/api/tasks/", due_date_start="2026-W01-1").status_code == 400


def test_use_methods_and_paths_that_do_not_exist_answers_the_envelope(client: FlaskClient) -> None:
    kari = Person(client)
    before = row_counts()

    assert kari.delete("/api/tasks/").status_code == 405
    assert kari.patch("/api/tasks/categories/popular/", json={}).status_code == 405
    assert kari.post("/api/tasks/nothing/", json={}).status_code == 404
    assert kari.get("/api/tasks/", headers={"Accept": "text/html"}).status_code == 406
    assert row_counts() == before
