"""Reads of the media library: one file, the filtered list, and where a file is used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, exists, func, select, true

from nxfs.blog.errors import MediaNotFoundError
from nxfs.blog.models import PLACES, MediaFile, MediaUsage, Post
from nxfs.blog.queries.visibility import sees_post
from nxfs.core import search, search_index
from nxfs.core.actor import Actor
from nxfs.core.database import aggregated
from nxfs.core.pagination import Page, fetch_page
from nxfs.core.search_index import Key, Listing
from nxfs.core.settings import setting
from nxfs.extensions import db
from nxfs.files import links
from nxfs.files.models import StoredFile
from nxfs.files.queries import file_columns

DEFAULT_ORDERING = [("upload_date", True)]
# In the answer to one file; the list of its usages has all of them, in pages.
MOST_USAGES = 100
FIRST_DAY, LAST_DAY = date.min + timedelta(days=2), date.max - timedelta(days=2)


def of_file(column: Any) -> ColumnElement[Any]:
    """Return a column of the stored file of a row of ``media_files``."""
    return select(column).where(StoredFile.id == MediaFile.file_id).scalar_subquery()


# What a media file is on the wire.
COLUMNS = (
    MediaFile.id,
    MediaFile.version,
    MediaFile.format,
    MediaFile.file_size,
    MediaFile.upload_date,
    MediaFile.uploaded_by,
    MediaFile.description,
    MediaFile.alt_text,
    of_file(StoredFile.original_filename).label("original_filename"),
    *(of_file(column).label(name) for name, column in file_columns().items()),
)
DETAILS = (of_file(StoredFile.height).label("file_height"), of_file(StoredFile.sha256).label("sha256"))


def sees_media(actor: Actor) -> ColumnElement[bool]:
    """Return the condition that ``actor`` sees a row of ``media_files``."""
    return true() if _manages_all(actor) else MediaFile.uploaded_by == actor.id


def get_media(*, actor: Actor, media_id: int) -> Row[Any]:
    """Return the file of the library; raise ``MediaNotFoundError`` when there is none or ``actor`` may not see it."""
    return _get(COLUMNS, actor, media_id)


def get_media_with_details(*, actor: Actor, media_id: int) -> dict[str, Any]:
    """Return the file with its derivatives and the first of its usages. Raises ``MediaNotFoundError``."""
    row = _get((*COLUMNS, *DETAILS), actor, media_id)
    used_by = select(func.count(MediaUsage.post_id.distinct())).where(MediaUsage.media_id == media_id)
    found = db.session.execute(_select_usages(actor, media_id).limit(MOST_USAGES)).all()
    return {
        **row._mapping,
        "width": row.file_width,
        "height": row.file_height,
        "derivatives": _derivatives(row),
        "usages": [_usage(each) for each in found],
        "usage_count": db.session.scalar(used_by),
    }


def list_media(*, actor: Actor, filters: dict[str, Any]) -> Page:
    """Return a page of the files that ``actor`` sees and that pass all ``filters`` (see ``MediaQuerySchema``)."""
    conditions, properties = _conditions(filters), _properties(actor, filters)
    if "search" in filters:
        # The index that finds the words knows these properties too.
        question = search_index.question(search.words_of(filters["search"]), [facets for facets, _ in properties])
    else:
        question = search_index.question(None, ())
        conditions += [condition for _, condition in properties]
    return search_index.fetch_page(
        Listing(MediaFile, question, tuple(conditions)),
        COLUMNS,
        _keys(filters.get("ordering") or DEFAULT_ORDERING),
        page=filters["page"],
        page_size=filters["page_size"],
    )


def list_usages(*, actor: Actor, media_id: int, filters: dict[str, Any]) -> Page:
    """Return a page of the posts that use the file and that ``actor`` sees. Raises ``MediaNotFoundError``."""
    _get((MediaFile.id,), actor, media_id)
    page = fetch_page(_select_usages(actor, media_id), page=filters["page"], page_size=filters["page_size"])
    return Page([_usage(row) for row in page.items], page.count, page.page, page.page_size)


def find_affected_posts(*, actor: Actor, media_id: int) -> list[dict[str, Any]]:
    """Return the usages in the posts that lose something with the file: all of them, seen by ``actor`` or not.

    The title and the slug of posts that ``actor`` does not see are null. Raises ``MediaNotFoundError``.
    """
    _get((MediaFile.id,), actor, media_id)
    rows = db.session.execute(_select_usages(None, media_id)).all()
    seen = set(db.session.scalars(select(Post.id).where(Post.id.in_([row.post_id for row in rows]), sees_post(actor))))
    return [_usage(row) | ({} if row.post_id in seen else {"title": None, "slug": None}) for row in rows]


def _manages_all(actor: Actor) -> bool:
    return "media.manage" in actor.permissions


def _get(columns: Sequence[Any], actor: Actor, media_id: int) -> Row[Any]:
    row = db.session.execute(select(*columns).where(MediaFile.id == media_id, sees_media(actor))).one_or_none()
    if row is None:
        raise MediaNotFoundError
    return row


def _select_usages(actor: Actor | None, media_id: int) -> Any:
    """Return the statement of the posts that use the file; with ``actor`` only those that they see."""
    places = aggregated(
        {"place": MediaUsage.place},
        MediaUsage.media_id == media_id,
        MediaUsage.post_id == Post.id,
        order_by=("place",),
    )
    is_used = Post.id.in_(select(MediaUsage.post_id).where(MediaUsage.media_id == media_id))
    columns = (Post.id.label("post_id"), Post.title, Post.slug, Post.status, places.label("rows"))
    return select(*columns).where(is_used, true() if actor is None else sees_post(actor)).order_by(Post.id)


def _usage(row: Row[Any]) -> dict[str, Any]:
    places = sorted((each["place"] for each in row.rows), key=PLACES.index)
    return {"post_id": row.post_id, "title": row.title, "slug": row.slug, "status": row.status, "places": places}


def _derivatives(row: Row[Any]) -> list[dict[str, Any]]:
    """Return the smaller images that can be asked for, each width that results once."""
    if row.file_width is None:
        return []
    by_width: dict[int, int] = {}
    for asked in links.WIDTHS:
        by_width.setdefault(min(asked, row.file_width), asked)
    return [
        {
            "width": width,
            "height": max(1, round(row.file_height * width / row.file_width)),
            "path": links.path_of(row.file_name, row.file_public_from, width=asked),
        }
        for width, asked in by_width.items()
    ]


def _properties(actor: Actor, filters: dict[str, Any]) -> list[tuple[list[str], ColumnElement[bool]]]:
    """Return what is asked of uploader and format, each as facets of the search index and as a condition."""
    uploaders = [] if _manages_all(actor) else [actor.id]
    uploaders += [filters["user_id"]] if "user_id" in filters else []
    properties = [([f"u{user_id}"], MediaFile.uploaded_by == user_id) for user_id in uploaders]
    if "formats" in filters:
        names = filters["formats"]
        properties.append(([f"f{name}" for name in names], MediaFile.format.in_(names)))
    return properties


def _conditions(filters: dict[str, Any]) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.get("date_start"):
        conditions.append(MediaFile.upload_date >= _beginning_of(filters["date_start"]))
    if filters.get("date_end"):
        conditions.append(MediaFile.upload_date < _end_of(filters["date_end"]))
    if "unused" in filters:
        is_used = exists().where(MediaUsage.media_id == MediaFile.id)
        conditions.append(~is_used if filters["unused"] else is_used)
    return conditions


def _beginning_of(day: date) -> datetime:
    """Return the first moment of ``day`` in the configured zone; days that no clock reaches in UTC are moved."""
    reachable = min(max(day, FIRST_DAY), LAST_DAY)
    return datetime.combine(reachable, time.min, ZoneInfo(setting("TIME_ZONE")))


def _end_of(day: date) -> datetime:
    return _beginning_of(min(day, LAST_DAY) + timedelta(days=1))


def _keys(names: Sequence[tuple[str, bool]]) -> list[Key]:
    columns = {
        "filename": MediaFile.filename_key,
        "file_size": MediaFile.file_size,
        "upload_date": MediaFile.upload_date,
    }
    keys = [Key(columns[name], is_descending) for name, is_descending in names]
    return [*keys, Key(MediaFile.id, keys[-1].is_descending)]


def find_media_by_names(names: Sequence[str]) -> Sequence[Row[Any]]:
    """Return the ids and the uploaders of the files of the library with these generated names."""
    columns = (MediaFile.id, MediaFile.uploaded_by)
    found = select(*columns).join(StoredFile, StoredFile.id == MediaFile.file_id).where(StoredFile.name.in_(names))
    return db.session.execute(found.order_by(MediaFile.id)).all()
