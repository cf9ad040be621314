"""How people are shown to others: names and pictures, kept for a minute because everybody is shown the same ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from cachetools import TTLCache
from gevent.lock import RLock
from sqlalchemy import Row

from nxfs.auth import queries
from nxfs.core.transaction import release_connection
from nxfs.files import addresses, links

REMEMBERED_SECONDS = 60
MOST_REMEMBERED = 10_000


class Profiles:
    """The profiles that this process has shown last. Changes of them are told by ``forget``."""

    def __init__(self) -> None:
        self._known: TTLCache[int, dict[str, Any]] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
        self._forgotten = 0
        self._reading = RLock()

    def get(self, user_ids: Collection[int]) -> dict[int, dict[str, Any]]:
        """Return the profiles of those of the users that exist, by id; those that are not kept by one statement.

        They are ``user_id``, ``username``, ``display_name`` (the username when there is none) and ``profile_picture``,
        an absolute address or None.
        """
        found, missing = self._find(user_ids)
        if missing:
            # One reads for all who wait; the connection of whoever waits is another's meanwhile.
            release_connection()
            with self._reading:
                others, missing = self._find(missing)
                found |= others | self._read(missing)
        # Kept without a host, which is that of the request when PUBLIC_URL is not set.
        base = addresses.absolute("")
        return {user_id: _with_host(profile, base) for user_id, profile in found.items()}

    def forget(self, user_id: int) -> None:
        """Read the user's profile anew when it is asked for."""
        self._forgotten += 1
        self._known.pop(user_id, None)

    def _find(self, user_ids: Collection[int]) -> tuple[dict[int, dict[str, Any]], list[int]]:
        """Return the profiles that are kept, and of whom there is none."""
        known = {user_id: self._known.get(user_id) for user_id in user_ids}
        missing = [user_id for user_id, profile in known.items() if profile is None]
        return {user_id: profile for user_id, profile in known.items() if profile is not None}, missing

    def _read(self, user_ids: Collection[int]) -> dict[int, dict[str, Any]]:
        if not user_ids:
            return {}
        forgotten = self._forgotten
        profiles = {row.id: _profile_of(row) for row in queries.find_people(user_ids)}
        release_connection()
        # What was read before a change must not be kept after it.
        if forgotten == self._forgotten:
            self._known.update(profiles)
        return profiles


def _profile_of(row: Row[Any]) -> dict[str, Any]:
    name = row.profile_picture_name
    return {
        "user_id": row.id,
        "username": row.username,
        "display_name": row.display_name or row.username,
        "profile_picture": links.path_of(name, row.profile_picture_public_from) if name else None,
    }


def _with_host(profile: dict[str, Any], base: str) -> dict[str, Any]:
    path = profile["profile_picture"]
    return profile | {"profile_picture": base + path} if path else profile
