"""The middle of delivery in a process: which connection is in which room, and what of the event log goes where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import gevent
import structlog
from cachetools import TTLCache
from flask import Flask, current_app
from gevent import Greenlet
from gevent.lock import RLock
from sqlalchemy.exc import SQLAlchemyError

from nxfs.auth.service import authentication, last_seen
from nxfs.core import clock, event_log, lifecycle
from nxfs.core.actor import Actor
from nxfs.core.errors import ServiceUnavailableError, TokenRevokedError
from nxfs.core.event_log import LoggedEvent
from nxfs.core.event_tail import Tail
from nxfs.core.messages import Text, translate
from nxfs.core.transaction import release_connection
from nxfs.realtime import queries, rooms
from nxfs.realtime.backlog import PASSING, Backlog
from nxfs.realtime.connections import SERVER_DRAINING, SESSION_ENDED, TOKEN_EXPIRED, Connection
from nxfs.realtime.errors import RoomNotFoundError, TooManyConnectionsError, TooManyRoomsError
from nxfs.realtime.presence import Presence
from nxfs.realtime.profiles import Profiles
from nxfs.realtime.renderings import Message, project_ids_of, render, rooms_of
from nxfs.realtime.rooms import Memberships, Room
from nxfs.realtime.schemas.events import EVENTS

MOST_ROOMS = 50
MOST_CONNECTIONS_OF_A_USER = 50
# Of a room's members: in the answer to joining, which costs memory for each client, and for those who ask for them.
MOST_MEMBERS_ANSWERED = 50
MOST_MEMBERS_SHOWN = 250
# For how long the members of a room with more than that are remembered.
LARGE_ROOM_SECONDS = 1.0
# A message for more clients than this lets others run in between.
CLIENTS_AT_ONCE = 250
# And so do more events than this: who reads takes them meanwhile, and does not look like somebody who does not.
EVENTS_AT_ONCE = 20
TICK_SECONDS = 1.0
# After a failure of the database.
RETRY_SECONDS = 0.5
# How often sessions are looked at that nobody has told of: those that run out by themselves.
CHECK_SECONDS = 10.0
REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 100_000
SESSIONS_AT_ONCE = 100
NO_ACCESS = Text("You no longer have access to this.", "Du har ikke lenger tilgang til dette.")
_KEY = "nxfs.realtime"

# Some of those who are in a room, and how many are.
Members = tuple[list[dict[str, object]], int]

log = structlog.get_logger("nxfs.realtime")


@dataclass(frozen=True, slots=True)
class Joined:
    """Where a connection is told events from on: ``resync_required`` when not all that was missed could be told."""

    last_event_id: int
    resync_required: bool


class Hub:
    """All connections of this process. It follows the event log (see ``core/event_tail``)."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._connections: dict[str, Connection] = {}
        self._rooms: dict[str, set[Connection]] = {}
        self._by_user: Counter[int] = Counter()
        self._memberships = Memberships()
        self._backlog = Backlog(self._memberships)
        self._greenlets: list[Greenlet] = []
        # Sessions that ended a moment ago: somebody may be connecting with one that was read before.
        self._ended: TTLCache[int, None] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
        self._large_rooms: TTLCache[tuple[str, int], tuple[list[dict[str, object]], int]] = TTLCache(
            1000, LARGE_ROOM_SECONDS
        )
        # What else is to be looked at every few seconds.
        self.checks: list[Callable[[], object]] = []
        self._tail = Tail(app, self)
        self._handing_on = RLock()
        self.is_starting = False
        self.is_draining = False
        self.presence = Presence(app)
        self.profiles = Profiles()
        # The last event that was handed on; it moves together with the choice of who gets the event.
        self.position = 0

    def start(self) -> None:
        """Begin to deliver, from the present end of the log on; nobody connects before, should the database be away."""
        self.is_starting = True
        if not self._begin():
            self._greenlets = [gevent.spawn(self._keep_beginning)]

    def _keep_beginning(self) -> None:
        while not self.is_draining and not self._begin():
            gevent.sleep(RETRY_SECONDS)

    def _begin(self) -> bool:
        try:
            self._tail.start()
            self.position = self._tail.position
            # What the tail reads meanwhile comes behind it.
            with self._handing_on, self._app.app_context():
                self._backlog.begin(self.position)
        except SQLAlchemyError as error:
            log.error("delivery cannot begin", exc_info=error)
            self._tail.stop()
            return False
        self.presence.start()
        self._greenlets.append(gevent.spawn(self._keep_watch))
        self.is_starting = False
        return True

    def drain(self) -> None:
        """End all connections, because the process is about to end; their clients connect to another one."""
        self.is_draining = True
        for connection in self.connections():
            connection.end(SERVER_DRAINING)
        self.presence.stop()

    def stop(self) -> None:
        """Deliver no longer."""
        self.drain()
        gevent.killall(self._greenlets)
        self._tail.stop()

    # Connections and rooms

    def add(self, connection: Connection) -> None:
        """Take ``connection`` in.

        Raises ``TooManyConnectionsError`` when its user has too many, ``ServiceUnavailableError`` when the process has,
        ``TokenRevokedError`` when the session has ended in this very moment.
        """
        if self.is_starting or self.is_draining or len(self._connections) >= self._app.config["MAX_CONNECTIONS"]:
            raise ServiceUnavailableError
        self.require_live(connection.actor)
        if self._by_user[connection.actor.id] >= MOST_CONNECTIONS_OF_A_USER:
            raise TooManyConnectionsError(retry_after=10)
        self._by_user[connection.actor.id] += 1
        self._connections[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Forget ``connection``, which has ended."""
        if self._connections.pop(connection.id, None) is None:
            return
        self._by_user[connection.actor.id] -= 1
        if not self._by_user[connection.actor.id]:
            del self._by_user[connection.actor.id]
        for room in list(connection.rooms):
            self._take_out(connection, room)
        self.presence.disconnect(connection.id)

    def find(self, connection_id: str) -> Connection | None:
        """Return the connection with this id, if it is still there."""
        return self._connections.get(connection_id)

    def connections(self) -> list[Connection]:
        """Return the connections that there are."""
        return list(self._connections.values())

    def require_live(self, actor: Actor) -> None:
        """Raise ``TokenRevokedError`` when the log has told of the end of the actor's session since it was read."""
        if actor.session_id in self._ended:
            raise TokenRevokedError

    def require_rooms(self, connection: Connection, names: Collection[str]) -> list[Room]:
        """Return the rooms of these names, which the connection may enter at this moment.

        Raises ``RoomNotFoundError`` when one does not exist or is forbidden, ``TooManyRoomsError``.
        """
        wanted = [rooms.parse(name) for name in names]
        if len({*connection.rooms, *names}) > MOST_ROOMS:
            raise TooManyRoomsError
        project_ids = [room.subject_id for room in wanted if room.kind == "project"]
        self._memberships.load(project_ids)
        for room in wanted:
            if room.kind == "project" and not self._memberships.knows(room.subject_id):
                # A change came in the very moment.
                return self.require_rooms(connection, names)
            if not self._memberships.may_enter(connection.actor, room):
                raise RoomNotFoundError
        return wanted

    def join(self, connection: Connection, names: Collection[str], *, since: int | None) -> Joined:
        """Bring ``connection`` into rooms; first tell it what happened there after the event ``since``.

        Raises as ``require_rooms`` does.
        """
        # Not while a batch of events is handed on: each event is either before the connection came in, or after it.
        with self._handing_on:
            wanted = self.require_rooms(connection, names)
            before = dict(connection.rooms)
            position = self.position
            for room in wanted:
                self._rooms.setdefault(room.name, set()).add(connection)
                connection.rooms[room.name] = before.get(room.name, position) if since is None else since
                self.presence.enter(connection.id, room.name, connection.actor.id)
            connection.hold()
        try:
            is_complete = since is None or self._tell_missed(connection, wanted, before, since, position)
        except BaseException:
            for room in wanted:
                if room.name not in before:
                    self.leave(connection, room.name)
            raise
        finally:
            connection.release()
        if not is_complete:
            for room in wanted:
                connection.rooms[room.name] = position
        return Joined(position, resync_required=not is_complete)

    def leave(self, connection: Connection, name: str) -> None:
        """Take ``connection`` out of a room, if it is in it."""
        if name in connection.rooms:
            self._take_out(connection, name)
            self.presence.leave(connection.id, name)

    def members(self, room: str, *, most: int = MOST_MEMBERS_ANSWERED) -> Members:
        """Return who is in ``room`` as clients see it, the first ``most`` that came, and how many are.

        Everybody who joins is answered with it: it is made by hand, since a schema takes ten times as long, and of a
        large room anew only now and then.
        """
        remembered: Members | None = self._large_rooms.get((room, most))
        if remembered is not None:
            return remembered
        since = self.presence.members(room)
        shown = list(islice(since, most))
        profiles = self.profiles.get(shown)
        members = [
            {**profiles[user_id], "since": clock.to_wire(since[user_id])} for user_id in shown if user_id in profiles
        ]
        if len(since) > most:
            self._large_rooms[room, most] = members, len(since)
        return members, len(since)

    def show_presence(self, actor: Actor, *, room: str, count_only: bool) -> dict[str, object]:
        """Return who is in ``room`` over all processes (see ``PresenceSchema``), by reading the database.

        Raises ``RoomNotFoundError`` as joining the room would.
        """
        wanted = rooms.parse(room)
        if wanted.kind == "project":
            self._memberships.load([wanted.subject_id])
        if not self._memberships.may_enter(actor, wanted):
            raise RoomNotFoundError
        rows = [] if count_only else queries.find_members(room, MOST_MEMBERS_SHOWN)
        profiles = self.profiles.get([row.user_id for row in rows])
        members = [{**profiles[row.user_id], "since": row.since} for row in rows if row.user_id in profiles]
        return {"room": room, "count": queries.count_members(room), "members": members}

    # The event log

    def handle(self, events: Sequence[LoggedEvent]) -> None:
        """Hand the messages of ``events`` to the connections that are in their rooms and may see them."""
        with self._handing_on:
            # What reads comes first: what was handed on once must not be handed on again.
            self._memberships.forget(project_ids_of(event for event in events if event.type.startswith("project_")))
            heard = [event for event in events if any(room in self._rooms for room in rooms_of(event))]
            messages = render(heard, self._memberships) if heard else {}
            release_connection()
            for number, event in enumerate(events, 1):
                self._backlog.add(event)
                self.position = event.id
                if event.type in PASSING:
                    self.presence.observe(event)
                for message in messages.get(event.id, ()):
                    self._push(message)
                if number % EVENTS_AT_ONCE == 0:
                    gevent.sleep(0)
        self._tell_presence([event for event in events if event.type in PASSING])
        self._follow_access(events)

    def _push(self, message: Message) -> None:
        targets: dict[Connection, str] = {}
        for room in message.rooms:
            if message.name in PASSING and not self.presence.is_announced(room):
                continue
            for connection in self._rooms.get(room, ()):
                if connection not in targets and message.event_id > connection.rooms[room]:
                    targets[connection] = room
        for number, (connection, room) in enumerate(targets.items(), 1):
            if message.viewers.include(connection.actor) and room in connection.rooms:
                connection.push(message, room)
            if number % CLIENTS_AT_ONCE == 0:
                gevent.sleep(0)

    def _tell_missed(
        self, connection: Connection, wanted: Sequence[Room], before: dict[str, int], since: int, position: int
    ) -> bool:
        """Send what happened after ``since`` up to ``position``; return whether it is all that was missed."""
        if since > position and since > event_log.last_id():
            # It comes from another database, or from none.
            return False
        missed = self._backlog.missed([room.name for room in wanted], since, position)
        if missed is None:
            return False
        for message in missed:
            connection.catch_up()
            # What came through another room was told already.
            is_known = any(before.get(room, message.event_id) < message.event_id for room in message.rooms)
            room = next((each.name for each in wanted if each.name in message.rooms), None)
            if room in connection.rooms and not is_known and message.viewers.include(connection.actor):
                connection.send(message, room)
        return True

    # Presence

    def _tell_presence(self, events: Sequence[LoggedEvent]) -> None:
        """Send one ``presence_diff`` for each room in which somebody wants it."""
        for room in {event.payload["room"] for event in events}:
            listeners = [each for each in self._rooms.get(room, ()) if room in each.presence_rooms]
            if not listeners:
                continue
            # Only the last thing that a user did counts.
            last = {event.payload["user_id"]: event for event in events if event.payload["room"] == room}
            joined = [user_id for user_id, event in last.items() if event.type == "user_joined"]
            left = [user_id for user_id, event in last.items() if event.type == "user_left"]
            gevent.spawn(self._send_diff, room, joined, left, max(event.id for event in last.values()))

    def _send_diff(self, room: str, joined: list[int], left: list[int], version: int) -> None:
        with self._app.app_context():
            since, profiles = self.presence.members(room), self.profiles.get(joined)
        members = [
            {**profiles[user_id], "since": since[user_id]}
            for user_id in joined
            if user_id in profiles and user_id in since
        ]
        values = {"room": room, "version": version, "count": len(since), "joins": members, "leaves": left}
        payload = EVENTS["presence_diff"].dump(values)
        for connection in list(self._rooms.get(room, ())):
            if room in connection.presence_rooms:
                connection.tell("presence_diff", payload)

    # Access

    def _follow_access(self, events: Iterable[LoggedEvent]) -> None:
        """Let what the log says about sessions, users and members count for the connections that are open."""
        ended: set[int] = set()
        changed: set[int] = set()
        project_ids: set[int] = set()
        for event in events:
            if event.type == "sessions_ended":
                ended.update(event.payload["session_ids"])
                self._ended.update(dict.fromkeys(event.payload["session_ids"]))
                authentication.forget(event.payload["user_id"])
            elif event.type in ("user_updated", "user_deactivated", "permission_granted", "permission_revoked"):
                changed.add(event.payload["user_id"])
                authentication.forget(event.payload["user_id"])
                self.profiles.forget(event.payload["user_id"])
            elif event.type in ("project_member_removed", "project_deleted"):
                project_ids.add(event.payload["project_id"])
        for connection in [each for each in self._connections.values() if each.actor.session_id in ended]:
            connection.end(SESSION_ENDED)
        affected = [each for each in self._connections.values() if each.actor.id in changed]
        if affected:
            gevent.spawn(self._look_again, affected)
        for project_id in project_ids:
            name = rooms.project_room(project_id)
            if name in self._rooms:
                gevent.spawn(self._check_access, list(self._rooms[name]), [name])

    def _look_again(self, connections: Collection[Connection]) -> None:
        """Read anew whose sessions these are; end those that have ended, and take others out of what is closed."""
        session_ids = sorted({each.actor.session_id for each in connections if each.actor.session_id is not None})
        for start in range(0, len(session_ids), SESSIONS_AT_ONCE):
            chunk = session_ids[start : start + SESSIONS_AT_ONCE]
            with self._app.app_context():
                actors = authentication.authenticate_sessions(chunk)
            for connection in [each for each in connections if each.actor.session_id in chunk]:
                actor = actors.get(connection.actor.session_id or 0)
                if actor is None:
                    connection.end(SESSION_ENDED)
                elif actor.role != connection.actor.role:
                    connection.actor = actor
                    self._check_access([connection], list(connection.rooms))
                else:
                    connection.actor = actor
            gevent.sleep(0)

    def _check_access(self, connections: Iterable[Connection], names: Collection[str]) -> None:
        """Take ``connections`` out of those of the rooms that they may no longer be in."""
        parsed, wanted = [rooms.parse(name) for name in names], set(connections)
        # Not while events are handed on: who is no longer a member hears of that first.
        with self._handing_on, self._app.app_context():
            self._memberships.load(room.subject_id for room in parsed if room.kind == "project")
            for room in parsed:
                for connection in wanted & self._rooms.get(room.name, set()):
                    if not self._memberships.may_enter(connection.actor, room):
                        self._close(connection, room)

    def _close(self, connection: Connection, room: Room) -> None:
        self.leave(connection, room.name)
        message = translate(NO_ACCESS, connection.actor.language)
        connection.tell("room_closed", {"room": room.name, "message": message})

    def _keep_watch(self) -> None:
        checked = 0.0
        while True:
            gevent.sleep(TICK_SECONDS)
            checked += TICK_SECONDS
            try:
                self.tick()
                if checked >= CHECK_SECONDS:
                    checked = 0.0
                    self._look_again(self.connections())
                    self._check_access(self.connections(), [*self._rooms])
                    for check in self.checks:
                        check()
            except Exception as error:
                # The database may be away; the next round comes.
                log.error("watching connections failed", exc_info=error)

    def tick(self) -> None:
        """Warn those whose access tokens run out soon, and end those whose tokens have."""
        now = clock.now()
        for connection in self.connections():
            if connection.expires_at is None:
                continue
            if connection.expires_at <= now:
                connection.end(TOKEN_EXPIRED)
            elif connection.warn_at is not None and connection.warn_at <= now:
                connection.warn_at = None
                connection.tell("token_expiring", EVENTS["token_expiring"].dump({"expires_at": connection.expires_at}))
        last_seen.note(self._by_user)

    def _take_out(self, connection: Connection, room: str) -> None:
        connection.rooms.pop(room, None)
        connection.presence_rooms -= {room}
        inside = self._rooms.get(room)
        if inside is not None:
            inside.discard(connection)
            if not inside:
                del self._rooms[room]


def install(app: Flask) -> Hub:
    """Give ``app`` its hub, which delivers nothing before it is started."""
    hub = app.extensions[_KEY] = Hub(app)
    return hub


def start(app: Flask) -> None:
    """Deliver events in this process until it ends."""
    hub: Hub = app.extensions[_KEY]
    hub.start()
    lifecycle.at_stop(hub.drain)


def current_hub() -> Hub:
    """Return the hub of the running application."""
    hub: Hub = current_app.extensions[_KEY]
    return hub
