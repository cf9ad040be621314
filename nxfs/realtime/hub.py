"""The middle of delivery in a process: which connection is in which room, and what of the event log goes where."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import gevent
import structlog
from flask import Flask, current_app
from gevent import Greenlet
from gevent.lock import RLock
from sqlalchemy.exc import SQLAlchemyError

from nxfs.core import event_log, lifecycle
from nxfs.core.actor import Actor
from nxfs.core.errors import ServiceUnavailableError
from nxfs.core.event_log import LoggedEvent
from nxfs.core.event_tail import Tail
from nxfs.core.transaction import release_connection
from nxfs.core.turns import let_others_run
from nxfs.realtime import rooms
from nxfs.realtime.access import Access
from nxfs.realtime.backlog import PRESENCE, Backlog
from nxfs.realtime.connections import SERVER_DRAINING, TOO_SLOW, Connection
from nxfs.realtime.errors import RoomNotFoundError, TooManyConnectionsError, TooManyRoomsError
from nxfs.realtime.message import Message
from nxfs.realtime.presence import Presence
from nxfs.realtime.profiles import Profiles
from nxfs.realtime.renderings import project_ids_of, render, rooms_of
from nxfs.realtime.roll import Roll
from nxfs.realtime.rooms import Memberships, Room
from nxfs.realtime.schemas.messages import MOST_ROOMS

MOST_CONNECTIONS_OF_A_USER = 50
# A message for more clients than this lets others run in between.
CLIENTS_AT_ONCE = 250
# And so do more events than this: who reads takes them meanwhile, and does not look like somebody who does not.
EVENTS_AT_ONCE = 20
# After a failure of the database.
RETRY_SECONDS = 0.5
_KEY = "nxfs.realtime"

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
        self._by_user: dict[int, set[Connection]] = {}
        self._memberships = Memberships()
        self._backlog = Backlog(self._memberships)
        self._greenlets: list[Greenlet] = []
        # The last thing that each user did in rooms where presence_diff is still to tell of it, and who tells it.
        self._untold_presence: dict[str, dict[int, LoggedEvent]] = {}
        self._telling_presence: Greenlet | None = None
        self._tail = Tail(app, self)
        self.handing_on = RLock()
        self.is_starting = False
        self.is_draining = False
        self.presence = Presence(app)
        profiles = Profiles()
        self.roll = Roll(self.presence, profiles)
        self.access = Access(app, self, self._memberships, profiles)
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
            with self.handing_on, self._app.app_context():
                self._backlog.begin(self.position)
        except SQLAlchemyError as error:
            log.error("delivery cannot begin", exc_info=error)
            self._tail.stop()
            return False
        self.presence.start()
        self._greenlets.append(gevent.spawn(self.access.keep_watch))
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
        self.access.require_live(connection.actor)
        if len(self._by_user.get(connection.actor.id, ())) >= MOST_CONNECTIONS_OF_A_USER:
            raise TooManyConnectionsError(retry_after=10)
        self._by_user.setdefault(connection.actor.id, set()).add(connection)
        self._connections[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Forget ``connection``, which has ended."""
        if self._connections.pop(connection.id, None) is None:
            return
        own = self._by_user[connection.actor.id]
        own.discard(connection)
        if not own:
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

    def rooms(self) -> list[str]:
        """Return the rooms in which somebody is."""
        return list(self._rooms)

    def inside(self, room: str) -> frozenset[Connection]:
        """Return the connections that are in ``room``."""
        return frozenset(self._rooms.get(room, ()))

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
        # What has to be read is read before the lock, for which all events wait.
        self.require_rooms(connection, names)
        release_connection()
        # Not while a batch of events is handed on: each event is either before the connection came in, or after it.
        with self.handing_on:
            wanted = self.require_rooms(connection, names)
            if self._connections.get(connection.id) is not connection:
                # It ended while it waited: nobody would take it out again.
                raise RoomNotFoundError
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
                elif room.name in connection.rooms:
                    connection.rooms[room.name] = before[room.name]
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

    def show_presence(self, actor: Actor, *, room: str, count_only: bool) -> dict[str, object]:
        """Return who is in ``room`` over all processes (see ``PresenceSchema``), by reading the database.

        Raises ``RoomNotFoundError`` as joining the room would.
        """
        wanted = rooms.parse(room)
        if wanted.kind == "project":
            self._memberships.load([wanted.subject_id])
        if not self._memberships.may_enter(actor, wanted):
            raise RoomNotFoundError
        return self.roll.read(room, count_only=count_only)

    # The event log

    def handle(self, events: Sequence[LoggedEvent]) -> None:
        """Hand the messages of ``events`` to the connections that are in their rooms and may see them."""
        with self.handing_on:
            # What reads comes first: what was handed on once must not be handed on again.
            self._memberships.forget(project_ids_of(event for event in events if event.type.startswith("project_")))
            heard = [event for event in events if any(room in self._rooms for room in rooms_of(event))]
            messages = render(heard, self._memberships) if heard else {}
            release_connection()
            for number, event in enumerate(events, 1):
                if event.id <= self.position:
                    continue
                self._backlog.add(event)
                self.position = event.id
                if event.type in PRESENCE:
                    self.presence.observe(event)
                for message in messages.get(event.id, ()):
                    self._push(message)
                if number % EVENTS_AT_ONCE == 0:
                    let_others_run()
        self._tell_presence([event for event in events if event.type in PRESENCE])
        self.access.follow(events)

    def _push(self, message: Message) -> None:
        targets = self._named_targets(message) if message.viewers.are_named else self._targets(message)
        for number, (connection, room) in enumerate(targets.items(), 1):
            if message.viewers.include(connection.actor) and room in connection.rooms:
                self._push_to(connection, message, room)
            if number % CLIENTS_AT_ONCE == 0:
                let_others_run()

    def _targets(self, message: Message) -> dict[Connection, str]:
        """Return the connections in the message's rooms, each with the most specific one."""
        targets: dict[Connection, str] = {}
        for room in message.rooms:
            if message.name in PRESENCE and not self.presence.is_announced(room):
                continue
            for connection in self._rooms.get(room, ()):
                if connection not in targets and message.event_id > connection.rooms[room]:
                    targets[connection] = room
        return targets

    def _named_targets(self, message: Message) -> dict[Connection, str]:
        """Return the same for a message to certain users: of a batch there is one for each list of tasks."""
        targets: dict[Connection, str] = {}
        for user_id in message.viewers.user_ids:
            for connection in self._by_user.get(user_id, ()):
                inside = (room for room in message.rooms if room in connection.rooms)
                room = next((room for room in inside if message.event_id > connection.rooms[room]), None)
                if room is not None:
                    targets[connection] = room
        return targets

    def _push_to(self, connection: Connection, message: Message, room: str) -> None:
        try:
            connection.push(message, room)
        except Exception as error:
            # A defect of ours with one client: nobody else's events shall wait for it, and it gets them by resuming.
            log.error("event cannot be sent", event_id=message.event_id, exc_info=error)
            connection.end(TOO_SLOW)

    def _tell_missed(
        self, connection: Connection, wanted: Sequence[Room], before: dict[str, int], since: int, position: int
    ) -> bool:
        """Send what happened after ``since`` up to ``position``; return whether it is all that was missed."""
        if since > position and since > event_log.last_id():
            # It comes from another database, or from none.
            return False
        names, told = [room.name for room in wanted], since
        while True:
            changes, missed = self._backlog.changes, self._backlog.missed(names, told, position)
            if missed is None:
                return False
            for message in missed:
                connection.catch_up()
                if self._backlog.changes != changes and message.event_id != told:
                    # Who may see what, and what it looks like, is asked again.
                    break
                told = message.event_id
                # What came through another room was told already.
                is_known = any(before.get(room, message.event_id) < message.event_id for room in message.rooms)
                room = next((name for name in names if name in message.rooms), None)
                if room in connection.rooms and not is_known and message.viewers.include(connection.actor):
                    connection.send(message, room)
            else:
                return True

    def _tell_presence(self, events: Sequence[LoggedEvent]) -> None:
        """Have a ``presence_diff`` sent in each room in which somebody wants it: one after the other, in order."""
        for event in events:
            room = event.payload["room"]
            if any(room in each.presence_rooms for each in self._rooms.get(room, ())):
                # Only the last thing that a user did counts.
                self._untold_presence.setdefault(room, {})[event.payload["user_id"]] = event
        if self._untold_presence and (self._telling_presence is None or self._telling_presence.dead):
            self._telling_presence = gevent.spawn(self._send_differences)

    def _send_differences(self) -> None:
        while self._untold_presence and not self.is_draining:
            room = next(iter(self._untold_presence))
            events = self._untold_presence.pop(room)
            try:
                with self._app.app_context():
                    self._send_difference(room, list(events.values()))
            except Exception as error:
                # The database may be away. What happened meanwhile is newer; other rooms come first.
                log.error("telling who came and went failed", room=room, exc_info=error)
                self._untold_presence[room] = events | self._untold_presence.pop(room, {})
                gevent.sleep(RETRY_SECONDS)

    def _send_difference(self, room: str, events: Sequence[LoggedEvent]) -> None:
        payload = self.roll.difference(room, events)
        # Nobody runs in between: what is told is what is so.
        for connection in self.inside(room):
            if room in connection.presence_rooms:
                connection.tell("presence_diff", payload)

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
