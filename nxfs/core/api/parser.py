"""Reads bodies and query strings, whatever their form, into what strict schemas expect."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, Protocol
from urllib.parse import unquote_to_bytes

import gevent
import marshmallow as ma
import orjson
from flask import Request, g
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from nxfs.core.api.fields import File, Files
from nxfs.core.errors import (
    InvalidInputError,
    MalformedRequestError,
    PayloadTooLargeError,
    TokenRevokedError,
    UnsupportedMediaTypeError,
)
from nxfs.core.messages import Text
from nxfs.core.transmissions import transmissions
from nxfs.core.uploads import Upload

# The published front end adds `_t` to get past caches.
IGNORED_PARAMETERS = frozenset({"_t"})
# Python reads no text of more than 4300 digits as a number.
LONGEST_NUMBER = 4300
FORM_TYPES = ("multipart/form-data", "application/x-www-form-urlencoded")
READ_AT_ONCE = 1024 * 1024
# More than any list in a form or a query string may have.
MOST_REPETITIONS = 1000
NOT_UTF8 = Text("Text must be UTF-8.", "Tekst må være UTF-8.")
NO_FILE_HERE = Text("This takes no file.", "Her kan du ikke sende en fil.")
ONLY_ONCE = Text("Give this only once.", "Oppgi dette bare én gang.")
TOO_MANY = Text("This is given too many times.", "Dette er oppgitt for mange ganger.")
NUL_IN_TEXT = Text("Text may not contain the NUL character.", "Teksten kan ikke inneholde NUL-tegnet.")
BODY_MUST_BE_OBJECT = Text("The body must be a JSON object.", "Innholdet må være et JSON-objekt.")
# Far more than any schema, and far less than Python's recursion takes.
DEEPEST = 32
TOO_DEEP = Text("The body is nested too deeply.", "Innholdet er nøstet for dypt.")
NOT_JSON = Text("The body is not valid JSON.", "Innholdet er ikke gyldig JSON.")
JSON_ONLY = Text("Send JSON (application/json, UTF-8).", "Send JSON (application/json, UTF-8).")
FORM_ONLY = Text("Send a form (multipart/form-data).", "Send et skjema (multipart/form-data).")
JSON_OR_FORM = Text(
    "Send JSON (application/json, UTF-8) or a form (multipart/form-data).",
    "Send JSON (application/json, UTF-8) eller et skjema (multipart/form-data).",
)


class Digest(Protocol):
    """One of hashlib's."""

    def update(self, data: bytes, /) -> None:
        """Take ``data`` into account."""


class Parser(FlaskParser):
    """Reads a request for the ``arguments`` decorator; every failure is one of our errors."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {}
    DEFAULT_VALIDATION_STATUS = 400
    __location_map__ = {
        **FlaskParser.__location_map__,
        "json_or_form": "load_json_or_form",
        "optional_json": "load_optional_json",
        "upload": "load_upload",
    }

    def load_json(self, request: Request, schema: ma.Schema) -> Any:
        """Return the JSON body."""
        _require_type(request, "json")
        return _read_json(_read_body(request))

    def load_optional_json(self, request: Request, schema: ma.Schema) -> Any:
        """Return the JSON body, an empty object when nothing was sent."""
        return self.load_json(request, schema) if _read_body(request) else {}

    def load_json_or_form(self, request: Request, schema: ma.Schema) -> Any:
        """Return the body, a form's texts as the schema's fields would have them."""
        if request.mimetype in FORM_TYPES:
            return _read_texts(_read_form(request), schema) | _read_files(request, schema)
        _require_type(request, "json_or_form")
        return _read_json(_read_body(request))

    def load_upload(self, request: Request, schema: ma.Schema) -> Any:
        """Return the form, which holds a file and so cannot be JSON."""
        _require_type(request, "upload")
        return self.load_json_or_form(request, schema)

    def load_querystring(self, request: Request, schema: ma.Schema) -> Any:
        """Return the query string as the schema's fields would have it."""
        _require_utf8(request.query_string)
        _refuse_unknown(request.args, schema)
        return _read_texts(request.args, schema)

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> None:
        """Raise the validation errors of a schema as one ``InvalidInputError``."""
        messages = error.messages if isinstance(error.messages, dict) else {"body": error.messages}
        by_field: dict[str, list[Any]] = {}
        for errors in messages.values():
            by_field.update(flatten(errors))
        raise InvalidInputError(field_errors=by_field)


def feed_body(request: Request, location: str | None, digest: Digest) -> None:
    """Feed ``digest`` with the body that a view with ``arguments`` of this ``location`` is going to read, if any.

    A form counts by its parts: what separates them differs each time that it is sent. Raises what reading it raises.
    """
    if location is None or (location == "optional_json" and not _read_body(request)):
        return
    _require_type(request, location)
    if request.mimetype not in FORM_TYPES:
        digest.update(_read_body(request))
        return
    for name, text in _read_form(request).items(multi=True):
        digest.update(orjson.dumps([name, text]))
    for name, part in request.files.items(multi=True):
        digest.update(orjson.dumps([name, part.filename, part.mimetype]))
        _feed_file(part.stream, digest)


def _feed_file(stream: IO[bytes], digest: Digest) -> None:
    size = 0
    stream.seek(0)
    while chunk := stream.read(READ_AT_ONCE):
        size += len(chunk)
        digest.update(chunk)
        gevent.sleep(0)
    digest.update(str(size).encode())
    stream.seek(0)


def flatten(messages: Any, path: str = "") -> dict[str, list[Any]]:
    """Return marshmallow's nested messages as ``{dotted path: [sentences]}``; errors of the whole go under ``body``."""
    if isinstance(messages, Mapping):
        flat: dict[str, list[Any]] = {}
        for key, value in messages.items():
            inner = path if key == "_schema" else f"{path}.{key}" if path else str(key)
            flat.update(flatten(value, inner))
        return flat
    sentences = messages if isinstance(messages, list) else [messages]
    return {path or "body": sentences}


def _require_utf8(query_string: bytes) -> None:
    # Werkzeug leaves what it cannot decode as it came.
    try:
        unquote_to_bytes(query_string).decode()
    except UnicodeDecodeError as error:
        raise MalformedRequestError(NOT_UTF8) from error


def _require_type(request: Request, location: str) -> None:
    """Raise ``UnsupportedMediaTypeError`` unless a body of this type can be read as ``location``."""
    if location == "upload":
        if request.mimetype != FORM_TYPES[0]:
            raise UnsupportedMediaTypeError(FORM_ONLY)
    elif location == "json_or_form":
        if request.mimetype not in FORM_TYPES and not _is_json(request):
            raise UnsupportedMediaTypeError(JSON_OR_FORM)
    elif not _is_json(request):
        raise UnsupportedMediaTypeError(JSON_ONLY)


def _is_json(request: Request) -> bool:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    return request.mimetype == "application/json" and charset in ("utf-8", "utf8")


def _read_body(request: Request) -> bytes:
    with _transmission_of(request):
        return request.get_data()


def _read_form(request: Request) -> MultiDict[str, str]:
    if request.mimetype == FORM_TYPES[1]:
        # Before it is parsed, which would leave nothing to look at.
        _require_utf8(_read_body(request))
    with _transmission_of(request):
        form = request.form
    # Werkzeug puts U+FFFD where a part is not UTF-8.
    for name, text in form.items(multi=True):
        if "\ufffd" in text:
            raise InvalidInputError(field_errors={name: [NOT_UTF8]})
    return form


def _read_files(request: Request, schema: ma.Schema) -> dict[str, Any]:
    """Return the form's files as uploads; a file input that was left empty counts as not sent."""
    values: dict[str, Any] = {}
    fields = {field.data_key or name: field for name, field in schema.load_fields.items()}
    for name, parts in request.files.lists():
        uploads = [
            Upload(name, part.filename or "", part.mimetype, part.stream) for part in parts if part.filename or part
        ]
        field = fields.get(name)
        if isinstance(field, Files):
            values[name] = uploads
        elif field is not None and not isinstance(field, File):
            raise InvalidInputError(field_errors={name: [NO_FILE_HERE]})
        elif len(uploads) > 1:
            raise InvalidInputError(field_errors={name: [ONLY_ONCE]})
        elif uploads:
            # The schema refuses a name that it does not know.
            values[name] = uploads[0]
    return values


@contextmanager
def _transmission_of(request: Request) -> Iterator[None]:
    try:
        with transmissions.received(g.get("actor"), request.environ.get("gunicorn.socket")):
            yield
    except (HTTPException, TokenRevokedError):
        raise
    except Exception as error:
        # The server raises whatever it likes when a chunk is malformed or the client goes away while it sends.
        raise MalformedRequestError from error
    # A body without a length is cut at the limit without a word.
    if request.content_length is None and getattr(request.stream, "is_exhausted", False):
        raise PayloadTooLargeError


def _read_json(body: bytes) -> Any:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedRequestError(NOT_JSON, details={"line": error.lineno, "column": error.colno}) from error
    require_plain_object(document)
    return document


def require_plain_object(document: Any) -> None:
    """Raise ``APIError`` unless the JSON value is an object without NUL characters that is not nested too deeply."""
    if not isinstance(document, dict):
        raise InvalidInputError(field_errors={"body": [BODY_MUST_BE_OBJECT]})
    _refuse_nul(document)


def _refuse_nul(value: Any, path: str = "", depth: int = 0) -> None:
    """Refuse NUL, which PostgreSQL cannot store, so that both engines are alike, and what is nested too deeply."""
    if depth > DEEPEST:
        raise MalformedRequestError(TOO_DEEP)
    if isinstance(value, str):
        if "\x00" in value:
            raise InvalidInputError(field_errors={path: [NUL_IN_TEXT]})
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_nul(key, "body")
            _refuse_nul(item, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        if value and depth == DEEPEST:
            raise MalformedRequestError(TOO_DEEP)
        for index, item in enumerate(value):
            # Most are plain, and a path for each of a hundred thousand would take its time.
            if isinstance(item, dict | list) or (isinstance(item, str) and "\x00" in item):
                _refuse_nul(item, f"{path}.{index}", depth + 1)


def _refuse_unknown(arguments: Iterable[str], schema: ma.Schema) -> None:
    known = {field.data_key or name for name, field in schema.load_fields.items()}
    for name in arguments:
        if name in known or name in IGNORED_PARAMETERS:
            continue
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0)
        sentence = Text("Unknown parameter. Did you mean “{near}”?", "Ukjent parameter. Mente du «{near}»?")
        if not near:
            sentence = Text("This endpoint takes no parameters.", "Dette endepunktet tar ingen parametere.")
        raise InvalidInputError(field_errors={name: [sentence.fill(near=near[0] if near else "")]})


def _read_texts(texts: MultiDict[str, str], schema: ma.Schema) -> dict[str, Any]:
    """Turn texts into the JSON values that the schema's fields expect; names the schema does not know stay texts."""
    values: dict[str, Any] = {}
    fields = {field.data_key or name: field for name, field in schema.load_fields.items()}
    for name in texts:
        if name in IGNORED_PARAMETERS:
            continue
        field = fields.get(name)
        if len(texts.getlist(name)) > MOST_REPETITIONS:
            raise InvalidInputError(field_errors={name: [TOO_MANY]})
        if isinstance(field, ma.fields.List):
            values[name] = [_read_text(text, field.inner) for text in texts.getlist(name)]
        elif field is not None and len(texts.getlist(name)) > 1:
            raise InvalidInputError(field_errors={name: [ONLY_ONCE]})
        else:
            values[name] = _read_text(texts[name], field)
    _refuse_nul(values)
    return values


def _read_text(text: str, field: ma.fields.Field | None) -> Any:
    if text == "" and field is not None and field.allow_none:
        return None
    if isinstance(field, ma.fields.Boolean):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(field, ma.fields.Integer):
        digits = text[1:] if text.startswith("-") else text
        return int(text) if digits.isdecimal() and digits.isascii() and len(digits) <= LONGEST_NUMBER else text
    if isinstance(field, ma.fields.Float):
        try:
            return float(text)
        except ValueError:
            return text
    return text
