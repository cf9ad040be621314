"""Tests of telling who is there: states that are so when they are sent, and differences in the order of the log."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

import gevent
import gevent.event
import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from nxfs.auth.models import User
from nxfs.core import clock
from nxfs.core.event_log import LoggedEvent
from nxfs.realtime import hub
from nxfs.realtime.roll import MOST_ANSWERED, MOST_SHOWN
from tests import waiting
from tests.factories.tasks import create_project
from tests.factories.users import create_user
from tests.realtime.attendees import create_users
from tests.realtime.listener import Desk, Listener

ROOM = "tasks"
SECONDS = 5
wait_until = partial(waiting.wait_until, seconds=SECONDS)


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A hub that is driven by hand."""
    return Desk(app)


@pytest.fixture
def kari(desk: Desk) -> User:
    """Somebody who looks on."""
    return create_user()


def watch(desk: Desk, user: User, *rooms: str) -> Listener:
    """Return a connection that wants to hear who comes and goes."""
    listener = desk.connect(user)
    desk.join(listener, *rooms)
    for room in rooms:
        # From here on the log is followed.
        desk.hub.roll.call(room)
        log(desk, ("user_joined", user.id), room=room)
    listener.presence_rooms |= set(rooms)
    return listener


def log(desk: Desk, *changes: tuple[str, int], room: str = ROOM) -> None:
    """Hand on that users came or left."""
    first = desk.hub.position + 1
    desk.hub.handle(
        [
            LoggedEvent(number, type_, user_id, (), {"user_id": user_id, "room": room}, clock.now())
            for number, (type_, user_id) in enumerate(changes, first)
        ]
    )


def differences(listener: Listener) -> list[tuple[str, set[int], list[int]]]:
    """Return the room of each difference that was told, who came and who left."""
    return [
        (payload["room"], {member["user_id"] for member in payload["joins"]}, payload["leaves"])
        for name, payload in listener.told
        if name == "presence_diff"
    ]


class Reading:
    """Stands in the way of the reading of profiles: it waits, or fails."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self._get = desk.hub.roll._profiles.get
        self.waiting = 0
        self.failures = 0
        self.may_go_on = gevent.event.Event()
        self.may_go_on.set()
        monkeypatch.setattr(desk.hub.roll._profiles, "get", self.get)

    def get(self, user_ids: Collection[int]) -> dict[int, dict[str, Any]]:
        if self.failures:
            self.failures -= 1
            raise OperationalError("SELECT", {}, Exception("the database is away"))
        found = self._get(user_ids)
        if user_ids:
            self.waiting += 1
            self.may_go_on.wait(SECONDS)
            self.waiting -= 1
        return found


def test_differences_do_not_overtake_each_other(desk: Desk, kari: User, monkeypatch: pytest.MonkeyPatch) -> None:
    listener, ola = watch(desk, kari, ROOM), create_user()
    reading = Reading(desk, monkeypatch)
    reading.may_go_on.clear()
    log(desk, ("user_joined", ola.id))
    wait_until(lambda: reading.waiting == 1)
    # Needs no profile, and would be told at once.
    log(desk, ("user_left", ola.id))
    gevent.sleep(0)
    assert differences(listener) == []
    reading.may_go_on.set()
    wait_until(lambda: len(differences(listener)) == 2)
    # Who has left by the time of the first did not come.
    assert differences(listener) == [(ROOM, set(), []), (ROOM, set(), [ola.id])]
    versions = [payload["version"] for _, payload in listener.told]
    assert versions == sorted(versions)


def test_what_happens_while_one_is_told_is_told_together(
    desk: Desk, kari: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = watch(desk, kari, ROOM)
    first, second, third = create_users(3)
    reading = Reading(desk, monkeypatch)
    reading.may_go_on.clear()
    log(desk, ("user_joined", first))
    wait_until(lambda: reading.waiting == 1)
    log(desk, ("user_joined", second), ("user_left", first))
    log(desk, ("user_joined", third), ("user_left", second), ("user_joined", first))
    reading.may_go_on.set()
    wait_until(lambda: len(differences(listener)) == 2)
    assert differences(listener) == [(ROOM, {first}, []), (ROOM, {first, third}, [second])]
    assert listener.told[-1][1]["count"] == 3


def test_difference_that_failed_is_told_later_and_others_meanwhile(
    desk: Desk, kari: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hub, "RETRY_SECONDS", 0.05)
    room = f"project_{create_project(kari)}"
    desk.follow()
    listener = watch(desk, kari, ROOM, room)
    first, second = create_users(2)
    reading = Reading(desk, monkeypatch)
    reading.failures = 1
    log(desk, ("user_joined", first))
    wait_until(lambda: reading.failures == 0)
    assert "telling who came and went failed" in caplog.text
    log(desk, ("user_joined", second), room=room)
    log(desk, ("user_joined", second), ("user_left", first))
    wait_until(lambda: len(differences(listener)) == 2)
    assert sorted(differences(listener)) == sorted([(room, {second}, []), (ROOM, {second}, [first])])
    # Nothing is left to tell, and the next one is told.
    log(desk, ("user_left", second))
    wait_until(lambda: len(differences(listener)) == 3)
    assert differences(listener)[-1] == (ROOM, set(), [second])


def test_nothing_is_told_any_more_of_a_server_that_stops(
    desk: Desk, kari: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "RETRY_SECONDS", 0.01)
    watch(desk, kari, ROOM)
    reading = Reading(desk, monkeypatch)
    reading.failures = 10**9
    log(desk, ("user_joined", create_user().id))
    wait_until(lambda: reading.failures < 10**9 - 1)
    telling = desk.hub._telling_presence
    desk.hub.is_draining = True
    assert telling is not None
    telling.join(SECONDS)
    assert telling.dead


@pytest.mark.parametrize("most", [MOST_ANSWERED, MOST_SHOWN])
def test_who_is_there_is_so_when_it_is_returned(
    app: Flask, desk: Desk, kari: User, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    listener, (ola, siri), answers = watch(desk, kari, ROOM), create_users(2), []
    log(desk, ("user_joined", ola))
    wait_until(lambda: len(differences(listener)) == 1)
    reading = Reading(desk, monkeypatch)
    reading.may_go_on.clear()

    def ask() -> None:
        with app.app_context():
            answers.append(desk.hub.roll.call(ROOM, most=most))

    asking = gevent.spawn(ask)
    wait_until(lambda: reading.waiting == 1)
    log(desk, ("user_left", ola), ("user_joined", siri))
    reading.may_go_on.set()
    asking.get(timeout=SECONDS)
    ((members, count),) = answers
    assert [member["user_id"] for member in members] == [kari.id, siri]
    assert count == 2


def test_long_answer_of_a_large_room_is_never_an_old_one(desk: Desk, kari: User) -> None:
    watch(desk, kari, ROOM)
    *others, last = create_users(MOST_SHOWN + 2)
    log(desk, *(("user_joined", user_id) for user_id in others))
    before = [desk.hub.roll.call(ROOM, most=most) for most in (MOST_ANSWERED, MOST_SHOWN)]
    assert [(len(members), count) for members, count in before] == [
        (MOST_ANSWERED, MOST_SHOWN + 2),
        (MOST_SHOWN, MOST_SHOWN + 2),
    ]
    log(desk, ("user_left", others[0]), ("user_left", others[1]), ("user_joined", last))
    # The short one is remembered for a moment.
    assert desk.hub.roll.call(ROOM) == before[0]
    members, count = desk.hub.roll.call(ROOM, most=MOST_SHOWN)
    assert count == MOST_SHOWN + 1
    assert [member["user_id"] for member in members] == [kari.id, *others[2 : MOST_SHOWN + 1]]
