"""How many bytes each owner's files take, and may take."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select, text

from nxfs.core.settings import setting
from nxfs.core.transaction import Transaction
from nxfs.extensions import db
from nxfs.files.errors import QuotaExceededError
from nxfs.files.formats import EXPORT_FORMATS, MEGABYTE
from nxfs.files.models import FileOwner, StoredFile

ADD_OWNER = text(
    "INSERT INTO file_owners (owner_id, used_bytes) VALUES (:owner_id, 0) ON CONFLICT (owner_id) DO NOTHING"
)
# The check and the change are one statement, so that two uploads at once cannot both have the last room.
_TAKE = text(
    "UPDATE file_owners SET used_bytes = used_bytes + :size "
    "WHERE owner_id = :owner_id AND (:quota = 0 OR used_bytes + :size <= :quota)"
)
_GIVE_BACK = text(
    "UPDATE file_owners SET used_bytes = CASE WHEN used_bytes < :size THEN 0 ELSE used_bytes - :size END "
    "WHERE owner_id = :owner_id"
)


def is_counted(format_name: str) -> bool:
    """True when files of this format take room of their owner's; exports do not, they go by themselves."""
    return format_name not in EXPORT_FORMATS


def is_counted_file() -> ColumnElement[bool]:
    """Return the condition that a row of ``files`` takes room of its owner's."""
    return StoredFile.format.not_in(EXPORT_FORMATS)


def require_room(owner_id: int, size: int) -> None:
    """Raise ``QuotaExceededError`` when ``size`` more bytes are too many now: before any work is done for them."""
    quota = setting("MEDIA_QUOTA")
    owner = db.session.get(FileOwner, owner_id, populate_existing=True)
    if quota and (owner.used_bytes if owner else 0) + size > quota:
        raise _exceeded(quota)


def refuse_beyond(tx: Transaction, owner_id: int, sizes: Sequence[int]) -> list[QuotaExceededError | None]:
    """Return for each of ``sizes`` why it does not fit beside those before it; None for what does, until ``tx`` ends.

    Nothing that others may hold is locked after it in ``tx``: they take quotas last.
    """
    quota = setting("MEDIA_QUOTA")
    if not quota:
        return [None] * len(sizes)
    tx.session.execute(ADD_OWNER, {"owner_id": owner_id})
    locked = select(FileOwner.used_bytes).where(FileOwner.owner_id == owner_id).with_for_update()
    used = tx.session.scalars(locked).one()
    refusals: list[QuotaExceededError | None] = []
    for size in sizes:
        fits = used + size <= quota
        used += size if fits else 0
        refusals.append(None if fits else _exceeded(quota))
    return refusals


def take(tx: Transaction, owner_id: int, size: int) -> None:
    """Count ``size`` more bytes of the owner when ``tx`` commits; that raises ``QuotaExceededError`` if too many."""

    def count() -> None:
        quota = setting("MEDIA_QUOTA")
        tx.session.execute(ADD_OWNER, {"owner_id": owner_id})
        taken = tx.session.execute(_TAKE, {"owner_id": owner_id, "size": size, "quota": quota})
        if not taken.rowcount:
            raise _exceeded(quota)

    tx.last(_name(owner_id), count)


def give_back(tx: Transaction, owner_id: int, size: int) -> None:
    """Count ``size`` bytes less of the owner when ``tx`` commits."""
    tx.last(_name(owner_id), lambda: tx.session.execute(_GIVE_BACK, {"owner_id": owner_id, "size": size}))


def _name(owner_id: int) -> str:
    return f"quota {owner_id:020}"


def _exceeded(quota: int) -> QuotaExceededError:
    return QuotaExceededError(most=f"{quota / MEGABYTE:.1f}".removesuffix(".0"), details={"quota": quota})
