"""The answer that carries a file: its headers, and the part of it that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from flask import Response, request
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wsgi import wrap_file

from nxfs.core import clock
from nxfs.files import links
from nxfs.files.errors import RangeNotSatisfiableError
from nxfs.files.formats import FORMATS
from nxfs.files.models import StoredFile
from nxfs.files.storage.interface import Reading

# Nothing in a file may run, load or navigate, whatever a browser takes it for.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
YEAR_SECONDS = 365 * 24 * 3600
HOUR_SECONDS = 3600


@dataclass(frozen=True)
class Sent:
    """How a file is sent. ``lifetime`` is how many seconds caches may keep it; ``is_public`` allows shared caches."""

    media_type: str
    filename: str
    is_inline: bool
    etag: str
    is_public: bool
    lifetime: int


def of_file(file: StoredFile, link: Mapping[str, Any]) -> Sent:
    """Return how ``file`` is sent to whoever has ``link`` (see ``LinkQuerySchema``)."""
    kind = FORMATS[file.format]
    is_shown = kind.kind == "image" or kind.name == "pdf"
    return _sent(file, link, kind.media_type, file.original_filename, is_shown, file.sha256, HOUR_SECONDS)


def of_derivative(file: StoredFile, width: int, link: Mapping[str, Any]) -> Sent:
    """Return how the derivative of ``file`` with ``width`` pixels is sent to whoever has ``link``."""
    stem = file.original_filename.rpartition(".")[0] or file.original_filename
    return _sent(file, link, "image/webp", f"{stem}-{width}.webp", True, f"{file.sha256}-{width}", YEAR_SECONDS)


def _sent(
    file: StoredFile, link: Mapping[str, Any], media_type: str, filename: str, is_shown: bool, etag: str, lifetime: int
) -> Sent:
    is_public = links.is_public(file.public_from)
    if not is_public:
        lifetime = min(lifetime, max(0, link["expires"] - int(clock.now().timestamp())))
    return Sent(media_type, filename, is_shown and not link["download"], etag, is_public, lifetime)


def send(sent: Sent, reading: Reading) -> Response:
    """Return the answer with the opened file, or the part of it that the ``Range`` header asks for, or 304.

    Raises ``RangeNotSatisfiableError``.
    """
    response = Response(wrap_file(request.environ, reading.stream), mimetype=sent.media_type, direct_passthrough=True)
    response.content_length = reading.size
    response.set_etag(sent.etag)
    response.headers["Content-Disposition"] = _disposition(sent)
    response.headers["Content-Security-Policy"] = POLICY
    # Pages of other origins show the pictures; what is not public has its signature.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    scope = "public" if sent.is_public else "private"
    response.headers["Cache-Control"] = f"{scope}, max-age={sent.lifetime}, immutable"
    response.headers["Accept-Ranges"] = "bytes"
    # Anything else than one range of bytes is ignored, as HTTP allows: the whole file is an answer to it, too.
    asked = request.range
    is_part = asked is not None and asked.units == "bytes" and len(asked.ranges) == 1
    try:
        return response.make_conditional(request, accept_ranges=is_part, complete_length=reading.size)
    except RequestedRangeNotSatisfiable as error:
        reading.stream.close()
        raise RangeNotSatisfiableError(headers={"Content-Range": f"bytes */{reading.size}"}) from error


def _disposition(sent: Sent) -> str:
    """Return the header of RFC 6266: an ASCII name for old clients, and the whole name."""
    kind = "inline" if sent.is_inline else "attachment"
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in sent.filename)
    plain = plain.replace("\\", "_").replace('"', "_").replace("%", "_")
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(sent.filename, safe='')}"
