"""Bodies of requests that are still on their way: whoever is thrown out does not go on sending."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

import gevent
from cachetools import TTLCache

from nxfs.core.actor import Actor
from nxfs.core.errors import TokenRevokedError

# A request may have been let in right before its session ended, and begin to read right after it.
REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 100_000
# For the answer that says why.
LAST_WORDS_SECONDS = 0.3


class Transmission:
    """The body of one request."""

    def __init__(self, actor: Actor, raw_socket: socket.socket | None) -> None:
        self.actor = actor
        self.is_ended = False
        self._raw_socket = raw_socket

    def end(self) -> None:
        """Let whoever reads it find its end, and cut the connection when the client has been told."""
        if self.is_ended:
            return
        self.is_ended = True
        if self._raw_socket is not None:
            # The reader waits in the socket, perhaps for ever.
            self._shut(socket.SHUT_RD)
            gevent.spawn_later(LAST_WORDS_SECONDS, self._shut, socket.SHUT_RDWR)

    def _shut(self, sides: int) -> None:
        # The client may have gone already.
        if self._raw_socket is not None:
            with suppress(OSError):
                self._raw_socket.shutdown(sides)


class Transmissions:
    """Those of this process."""

    def __init__(self) -> None:
        self._under_way: set[Transmission] = set()
        self._ended_sessions: TTLCache[int, None] = TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)

    @contextmanager
    def received(self, actor: Actor | None, raw_socket: socket.socket | None) -> Iterator[None]:
        """Receive the body of a request of ``actor`` in this block.

        Raises ``TokenRevokedError``, whatever reading it raises, when the session ends before the body does.
        """
        if actor is None:
            yield
            return
        if actor.session_id in self._ended_sessions:
            raise TokenRevokedError
        transmission = Transmission(actor, raw_socket)
        self._under_way.add(transmission)
        try:
            yield
        except Exception as error:
            if transmission.is_ended:
                raise TokenRevokedError from error
            raise
        finally:
            self._under_way.discard(transmission)
        if transmission.is_ended:
            raise TokenRevokedError

    def end(self, *, session_ids: Collection[int] = (), user_ids: Collection[int] = ()) -> None:
        """End those of these sessions and users."""
        self._ended_sessions.update(dict.fromkeys(session_ids))
        for each in list(self._under_way):
            if each.actor.session_id in session_ids or each.actor.id in user_ids:
                each.end()


transmissions = Transmissions()
