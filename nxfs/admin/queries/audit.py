"""Reading the audit log: pages of it, and all of it in small parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, false, func, literal_column, select, tuple_

from nxfs.auth.models import User
from nxfs.auth.queries import comparable
from nxfs.core.audit import AuditEntry, all_actions
from nxfs.core.messages import translate
from nxfs.core.names import as_identifier
from nxfs.core.pagination import Page, page_of
from nxfs.core.transaction import release_connection
from nxfs.core.turns import let_others_run
from nxfs.extensions import db

# So many hold the loop for some milliseconds.
BATCH = 250
_COLUMNS = (
    AuditEntry.id,
    AuditEntry.occurred_at,
    AuditEntry.actor_id,
    User.username,
    User.display_name,
    AuditEntry.action,
    AuditEntry.target_type,
    AuditEntry.target_id,
    AuditEntry.changes,
    AuditEntry.outcome,
    AuditEntry.request_id,
    AuditEntry.address,
    AuditEntry.user_agent,
    AuditEntry.day,
    AuditEntry.position,
    AuditEntry.digest,
    AuditEntry.link,
)

Place = tuple[datetime, int]


def list_entries(*, filters: Mapping[str, Any], language: str) -> Page:
    """Return a page of the entries that pass all ``filters`` (see ``AuditQuerySchema``), the newest first.

    Its ``next_cursor`` is the place of its last entry, None at the end of the list.
    """
    is_oldest_first = filters.get("ordering", [])[:1] == [("occurred_at", False)]
    conditions = conditions_of(filters)
    if "cursor" in filters:
        conditions.append(_is_behind(filters["cursor"], is_oldest_first))
    ordering = _ordering(is_oldest_first)
    matching = select(AuditEntry.id).where(*conditions)
    total = select(func.count()).select_from(matching.subquery()).scalar_subquery()
    size, number = filters["page_size"], filters["page"]
    # By their ids, which the indexes have: what lies before the page is not read.
    chosen = matching.order_by(*ordering).limit(size).offset((number - 1) * size).subquery()
    wanted = select(*_COLUMNS, total.label("total_count")).join(chosen, chosen.c.id == AuditEntry.id)
    rows = db.session.execute(wanted.outerjoin(User, User.id == AuditEntry.actor_id).order_by(*ordering)).all()
    page = page_of(rows, count=rows[0].total_count if rows else 0, page=number, page_size=size)
    is_last = page.page * page.page_size >= page.count
    last = None if is_last else (page.items[-1].occurred_at, page.items[-1].id)
    return replace(page, items=[item_of(row, language) for row in page.items], extra={"next_cursor": last})


def iterate(filters: Mapping[str, Any]) -> Iterator[Row[Any]]:
    """Yield all entries that pass ``filters``, the newest first, holding some of them and no connection meanwhile."""
    place: Place | None = None
    while True:
        behind = [] if place is None else [_is_behind(place, False)]
        wanted = select(*_COLUMNS).outerjoin(User, User.id == AuditEntry.actor_id)
        wanted = wanted.where(*conditions_of(filters), *behind).order_by(*_ordering(False)).limit(BATCH)
        rows = db.session.execute(wanted).all()
        release_connection()
        yield from rows
        if len(rows) < BATCH:
            return
        place = (rows[-1].occurred_at, rows[-1].id)
        let_others_run()


def item_of(row: Row[Any], language: str) -> dict[str, Any]:
    """Return an entry as clients see it, with what it means in ``language``."""
    sentence = all_actions().get(row.action)
    actor = {"id": row.actor_id, "username": row.username, "display_name": row.display_name}
    target = {"type": row.target_type, "id": row.target_id}
    return {
        "id": row.id,
        "occurred_at": row.occurred_at,
        "actor": actor if row.actor_id is not None else None,
        "action": row.action,
        # One that an older version of the program had means nothing any more.
        "description": translate(sentence, language) if sentence else row.action,
        "target": target if row.target_type is not None else None,
        **{name: getattr(row, name) for name in ("changes", "outcome", "request_id", "address", "user_agent")},
        **{name: getattr(row, name) for name in ("day", "position", "digest", "link")},
    }


def conditions_of(filters: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """Return the conditions that ``filters`` ask for."""
    conditions: list[ColumnElement[bool]] = []
    if "actor" in filters:
        conditions.append(_is_actor(filters["actor"]))
    if "action" in filters:
        conditions.append(_is_action(filters["action"]))
    if "target" in filters:
        target_type, target_id = filters["target"]
        conditions += [AuditEntry.target_type == target_type, AuditEntry.target_id == target_id]
    if "since" in filters:
        conditions.append(AuditEntry.occurred_at >= filters["since"])
    if "until" in filters:
        conditions.append(AuditEntry.occurred_at < filters["until"])
    if "outcome" in filters:
        # Written out, or no engine would use the index that has failures only. It is of a closed list.
        conditions.append(AuditEntry.outcome == literal_column(f"'{filters['outcome']}'"))
    if "request_id" in filters:
        conditions.append(AuditEntry.request_id == filters["request_id"])
    return conditions


def _ordering(is_oldest_first: bool) -> Sequence[ColumnElement[Any]]:
    columns = (AuditEntry.occurred_at, AuditEntry.id)
    return [column.asc() if is_oldest_first else column.desc() for column in columns]


def _is_behind(place: Place, is_oldest_first: bool) -> ColumnElement[bool]:
    moment, entry_id = place
    # With the types of the columns, or SQLite would compare a time with another text.
    here = tuple_(AuditEntry.occurred_at, AuditEntry.id)
    there = tuple_(db.literal(moment, AuditEntry.occurred_at.type), db.literal(entry_id, AuditEntry.id.type))
    return here > there if is_oldest_first else here < there


def _is_actor(name: str) -> ColumnElement[bool]:
    identifier = as_identifier(name)
    if isinstance(identifier, int):
        return AuditEntry.actor_id == identifier
    return AuditEntry.actor_id == select(User.id).where(User.username_key == comparable(name)).scalar_subquery()


def _is_action(names: list[str]) -> ColumnElement[bool]:
    """Return the condition of the named actions; a name that ends with a point means all that begin with it."""
    prefixes = [name for name in names if name.endswith(".")]
    wanted = [name for name in names if not name.endswith(".")]
    wanted += [name for name in all_actions() if any(name.startswith(prefix) for prefix in prefixes)]
    return AuditEntry.action.in_(wanted) if wanted else false()
