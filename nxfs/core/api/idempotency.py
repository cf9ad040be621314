"""``Idempotency-Key``: a request that writes is answered once, and the same request again gets the same answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import partial

from flask import Response, current_app, request
from flask.typing import ResponseReturnValue

from nxfs.core import http, idempotency
from nxfs.core.actor import Actor
from nxfs.core.api.parser import IGNORED_PARAMETERS, feed_body
from nxfs.core.errors import APIError, InvalidInputError
from nxfs.core.idempotency import Answer, ForestalledError, KeyInUseError, KeyReusedError
from nxfs.core.messages import Text
from nxfs.core.settings import setting
from nxfs.core.transaction import OneCommit, one_commit, release_connection

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
LONGEST_KEY = 255
KEY_RULE = Text("A key is 1 to 255 visible ASCII characters.", "En nøkkel er 1 til 255 synlige ASCII-tegn.")
# Nothing was changed, and the corrected request may use the key again; nor is it known what 500 and above has done.
NOT_KEPT = frozenset({400, 401, 405, 406, 408, 413, 415, 429})
# The others are set anew on each answer, or depend on who asks.
KEPT_HEADERS = ("Content-Type", "Location", "ETag", "Retry-After", "Preference-Applied")
PARAMETER = {
    "in": "header",
    "name": HEADER,
    "required": False,
    "description": (
        "Makes it safe to send the request again: with the same key the same request is done once in 24 hours, and "
        f"answered again as before, with `{REPLAYED}: true`. Another request with this key is 422, and 409 as long as "
        "the first is under way. A key is yours and this operation's. Kept are answers below 500, but no 400, 401, "
        "405, 406, 413, 415 and 429."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]+$"},
    "example": "5f0c2c5e-3f0b-4c6e-9d0a-0d1c8a0f7b42",
}
ERRORS = (InvalidInputError, KeyInUseError, KeyReusedError)

_KEY = re.compile(f"[!-~]{{1,{LONGEST_KEY}}}")
# The requests that this process is at. What other processes are at, the database knows.
_under_way: set[str] = set()


def answer_once(view: Callable[[], ResponseReturnValue], *, actor: Actor, location: str | None) -> ResponseReturnValue:
    """Return the answer of ``view``, or what was answered when ``actor`` sent this request with this key before.

    Who has other rights by then has sent another request: what was answered may be closed to them now.

    All that the view writes becomes one commit together with its answer. ``location`` is that of its ``arguments``, if
    it reads a body. Without a key, and for requests that only read, ``view`` is called and nothing else. Raises
    ``InvalidInputError`` for a key that is none, ``KeyInUseError``, ``KeyReusedError``, and what reading the body does.
    """
    if request.method not in WRITING or HEADER not in request.headers:
        return view()
    record_id = _record_id(actor.id, _read_key())
    if record_id in _under_way:
        raise KeyInUseError
    _under_way.add(record_id)
    try:
        fingerprint = _fingerprint(actor, location)
        known = idempotency.find_answer(record_id)
        # None is held while a file is inspected or a text is rendered.
        release_connection()
        return _replay(known, fingerprint) if known else _answer(view, record_id, fingerprint)
    finally:
        _under_way.discard(record_id)


def _answer(view: Callable[[], ResponseReturnValue], record_id: str, fingerprint: str) -> Response:
    try:
        with one_commit(partial(idempotency.claim, record_id=record_id)) as together:
            try:
                response = current_app.make_response(view())
                _commit(together, response, record_id, fingerprint)
            except APIError as error:
                if error.status >= 500:
                    raise
                # Raised inside a transaction it has undone all of them; raised behind them, what they did stays.
                response = current_app.make_response(http.render(error))
                _commit(together, response, record_id, fingerprint)
            return response
    except ForestalledError as first:
        if first.answer is None:
            raise KeyInUseError from None
        return _replay(first.answer, fingerprint)


def _commit(together: OneCommit, response: Response, record_id: str, fingerprint: str) -> None:
    if response.status_code in NOT_KEPT:
        together.commit()
        return
    headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
    answer = Answer(fingerprint, response.status_code, headers, response.get_data())
    together.commit(first=partial(idempotency.keep_answer, record_id=record_id, answer=answer))


def _replay(answer: Answer, fingerprint: str) -> Response:
    if answer.fingerprint != fingerprint:
        raise KeyReusedError
    response = current_app.response_class(answer.body, answer.status)
    # Also one that has no content type.
    response.headers.pop("Content-Type", None)
    response.headers.extend(answer.headers)
    response.headers[REPLAYED] = "true"
    return response


def _read_key() -> str:
    key = request.headers[HEADER]
    if not _KEY.fullmatch(key):
        raise InvalidInputError(field_errors={HEADER: [KEY_RULE]})
    return key


def _record_id(user_id: int, key: str) -> str:
    rule = request.url_rule.rule if request.url_rule else ""
    return hashlib.blake2b(f"{user_id} {request.method} {rule} {key}".encode(), digest_size=32).hexdigest()


def _fingerprint(actor: Actor, location: str | None) -> str:
    """Return what two requests have in common only if they ask for the same."""
    secret = hashlib.blake2b(setting("SECRET_KEY").encode()).digest()
    digest = hashlib.blake2b(key=secret, digest_size=32, person=b"idempotency")
    address = request.path.rstrip("/"), _query_string(), request.headers.get("If-Match", "")
    for part in (*address, actor.role, *sorted(actor.permissions)):
        digest.update(f"{len(part)} {part} ".encode())
    feed_body(request, location, digest)
    return digest.hexdigest()


def _query_string() -> str:
    parts: list[str] = request.query_string.decode("latin-1").split("&")
    # What is ignored may differ.
    return "&".join(part for part in parts if part.partition("=")[0] not in IGNORED_PARAMETERS)
