"""Bodies that are on their way when their sender is thrown out."""

from __future__ import annotations

import gevent
import pytest
from gevent import socket

from nxfs.core.actor import Actor
from nxfs.core.errors import TokenRevokedError
from nxfs.core.transmissions import Transmissions

KARI = Actor(id=7, role="user", username="kari", session_id=12)


def receive(transmissions, actor, raw_socket):
    """Read a body to its end, and return what ended it."""
    try:
        with transmissions.received(actor, raw_socket):
            while raw_socket.recv(100):
                pass
            # As the server does when a client goes away while it sends.
            raise ConnectionError
    except (ConnectionError, TokenRevokedError) as error:
        return type(error)


@pytest.fixture
def pair():
    """Two ends of a connection: the server's and the client's."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@pytest.mark.parametrize("which", [{"session_ids": {12}}, {"user_ids": {7}}])
def test_body_that_never_ends_does_so_with_its_session(pair, which):
    transmissions, (server, client) = Transmissions(), pair
    reader = gevent.spawn(receive, transmissions, KARI, server)
    client.sendall(b"half of it")
    gevent.sleep(0)
    transmissions.end(session_ids={13}, user_ids={8})
    gevent.sleep(0)
    assert not reader.ready()
    transmissions.end(**which)
    assert reader.get(timeout=1) is TokenRevokedError
    # The client is cut off, whether it reads or not.
    client.settimeout(2)
    assert client.recv(1) == b""


def test_body_whose_client_goes_away_is_what_it_was(pair):
    server, client = pair
    reader = gevent.spawn(receive, Transmissions(), KARI, server)
    client.close()
    assert reader.get(timeout=1) is ConnectionError


def test_body_of_a_session_that_ended_a_moment_ago_is_not_begun():
    transmissions = Transmissions()
    transmissions.end(session_ids={12})
    with pytest.raises(TokenRevokedError), transmissions.received(KARI, None):
        raise AssertionError
    with transmissions.received(None, None):
        pass


def test_body_that_was_whole_when_its_session_ended_counts_for_nothing():
    transmissions = Transmissions()
    with pytest.raises(TokenRevokedError), transmissions.received(KARI, None):
        transmissions.end(user_ids={7})
