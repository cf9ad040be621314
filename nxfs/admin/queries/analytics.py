"""Reading how the service is used: a few statements for each section, on indexes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Float, cast, extract, func, or_, select

from nxfs.admin.queries.buckets import Bucket, bucket_of, measure, split
from nxfs.auth.models import ActiveDay, User
from nxfs.blog.models import MediaFile, Post
from nxfs.core import clock
from nxfs.core.request_counts import RequestCount
from nxfs.core.transaction import release_connection
from nxfs.core.turns import let_others_run
from nxfs.extensions import db
from nxfs.files.models import FileOwner
from nxfs.tasks.models import STATUSES, Project, Task

PERCENTILES = (50, 75, 90, 95)
MOST_NAMED = 20
# Of request counts a statement reads so many days: on SQLite it holds up the whole process.
DAYS_AT_ONCE = 31


@dataclass(frozen=True)
class Period:
    """The days from ``start`` to ``end`` in ``time_zone``, to be shown by the ``width`` (day, week or month)."""

    start: date
    end: date
    width: str
    time_zone: str

    def whole(self) -> Bucket:
        """Return all of it as one bucket."""
        return bucket_of(self.start, self.end, self.time_zone)

    def buckets(self) -> list[Bucket]:
        """Return its parts."""
        return split(self.start, self.end, self.width, self.time_zone)


def read_section(name: str, period: Period) -> dict[str, Any]:
    """Return the section ``name`` of ``SECTIONS``, as its schema has it; others run before it returns."""
    section = SECTIONS[name](period)
    release_connection()
    # On SQLite each statement holds up the whole process.
    let_others_run()
    return section


def _users(period: Period) -> dict[str, Any]:
    whole = period.whole()
    active = select(func.count(func.distinct(ActiveDay.user_id)))
    totals = select(
        func.count().label("total"),
        func.count().filter(User.is_active).label("enabled"),
        active.where(ActiveDay.day.between(whole.first, whole.last)).scalar_subquery().label("active"),
    ).where(User.erased_at.is_(None))
    per_bucket = measure(
        period.buckets(),
        {
            "active": lambda edges: active.where(
                ActiveDay.day >= edges.first, ActiveDay.day <= edges.last
            ).scalar_subquery(),
            "new": lambda edges: select(func.count()).where(edges.hold(User.date_joined)).scalar_subquery(),
        },
    )
    return {**db.session.execute(totals).one()._mapping, "buckets": per_bucket}


def _tasks(period: Period) -> dict[str, Any]:
    per_bucket = measure(
        period.buckets(),
        {
            "created": lambda edges: select(func.count()).where(edges.hold(Task.created_at)).scalar_subquery(),
            "completed": lambda edges: select(func.count()).where(edges.hold(Task.completed_at)).scalar_subquery(),
        },
    )
    release_connection()
    let_others_run()
    by_status = select(Task.status, func.count().label("count")).group_by(Task.status)
    counts = {row["status"]: row["count"] for row in db.session.execute(by_status).mappings()}
    total = sum(counts.values())
    release_connection()
    let_others_run()
    return {
        "total": total,
        "buckets": per_bucket,
        "by_status": [{"status": status, "count": counts.get(status, 0)} for status in STATUSES],
        **_by_project(total),
    }


def _by_project(total: int) -> dict[str, Any]:
    count = func.count().label("count")
    counted = select(Task.project_id, count, func.sum(func.count()).over().label("in_projects"))
    counted = counted.where(Task.project_id.is_not(None)).group_by(Task.project_id)
    largest = counted.order_by(count.desc(), Task.project_id).limit(MOST_NAMED).subquery()
    named = select(largest, Project.name).join(Project, Project.id == largest.c.project_id)
    rows = db.session.execute(named.order_by(largest.c.count.desc(), largest.c.project_id)).all()
    in_projects = int(rows[0].in_projects) if rows else 0
    return {
        "by_project": [{"project_id": row.project_id, "name": row.name, "count": row.count} for row in rows],
        "in_other_projects": in_projects - sum(row.count for row in rows),
        "without_project": total - in_projects,
    }


def _lead_time(period: Period) -> dict[str, Any]:
    """Interpolate between the two nearest, as PostgreSQL's percentile_cont does; read no more than these."""
    whole = period.whole()
    if db.session.get_bind().dialect.name == "postgresql":
        seconds = extract("epoch", Task.completed_at - Task.created_at)
    else:
        seconds = (func.julianday(Task.completed_at) - func.julianday(Task.created_at)) * 86_400
    completed = select(cast(seconds, Float).label("seconds"))
    completed = completed.where(Task.completed_at >= whole.begins, Task.completed_at < whole.ends).subquery()
    place = (func.row_number().over(order_by=completed.c.seconds) - 1).label("place")
    placed = select(completed.c.seconds, place, func.count().over().label("total")).subquery()
    # A hundred times the place below each percentile, so that all numbers are whole ones.
    lower = [((placed.c.total - 1) * percent - (((placed.c.total - 1) * percent) % 100)) for percent in PERCENTILES]
    is_near = or_(*[(placed.c.place * 100).in_([each, each + 100]) for each in lower])
    rows = db.session.execute(select(placed).where(is_near)).all()
    values = {row.place: row.seconds for row in rows}
    count = rows[0].total if rows else 0
    return {"count": count, **{f"p{percent}": _percentile(values, count, percent) for percent in PERCENTILES}}


def _percentile(values: dict[int, float], count: int, percent: int) -> float | None:
    if not count:
        return None
    lower, part = divmod((count - 1) * percent, 100)
    nearest = values[lower]
    # In hours; below a second is not worth telling.
    seconds = nearest + (values[lower + 1] - nearest) * part / 100 if part else nearest
    return round(round(seconds) / 3600, 4)


def _posts(period: Period) -> dict[str, Any]:
    is_public = (Post.status == "published") & (Post.published_at <= clock.now())
    per_bucket = measure(
        period.buckets(),
        {
            "created": lambda edges: select(func.count()).where(edges.hold(Post.created_at)).scalar_subquery(),
            "published": lambda edges: (
                select(func.count()).where(is_public, edges.hold(Post.published_at)).scalar_subquery()
            ),
        },
    )
    totals = select(func.count().label("total"), func.count().filter(is_public).label("published")).select_from(Post)
    return {**db.session.execute(totals).one()._mapping, "buckets": per_bucket}


def _media(period: Period) -> dict[str, Any]:
    size = func.coalesce(func.sum(MediaFile.file_size), 0)
    per_bucket = measure(
        period.buckets(),
        {
            "files": lambda edges: select(func.count()).where(edges.hold(MediaFile.upload_date)).scalar_subquery(),
            "bytes": lambda edges: select(size).where(edges.hold(MediaFile.upload_date)).scalar_subquery(),
        },
    )
    totals = db.session.execute(select(func.count().label("files"), size.label("bytes")).select_from(MediaFile)).one()
    return {"files": totals.files, "bytes": int(totals.bytes), "buckets": per_bucket}


def _storage(period: Period) -> dict[str, Any]:
    total = func.sum(FileOwner.used_bytes).over().label("total_bytes")
    used = select(FileOwner.owner_id, FileOwner.used_bytes, total).where(FileOwner.used_bytes > 0)
    largest = used.order_by(FileOwner.used_bytes.desc(), FileOwner.owner_id).limit(MOST_NAMED).subquery()
    # Files may outlive an account.
    named = select(largest, User.username, User.display_name).join(User, User.id == largest.c.owner_id, isouter=True)
    rows = db.session.execute(named.order_by(largest.c.used_bytes.desc(), largest.c.owner_id)).all()
    total_bytes = int(rows[0].total_bytes) if rows else 0
    users = [
        {"user_id": row.owner_id, "name": row.display_name or row.username or "", "used_bytes": row.used_bytes}
        for row in rows
    ]
    return {
        "total_bytes": total_bytes,
        "by_user": users,
        "others_bytes": total_bytes - sum(user["used_bytes"] for user in users),
    }


def _requests(period: Period) -> dict[str, Any]:
    names = ("requests", "client_errors", "server_errors", "milliseconds")
    sums = [func.sum(getattr(RequestCount, name)).label(name) for name in names]
    endpoints: dict[tuple[str, str], dict[str, float]] = {}
    first = period.start
    while first <= period.end:
        part = bucket_of(first, min(first + timedelta(days=DAYS_AT_ONCE - 1), period.end), period.time_zone)
        counted = select(RequestCount.method, RequestCount.route, *sums)
        counted = counted.where(RequestCount.hour >= part.begins, RequestCount.hour < part.ends)
        for row in db.session.execute(counted.group_by(RequestCount.method, RequestCount.route)):
            known = endpoints.setdefault((row.method, row.route), dict.fromkeys(names, 0))
            for name in names:
                known[name] += row._mapping[name]
        release_connection()
        let_others_run()
        first = part.last + timedelta(days=1)
    ordered = sorted(endpoints.items(), key=lambda item: (-item[1]["requests"], item[0]))
    total = {name: sum(endpoint[name] for endpoint in endpoints.values()) for name in names}
    return {
        **_rates(total),
        "by_endpoint": [{"method": method, "route": route, **_rates(sums)} for (method, route), sums in ordered],
    }


def _rates(sums: dict[str, float]) -> dict[str, Any]:
    requests = int(sums["requests"])
    client_errors, server_errors = int(sums["client_errors"]), int(sums["server_errors"])
    divisor = requests or 1
    return {
        "requests": requests,
        "client_errors": client_errors,
        "server_errors": server_errors,
        "client_error_rate": round(client_errors / divisor, 4),
        "server_error_rate": round(server_errors / divisor, 4),
        "average_ms": round(sums["milliseconds"] / divisor, 1),
    }


SECTIONS: dict[str, Callable[[Period], dict[str, Any]]] = {
    "users": _users,
    "tasks": _tasks,
    "lead_time": _lead_time,
    "posts": _posts,
    "media": _media,
    "storage": _storage,
    "requests": _requests,
}
