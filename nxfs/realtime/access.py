"""Whether those who are connected may still be: sessions that end, changed roles, removed members, old tokens."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

import gevent
import structlog
from cachetools import TTLCache
from flask import Flask
from gevent.lock import RLock
from sqlalchemy.exc import SQLAlchemyError

from nxfs.auth.service import authentication, last_seen
from nxfs.core import clock
from nxfs.core.actor import Actor
from nxfs.core.errors import TokenRevokedError
from nxfs.core.event_log import LoggedEvent
from nxfs.core.messages import Text, translate
from nxfs.core.transmissions import transmissions
from nxfs.realtime import rooms
from nxfs.realtime.connections import SESSION_ENDED, TOKEN_EXPIRED, Connection
from nxfs.realtime.profiles import Profiles
from nxfs.realtime.rooms import Memberships, Room
from nxfs.realtime.schemas.events import EVENTS

TICK_SECONDS = 1.0
# How often everything is looked at of which nobody may have told: sessions that run out by themselves.
CHECK_SECONDS = 10.0
SESSIONS_AT_ONCE = 100
# After a failure of the database.
RETRY_SECONDS = 0.5
REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 100_000
USER_CHANGES = frozenset(
    {
        "user_updated",
        "user_activated",
        "user_deactivated",
        "permission_granted",
        "permission_revoked",
        "group_members_affected",
    }
)
PROJECT_CHANGES = frozenset({"project_member_removed", "project_deleted"})
NO_ACCESS = Text("You no longer have access to this.", "Du har ikke lenger tilgang til dette.")

log = structlog.get_logger("nxfs.realtime")


class Registry(Protocol):
    """The connections of this process, and where they are."""

    # Held while events are handed on.
    handing_on: RLock

    def connections(self) -> list[Connection]:
        """Return all connections."""

    def rooms(self) -> list[str]:
        """Return the rooms in which somebody is."""

    def inside(self, room: str) -> frozenset[Connection]:
        """Return the connections that are in ``room``."""

    def leave(self, connection: Connection, name: str) -> None:
        """Take ``connection`` out of a room."""


class Access:
    """Ends connections, and takes them out of rooms, when what let them in no longer holds."""

    def __init__(self, app: Flask, registry: Registry, memberships: Memberships, profiles: Profiles) -> None:
        self._app = app
        self._registry = registry
        self._memberships = memberships
        self._profiles = profiles
        # Sessions that ended a moment ago: somebody may be connecting with one that was read before.
        self._ended: TTLCache[int, None] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
        # What else is to be looked at every few seconds.
        self.checks: list[Callable[[], object]] = []

    def require_live(self, actor: Actor) -> None:
        """Raise ``TokenRevokedError`` when the log has told of the end of the actor's session since it was read."""
        if actor.session_id in self._ended:
            raise TokenRevokedError

    def follow(self, events: Iterable[LoggedEvent]) -> None:
        """Let what the log says about sessions, users and members count for the connections that are open."""
        ended: set[int] = set()
        changed: set[int] = set()
        disabled: set[int] = set()
        project_ids: set[int] = set()
        for event in events:
            if event.type == "sessions_ended":
                ended.update(event.payload["session_ids"])
                authentication.forget(event.payload["user_id"])
            elif event.type in USER_CHANGES:
                changed.update(self._forget_users(event.payload))
                if event.type == "user_deactivated":
                    disabled.add(event.payload["user_id"])
            elif event.type in PROJECT_CHANGES:
                project_ids.add(event.payload["project_id"])
        self._ended.update(dict.fromkeys(ended))
        transmissions.end(session_ids=ended, user_ids=disabled)
        connections = self._registry.connections() if ended or changed else []
        for connection in [each for each in connections if each.actor.session_id in ended]:
            connection.end(SESSION_ENDED)
        affected = [each for each in connections if each.actor.id in changed]
        if affected:
            gevent.spawn(self._insist, self.look_again, affected)
        for room in map(rooms.project_room, project_ids):
            inside = self._registry.inside(room)
            if inside:
                gevent.spawn(self._insist, self.check_rooms, inside, [room])

    def _forget_users(self, payload: Mapping[str, Any]) -> list[int]:
        """Read anew, when it is asked for, what is known of those whom an event is about, and return their ids."""
        user_ids = payload.get("user_ids") or [payload["user_id"]]
        for user_id in user_ids:
            authentication.forget(user_id)
            self._profiles.forget(user_id)
        return user_ids

    def look_again(self, connections: Collection[Connection]) -> None:
        """Read anew whose sessions these are; end those that have ended, and take others out of what is closed."""
        session_ids = sorted({each.actor.session_id for each in connections if each.actor.session_id is not None})
        for start in range(0, len(session_ids), SESSIONS_AT_ONCE):
            chunk = set(session_ids[start : start + SESSIONS_AT_ONCE])
            with self._app.app_context():
                actors = authentication.authenticate_sessions(sorted(chunk))
            for connection in [each for each in connections if each.actor.session_id in chunk]:
                self._take_over(connection, actors.get(connection.actor.session_id or 0))
            gevent.sleep(0)

    def check_rooms(self, connections: Iterable[Connection], names: Collection[str]) -> None:
        """Take ``connections`` out of those of the rooms that they may no longer be in."""
        parsed, wanted = [rooms.parse(name) for name in names], set(connections)
        project_ids = [room.subject_id for room in parsed if room.kind == "project"]
        with self._app.app_context():
            self._memberships.load(project_ids)
        # Not while events are handed on: who is no longer a member hears of that first.
        with self._registry.handing_on, self._app.app_context():
            self._memberships.load(project_ids)
            for room in parsed:
                for connection in wanted & self._registry.inside(room.name):
                    if not self._memberships.may_enter(connection.actor, room):
                        self._close(connection, room)

    def keep_watch(self) -> None:
        """Look at tokens every second, and at everything every few seconds, until the greenlet is killed."""
        checked = 0.0
        while True:
            gevent.sleep(TICK_SECONDS)
            checked += TICK_SECONDS
            try:
                self.tick()
                if checked >= CHECK_SECONDS:
                    checked = 0.0
                    self.look_again(self._registry.connections())
                    self.check_rooms(self._registry.connections(), self._registry.rooms())
                    for check in self.checks:
                        check()
            except Exception as error:
                # The database may be away; the next round comes.
                log.error("watching connections failed", exc_info=error)

    def tick(self) -> None:
        """Warn those whose access tokens run out soon, and end those whose tokens have."""
        now = clock.now()
        connections = self._registry.connections()
        for connection in connections:
            if connection.expires_at is None:
                continue
            if connection.expires_at <= now:
                connection.end(TOKEN_EXPIRED)
            elif connection.warn_at is not None and connection.warn_at <= now:
                connection.warn_at = None
                connection.tell("token_expiring", EVENTS["token_expiring"].dump({"expires_at": connection.expires_at}))
        last_seen.note({connection.actor.id for connection in connections})

    def _insist(self, look: Callable[..., None], *args: object) -> None:
        """Call ``look`` until the database has answered it."""
        while True:
            try:
                look(*args)
                return
            except SQLAlchemyError as error:
                log.error("looking at access failed", exc_info=error)
                gevent.sleep(RETRY_SECONDS)

    def _take_over(self, connection: Connection, actor: Actor | None) -> None:
        if actor is None or actor.must_change_password:
            connection.end(SESSION_ENDED)
            return
        has_other_role = actor.role != connection.actor.role
        connection.actor = actor
        if has_other_role:
            self.check_rooms([connection], list(connection.rooms))

    def _close(self, connection: Connection, room: Room) -> None:
        self._registry.leave(connection, room.name)
        message = translate(NO_ACCESS, connection.actor.language)
        connection.tell("room_closed", {"room": room.name, "message": message})
