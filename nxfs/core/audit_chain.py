"""The chain of the audit log: what stands for an entry, and for all entries of a day up to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from nxfs.core import clock
from nxfs.core.messages import Text

MISSING = Text("An entry is missing here.", "En oppføring mangler her.")
CHANGED = Text("What the entry says was changed.", "Innholdet i oppføringen er endret.")
REORDERED = Text(
    "The entry does not follow the one before it: the order was changed, or one of them.",
    "Oppføringen følger ikke den forrige: rekkefølgen er endret, eller en av dem.",
)
CUT_OFF = Text("The end of the day was cut off here.", "Slutten av dagen er kuttet av her.")
TOO_MANY = Text(
    "The day has more entries than were chained: one was added past the chain.",
    "Dagen har flere oppføringer enn det som ble kjedet: en er lagt til utenom kjeden.",
)
OTHER_HEAD = Text(
    "The head of the day is not the link of its last entry.", "Dagens hode er ikke lenken til den siste oppføringen."
)

# All that an entry says. Its id is none of it: the database gives it, and it means nothing.
CONTENTS = (
    "occurred_at",
    "actor_id",
    "action",
    "target_type",
    "target_id",
    "changes",
    "outcome",
    "request_id",
    "address",
    "user_agent",
)

# One text for one value, in ASCII, which every text can be written in.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def ready_to_chain(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new entry with its day and digest; the database's trigger sets its position and link."""
    # As JSON it is read again: a tuple is a list then, and every name a text.
    changes = json.loads(json.dumps(entry["changes"]))
    complete = {**entry, "changes": changes}
    return {**complete, "day": entry["occurred_at"].astimezone(UTC).date(), "digest": digest_of(complete)}


def digest_of(entry: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what ``entry`` says; its time may be a ``datetime`` or the text of one."""
    values = {name: entry[name] for name in CONTENTS}
    if isinstance(values["occurred_at"], datetime):
        values["occurred_at"] = clock.to_wire(values["occurred_at"])
    return sha256(_CANONICAL.encode(values).encode()).hexdigest()


def before_first(day: date) -> str:
    """Return what the first entry of ``day`` is linked to, so that no chain passes for that of another day."""
    return day.isoformat()


def link_of(former: str, digest: str) -> str:
    """Return the link of an entry with this digest behind the entry with the link ``former``."""
    return sha256(f"{former}{digest}".encode()).hexdigest()


@dataclass(frozen=True)
class BrokenLink:
    """Where the chain of a day does not hold. ``position`` and ``entry_id`` are None when there is no such entry."""

    day: date | None
    position: int | None
    entry_id: int | None
    sentence: Text


class Walk:
    """A walk along the chain of ``day``, from its first entry: ``take`` each, then ``end``."""

    def __init__(self, day: date) -> None:
        self.day = day
        self.position = 0
        self.link = before_first(day)

    def take(self, entry: Mapping[str, Any]) -> BrokenLink | None:
        """Go on to ``entry``, which has ``id``, ``position``, ``digest`` and ``link`` besides its contents.

        Returns what is wrong with it, if anything; the walk is over then.
        """
        position, digest, link = entry["position"], entry["digest"], entry["link"]
        if position != self.position + 1:
            return BrokenLink(self.day, self.position + 1, None, MISSING)
        if digest_of(entry) != digest:
            return BrokenLink(self.day, position, entry["id"], CHANGED)
        if link_of(self.link, digest) != link:
            return BrokenLink(self.day, position, entry["id"], REORDERED)
        self.position, self.link = position, link
        return None

    def end(self, *, entries: int, head: str) -> BrokenLink | None:
        """Return what is wrong with the end of the chain, which has ``entries`` and the link ``head``, if anything."""
        if self.position < entries:
            return BrokenLink(self.day, self.position + 1, None, CUT_OFF)
        if self.position > entries:
            return BrokenLink(self.day, entries + 1, None, TOO_MANY)
        return BrokenLink(self.day, self.position, None, OTHER_HEAD) if self.link != head else None
