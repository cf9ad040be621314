"""Pages of lists: rows and the count of all of them, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, func, select

from nxfs.core.errors import NotFoundError
from nxfs.core.messages import Text
from nxfs.extensions import db


@dataclass(frozen=True)
class Page:
    """One page of rows, the count of the whole list, and what its envelope carries besides."""

    items: Sequence[Any]
    count: int
    page: int
    page_size: int
    extra: dict[str, Any] = field(default_factory=dict)


def fetch_page(
    rows: Select[Any],
    *,
    page: int,
    page_size: int,
    extra: dict[str, Any] | None = None,
    counted: Select[Any] | None = None,
) -> Page:
    """Return page ``page`` of ``rows`` with the count of all rows, in one statement.

    ``counted`` is the statement whose rows are counted, when a simpler one than ``rows`` has as many.
    Raises ``NotFoundError`` for a page past the end; the first page of an empty list is an empty page.
    """
    source = (counted if counted is not None else rows).order_by(None).subquery()
    total = select(func.count()).select_from(source).scalar_subquery()
    offset = (page - 1) * page_size
    found = db.session.execute(rows.add_columns(total.label("total_count")).limit(page_size).offset(offset)).all()
    count = found[0].total_count if found else 0
    return page_of(found, count=count, page=page, page_size=page_size, extra=extra)


def page_of(
    items: Sequence[Any], *, count: int, page: int, page_size: int, extra: dict[str, Any] | None = None
) -> Page:
    """Return ``items`` as page ``page``; raise ``NotFoundError`` when a page behind the first has none."""
    if not items and page > 1:
        raise NotFoundError(Text("There is no page {page}.", "Side {page} finnes ikke.").fill(page=page))
    return Page(items=items, count=count, page=page, page_size=page_size, extra=extra or {})
