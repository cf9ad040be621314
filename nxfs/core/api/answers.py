"""Conditional requests: entity tags on what we answer, and the versions that clients send back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path

from flask import Response, request

import nxfs
from nxfs.core.versions import Precondition


def conditional(response: Response) -> Response:
    """Give a successful answer to GET its ``ETag``, and make it 304 when the client has it already.

    The tag is ``W/"<version>-<hash of the body>"``: caches compare all of it, ``If-Match`` the version. It is weak
    because compression changes the bytes.
    """
    if response.status_code == 204:
        response.set_data(b"")
        response.headers.pop("Content-Type", None)
        return response
    body = response.get_json() if response.is_json else None
    version = body.get("version", 0) if isinstance(body, dict) else 0
    digest = blake2b(response.get_data(), digest_size=8).hexdigest()
    response.set_etag(f"{version}-{digest}", weak=True)
    if request.method in ("GET", "HEAD") and response.status_code == 200:
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response.make_conditional(request)
    return response


def revised(revision: str, view: Callable[[], Response]) -> Response:
    """Return the answer of ``view`` with an ``ETag`` made of ``revision``, or 304 when the client has that one."""
    # With and without the slash at its end it is the same address.
    asked = request.host_url.encode() + request.path.rstrip("/").encode() + b"?" + request.query_string
    digest = blake2b(f"{_code_revision()} {revision} ".encode() + asked, digest_size=12).hexdigest()
    is_known = request.if_none_match.contains_weak(digest)
    response = Response(status=304) if is_known else view()
    if response.status_code in (200, 304):
        response.set_etag(digest, weak=True)
        response.headers["Cache-Control"] = "no-cache"
    return response


@cache
def _code_revision() -> str:
    """Return a text that differs between versions of the program, which may represent the same rows differently."""
    sources = sorted(Path(nxfs.__file__).parent.rglob("*.py"))
    return blake2b(b"".join(source.read_bytes() for source in sources), digest_size=8).hexdigest()


def precondition() -> Precondition:
    """Return what the request's ``If-Match`` header asks for."""
    return Precondition.from_header(request.headers.get("If-Match"))
