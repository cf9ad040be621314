"""Notifying: what a transaction has to tell people is stored together, as one of its last steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import literal, select

from nxfs.auth.models import User
from nxfs.core import clock
from nxfs.core.batches import rows_as_select
from nxfs.core.database import insert_into
from nxfs.core.events import audience_of
from nxfs.core.transaction import Transaction
from nxfs.notifications.events import NotificationCreated
from nxfs.notifications.models import Notification, NotificationPreference
from nxfs.notifications.types import TYPES

NAMES = ("user_id", "type", "actor_id", "data", "key", "count")

Row = dict[str, Any]


@dataclass(frozen=True)
class _News:
    """One call of ``notify``."""

    type: str
    recipients: frozenset[int]
    actor_id: int | None
    data: Mapping[str, Any]
    key: str | None
    keeps_type: bool


@dataclass(frozen=True)
class _Draft:
    """A row to write, and whether what it becomes part of keeps its type."""

    row: Row
    keeps_type: bool

    @property
    def mode(self) -> tuple[bool, bool]:
        """What rows that one statement writes have in common."""
        return TYPES[self.row["type"]].is_once, self.keeps_type


@dataclass(frozen=True)
class _People:
    """Names of everybody concerned, who of them can be told at all, and who does not want which type."""

    names: Mapping[int, str]
    active: frozenset[int]
    declined: frozenset[tuple[int, str]]


_collected: WeakKeyDictionary[Transaction, list[_News]] = WeakKeyDictionary()
_quiet: WeakSet[Transaction] = WeakSet()


def notify(
    tx: Transaction,
    type_: str,
    recipients: Iterable[int | None],
    *,
    actor_id: int | None,
    data: Mapping[str, Any],
    key: str | None = None,
    keeps_type: bool = False,
) -> None:
    """Tell ``recipients`` of something when ``tx`` commits: those who are active and want the type, never the actor.

    ``data`` are ids and plain values, what the type's sentence names among them; ``actor_name`` is added. ``key`` says
    what it is about: an unread notification with the same key becomes this one, counted up; with ``keeps_type`` it
    keeps its type. Of a type that is told once, a second one with the key is left out for ever.
    Raises ``KeyError`` for an unknown type.
    """
    if type_ not in TYPES:
        raise KeyError(type_)
    told = frozenset(user_id for user_id in recipients if user_id is not None) - {actor_id}
    if not told or tx in _quiet:
        return
    if tx not in _collected:
        _collected[tx] = []
        tx.last("notifications", lambda: _store(tx))
    _collected[tx].append(_News(type_, told, actor_id, data, key, keeps_type))


def be_quiet(tx: Transaction) -> None:
    """Notify nobody of what ``tx`` does from here on: for loading data that is no news."""
    _quiet.add(tx)


def _store(tx: Transaction) -> None:
    collected = _collected.pop(tx)
    drafts = _merged(collected, _find_people(tx, collected))
    # All transactions lock in this order, and cannot wait for each other in a circle.
    drafts.sort(key=lambda draft: (draft.row["user_id"], draft.row["key"] or ""))
    for (is_once, keeps_type), group in groupby(drafts, key=lambda draft: draft.mode):
        _write(tx, [draft.row for draft in group], is_once=is_once, keeps_type=keeps_type)


def _find_people(tx: Transaction, collected: Sequence[_News]) -> _People:
    recipients = {user_id for news in collected for user_id in news.recipients}
    concerned = recipients | {news.actor_id for news in collected if news.actor_id is not None}
    declines = (
        (NotificationPreference.user_id == User.id)
        & ~NotificationPreference.is_enabled
        & NotificationPreference.type.in_({news.type for news in collected})
    )
    columns = (User.id, User.is_active, User.display_name, User.username, NotificationPreference.type)
    found = select(*columns).outerjoin(NotificationPreference, declines).where(User.id.in_(concerned))
    rows = tx.session.execute(found).all()
    return _People(
        names={row.id: row.display_name or row.username for row in rows},
        active=frozenset(row.id for row in rows if row.is_active),
        declined=frozenset((row.id, row.type) for row in rows if row.type is not None),
    )


def _merged(collected: Sequence[_News], people: _People) -> list[_Draft]:
    """Return what to write; of several about the same thing, one that counts them."""
    drafts: dict[tuple[int, object], _Draft] = {}
    for news in collected:
        actor_name = people.names.get(news.actor_id) if news.actor_id is not None else None
        data = {**news.data, "actor_name": actor_name}
        for user_id in news.recipients & people.active:
            if (user_id, news.type) in people.declined:
                continue
            # Without a key nothing else is about the same.
            about = (user_id, news.key or object())
            former = drafts.get(about)
            row = {"user_id": user_id, "actor_id": news.actor_id, "data": data, "key": news.key}
            row["count"] = former.row["count"] + 1 if former else 1
            row["type"] = former.row["type"] if former and news.keeps_type else news.type
            drafts[about] = _Draft(row, news.keeps_type and (former is None or former.keeps_type))
    return list(drafts.values())


def _write(tx: Transaction, rows: list[Row], *, is_once: bool, keeps_type: bool) -> None:
    """Insert the rows, or make what is there say the same, and tell of each notification that is news now."""
    now = literal(clock.now(), Notification.created_at.type)
    selected = rows_as_select(Notification.__table__, NAMES, rows).add_columns(now, now)
    insert = insert_into(Notification.__table__).from_select([*NAMES, "created_at", "updated_at"], selected)
    about = [Notification.user_id, Notification.key]
    if is_once:
        written = insert.on_conflict_do_nothing(index_elements=about)
    else:
        changed = {name: insert.excluded[name] for name in ("actor_id", "data", "updated_at")}
        changed["count"] = Notification.count + insert.excluded.count
        changed["type"] = Notification.type if keeps_type else insert.excluded.type
        written = insert.on_conflict_do_update(index_elements=about, set_=changed)
    returned = written.returning(Notification.id, Notification.user_id, Notification.actor_id)
    for row in tx.session.execute(returned).all():
        heard = audience_of(user_ids=[row.user_id])
        event = NotificationCreated(notification_id=row.id, user_id=row.user_id, audience=heard)
        tx.emit(event, actor_id=row.actor_id)
