"""Parts of a range of days, and what is counted in each of them by one statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import ARRAY, Date, DateTime, ScalarSelect, String, bindparam, func, select

from nxfs.extensions import db

WIDTHS = ("day", "week", "month")
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Bucket:
    """The days from ``first`` to ``last`` in a time zone, which are the time from ``begins`` until before ``ends``."""

    first: date
    last: date
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Edges:
    """The columns of the buckets in a statement, to compare with."""

    first: Any
    last: Any
    begins: Any
    ends: Any

    def hold(self, moment: Any) -> Any:
        """Return the condition that the column ``moment`` lies in the bucket."""
        return (moment >= self.begins) & (moment < self.ends)


Measure = Callable[[Edges], ScalarSelect[Any]]


def bucket_of(first: date, last: date, zone: str) -> Bucket:
    """Return the bucket of the days from ``first`` to ``last`` in ``zone``, however long the clock makes each."""
    begins, ends = (datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC) for day in (first, last + _ONE_DAY))
    return Bucket(first, last, begins, ends)


def split(start: date, end: date, width: str, zone: str) -> list[Bucket]:
    """Return the days, weeks (from Monday) or months from ``start`` to ``end``; the first and last may be parts."""
    buckets = []
    first = start
    while first <= end:
        last = min(_last_day(first, width), end)
        buckets.append(bucket_of(first, last, zone))
        first = last + _ONE_DAY
    return buckets


def measure(buckets: Sequence[Bucket], measures: dict[str, Measure]) -> list[dict[str, Any]]:
    """Return for each bucket its ``start`` and ``end``, and by name what the measures come to.

    Each measure is a look into an index for each bucket: what lies outside of them is not read.
    """
    table, edges = _table_of(buckets)
    columns = [make(edges).label(name) for name, make in measures.items()]
    rows = db.session.execute(select(table.c.number, *columns)).all()
    by_number = {int(row.number): row for row in rows}
    # SQLite numbers them from 0 on.
    offset = min(by_number)
    return [
        {
            "start": bucket.first,
            "end": bucket.last,
            **{name: int(getattr(by_number[number], name) or 0) for name in measures},
        }
        for number, bucket in enumerate(buckets, offset)
    ]


def _last_day(first: date, width: str) -> date:
    if width == "week":
        return first + timedelta(days=6 - first.weekday())
    if width == "month":
        return (first.replace(day=1) + timedelta(days=31)).replace(day=1) - _ONE_DAY
    return first


def _table_of(buckets: Sequence[Bucket]) -> tuple[Any, Edges]:
    """Return the buckets as rows of a statement, whose text is the same however many there are."""
    names = ("first", "last", "begins", "ends")
    if db.session.get_bind().dialect.name == "postgresql":
        types: tuple[Any, ...] = (Date(), Date(), DateTime(timezone=True), DateTime(timezone=True))
        arrays = [
            bindparam(name, [getattr(bucket, name) for bucket in buckets], ARRAY(kind))
            for name, kind in zip(names, types, strict=True)
        ]
        table = func.unnest(*arrays).table_valued(*names, with_ordinality="number", name="buckets").render_derived()
        return table, Edges(**{name: table.c[name] for name in names})
    rows = [
        [bucket.first.isoformat(), bucket.last.isoformat(), _stored(bucket.begins), _stored(bucket.ends)]
        for bucket in buckets
    ]
    table = func.json_each(orjson.dumps(rows).decode()).table_valued(db.column("key"), db.column("value"))
    numbered = select(table.c.key.label("number"), table.c.value).subquery("buckets")
    cells = [
        func.json_extract(numbered.c.value, f"$[{number}]", type_=String).label(name)
        for number, name in enumerate(names)
    ]
    return numbered, Edges(**dict(zip(names, cells, strict=True)))


def _stored(moment: datetime) -> str:
    """Return a time as SQLite stores it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")
