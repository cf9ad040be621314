"""Tests of the errors: one closed list of codes, one wire form, two languages."""

from __future__ import annotations

import pkgutil
import re
from datetime import UTC, datetime
from importlib import import_module

import pytest

import nxfs
from nxfs.core import errors
from nxfs.core.errors import APIError, InvalidInputError, RateLimitExceededError, envelope
from nxfs.core.messages import Text

STATUS_OF_CODE = {
    "VALIDATION_ERROR": 400,
    "MALFORMED_REQUEST": 400,
    "AUTHENTICATION_REQUIRED": 401,
    "INVALID_CREDENTIALS": 401,
    "TOKEN_EXPIRED": 401,
    "TOKEN_REVOKED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_NOT_FOUND": 404,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "CONFLICT": 409,
    "PRECONDITION_FAILED": 412,
    "PAYLOAD_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "BUSINESS_RULE_VIOLATION": 422,
    "RATE_LIMIT_EXCEEDED": 429,
    "INTERNAL_SERVER_ERROR": 500,
    "UPSTREAM_ERROR": 502,
    "SERVICE_UNAVAILABLE": 503,
    "UPSTREAM_TIMEOUT": 504,
}
MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def all_errors() -> list[type[APIError]]:
    """Return every error class of the project."""
    for module in pkgutil.walk_packages(nxfs.__path__, "nxfs."):
        import_module(module.name)
    found: list[type[APIError]] = [APIError]
    for each in found:
        found += each.__subclasses__()
    return sorted(set(found), key=lambda each: each.__name__)


def all_texts() -> dict[str, Text]:
    """Return every sentence in both languages that a module or a class holds."""
    texts: dict[str, Text] = {}
    for module in pkgutil.walk_packages(nxfs.__path__, "nxfs."):
        for name, value in vars(import_module(module.name)).items():
            owners = {name: value, **(vars(value) if isinstance(value, type) else {})}
            texts |= {f"{module.name}.{key}": each for key, each in owners.items() if isinstance(each, Text)}
    return texts


def test_codes_are_the_closed_list():
    assert set(errors.CODES) == set(STATUS_OF_CODE)
    assert len(errors.CODES) == len(set(errors.CODES))


@pytest.mark.parametrize("error", all_errors())
def test_error_class_has_a_code_of_the_list_and_its_status(error):
    # HTTP's own answer to a Range header is no code of its own.
    assert error.status in (STATUS_OF_CODE[error.code], 416)


@pytest.mark.parametrize("error", all_errors())
@pytest.mark.parametrize("language", ["en", "no"])
def test_error_class_renders_as_a_sentence_in_the_language(error, language):
    body = envelope(make(error), language=language, request_id="r-1", moment=MOMENT)
    message = body["error"]["message"]
    assert body["error"]["code"] == error.code
    assert re.fullmatch(r"[A-ZÆØÅ].*[.!?]", message, re.DOTALL)
    assert {"error", "timestamp", "request_id"} == set(body)


def make(error: type[APIError]) -> APIError:
    """Return an instance, whatever the class wants to know."""
    for arguments in ((), ("password",), ("is_staff", "role")):
        try:
            return error(*arguments)
        except TypeError:
            continue
    raise AssertionError(f"{error.__name__} cannot be made; teach this test how.")


def test_every_text_has_both_languages_with_the_same_parameters():
    texts = all_texts()
    assert len(texts) > 30
    for name, text in texts.items():
        assert text.en.strip(), name
        assert text.nb.strip(), name
        assert sorted(re.findall(r"\{\w*\}", text.en)) == sorted(re.findall(r"\{\w*\}", text.nb)), name


def test_texts_differ_between_the_languages():
    same = {name for name, text in all_texts().items() if text.en == text.nb}
    # "Send JSON (…)." is Norwegian too.
    assert same <= {"nxfs.core.api.parser.JSON_ONLY"}


def test_envelope_of_plain_error_leaves_out_what_does_not_apply():
    body = envelope(errors.NotFoundError(), language="en", request_id="r-1", moment=MOMENT)
    assert body == {
        "error": {"code": "RESOURCE_NOT_FOUND", "message": "We could not find what you asked for."},
        "timestamp": "2026-01-31T12:00:00Z",
        "request_id": "r-1",
    }


def test_envelope_with_field_errors_translates_each_sentence():
    fields = {"items.3.title": ["Missing data for required field.", Text("Too odd.", "For rart.")]}
    error = InvalidInputError(details={"at": 3}, field_errors=fields)
    body = envelope(error, language="no", request_id=None, moment=MOMENT)
    assert body["error"]["field_errors"] == {"items.3.title": ["Feltet må fylles ut.", "For rart."]}
    assert body["error"]["details"] == {"at": 3}


def test_envelope_without_a_moment_is_dated_now():
    timestamp = envelope(errors.NotFoundError(), language="en", request_id=None)["timestamp"]
    assert abs(datetime.fromisoformat(timestamp) - datetime.now(UTC)).total_seconds() < 60


def test_error_with_parameters_fills_them_into_its_message():
    error = InvalidInputError(Text("At most {most}.", "Høyst {most}."), most=3)
    assert (error.message.en, error.message.nb, str(error)) == ("At most 3.", "Høyst 3.", "At most 3.")


def test_rate_limit_error_says_when_to_come_back():
    error = RateLimitExceededError(retry_after=7)
    assert (error.headers["Retry-After"], error.details) == ("7", {"retry_after": 7})


@pytest.mark.parametrize("error", [each for each in all_errors() if each.status == 401])
def test_authentication_error_names_the_scheme(error):
    assert error().headers["WWW-Authenticate"] == "Bearer"
