"""The lists of the media library, one filter at a time, and the public lists of posts with and without a copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from urllib.parse import urlencode

from sqlalchemy import func, select

from bench import texts
from bench.cases import Case, Parameters
from bench.measuring import KeptConnection, Measurement, measure, server_time, statements_of
from bench.place import USERS, Place
from nxfs.blog.models import MediaFile
from nxfs.core import clock
from nxfs.extensions import db

PATH = "/api/blog/media/"
PAGE_SIZE = 100
REPETITIONS = 9
PUBLIC_PATHS = (
    "/api/blog/posts/public/",
    "/api/blog/posts/public/?page_size=100",
    f"/api/blog/posts/public/?search={texts.COMMON_WORD}",
    "/api/blog/posts/public/?tags=emne-3",
    "/feeds/blog.rss",
    "/feeds/blog.atom",
    "/sitemap.xml",
)
ORDERINGS = ("upload_date", "file_size", "filename")
ALONE, COMBINED = GROUPS = ("each filter alone", "combinations")


@dataclass(frozen=True)
class PublicList:
    """A public list: medians of the milliseconds in the server and of the statements, with and without a copy."""

    path: str
    whole: float
    whole_statements: int
    unchanged: float
    unchanged_statements: int
    whole_bytes: int
    failure: str | None = None


def measure_lists(here: Place) -> list[Measurement]:
    """Measure the list of the library with each filter, for an admin, a user with many files and an ordinary one."""
    connections = {role: KeptConnection(here.server.port, headers) for role, headers in here.headers.items()}
    measurements = [
        measure(connections[case.role], group, case, path_of(case.parameters)) for group, case in _cases(here)
    ]
    for connection in connections.values():
        connection.close()
    return measurements


def measure_public_lists(here: Place) -> list[PublicList]:
    """Measure each public list whole and unchanged, side by side."""
    connection = KeptConnection(here.server.port, {})
    lists = [_measure_public(connection, path) for path in PUBLIC_PATHS]
    connection.close()
    return lists


def path_of(parameters: Parameters) -> str:
    """Return the path of the list of the library with ``parameters``."""
    return f"{PATH}?{urlencode({'page_size': PAGE_SIZE, **parameters})}"


def _cases(here: Place) -> Iterator[tuple[str, Case]]:
    for role, user_id in USERS.items():
        with here.app.app_context():
            files = select(func.count()).select_from(MediaFile)
            count = db.session.scalar(files if role == "admin" else files.where(MediaFile.uploaded_by == user_id))
            db.session.remove()
        last_page = max(1, count // PAGE_SIZE)
        for group, named in ((ALONE, _alone(last_page)), (COMBINED, _combined(last_page))):
            yield from ((group, Case(name, role, parameters)) for name, parameters in named.items())


def _alone(last_page: int) -> dict[str, Parameters]:
    orderings = {f"by {sign}{name}": {"ordering": sign + name} for name in ORDERINGS for sign in ("", "-")}
    return {
        "no filter": {},
        "last page": {"page": str(last_page)},
        "class image": {"file_type": "image"},
        "class document": {"file_type": "document"},
        "extension jpg": {"file_type": "jpg"},
        "extension doc": {"file_type": "doc"},
        "type application/pdf": {"file_type": "application/pdf"},
        "types any of two": {"file_type": "image/png,pdf"},
        "uploaded in a month": {"date_range": f"{_day(-400)},{_day(-370)}"},
        "uploaded from": {"date_range": f"{_day(-700)},"},
        "uploaded until": {"date_range": f",{_day(-200)}"},
        "user_id few": {"user_id": "3"},
        "user_id many": {"user_id": "2"},
        "user_id nobody": {"user_id": "999999"},
        "unused": {"unused": "true"},
        "used": {"unused": "false"},
        "search commonest": {"search": texts.COMMON_WORD},
        "search rare": {"search": texts.RARE_WORD},
        "search two words": {"search": f"{texts.COMMON_WORD} skjemaet"},
        "search one letter": {"search": "k"},
        "search nothing found": {"search": "xylofon"},
        **orderings,
    }


def _combined(last_page: int) -> dict[str, Parameters]:
    word = {"search": texts.COMMON_WORD}
    return {
        "document, by -file_size": {"file_type": "document", "ordering": "-file_size"},
        "doc, by filename": {"file_type": "doc", "ordering": "filename"},
        "unused, last page": {"unused": "true", "page": str(max(1, last_page - 30))},
        "used, by filename": {"unused": "false", "ordering": "filename"},
        "commonest word, unused, jpg": {**word, "unused": "true", "file_type": "jpg"},
        "commonest word, used": {**word, "unused": "false"},
        "commonest word, doc": {**word, "file_type": "doc"},
        "commonest word, by -file_size": {**word, "ordering": "-file_size"},
        "commonest word in a month": {**word, "date_range": f"{_day(-400)},{_day(-370)}"},
    }


def _measure_public(connection: KeptConnection, path: str) -> PublicList:
    whole, unchanged, statements = [], [], {200: 0, 304: 0}
    response, content, _ = connection.get(path)
    failure = None if response.status == 200 else f"answered {response.status}: {content[:200]!r}"
    tag = response.headers["ETag"] or ""
    for _ in range(REPETITIONS):
        for expected, times, headers in ((200, whole, {}), (304, unchanged, {"If-None-Match": tag})):
            response, _, _ = connection.get(path, headers)
            if response.status != expected and failure is None:
                failure = f"answered {response.status} instead of {expected}"
            times.append(server_time(response))
            statements[expected] = max(statements[expected], statements_of(response))
    return PublicList(path, median(whole), statements[200], median(unchanged), statements[304], len(content), failure)


def _day(distance: int) -> str:
    return (clock.now().date() + timedelta(days=distance)).isoformat()
