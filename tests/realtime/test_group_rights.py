"""What groups give and take counts for the connections that are open."""

from __future__ import annotations

import gevent
import pytest

from nxfs.admin.service import group_members, groups
from nxfs.auth.service import authentication
from nxfs.extensions import db
from tests.factories.groups import create_group
from tests.factories.users import create_user
from tests.realtime.listener import Desk

SECONDS = 5


@pytest.fixture
def desk(app) -> Desk:
    """A hub that is driven by hand, at the end of a log that has events."""
    create_group("Others", members=[create_user().id])
    return Desk(app)


def follow(desk, *, until):
    """Hand on what was logged, and let the greenlets read until something holds."""
    desk.follow()
    db.session.rollback()
    with gevent.Timeout(SECONDS):
        while not until():
            gevent.sleep(0.005)


def test_every_change_of_a_group_is_told_to_the_connections_of_its_members(desk):
    kari = create_user()
    listener = desk.connect(kari)

    def has(*permissions):
        return lambda: listener.actor.permissions == set(permissions)

    group_id = create_group("Editors", permissions=["blog.edit"], members=[kari.id])
    follow(desk, until=has("blog.edit"))
    groups.change_permissions(actor=None, group_id=group_id, granted=["media.manage"], revoked=["blog.edit"])
    follow(desk, until=has("media.manage"))
    group_members.remove_members(actor=None, group_id=group_id, user_ids=[kari.id])
    follow(desk, until=has())
    group_members.add_members(actor=None, group_id=group_id, user_ids=[kari.id])
    follow(desk, until=has("media.manage"))
    groups.delete_group(actor=None, group_id=group_id)
    follow(desk, until=has())
    assert listener.reason is None


def test_another_process_forgets_the_members_when_it_reads_of_the_change(desk, monkeypatch):
    kari, ola = sorted([create_user().id, create_user().id])
    forgotten: list[int] = []
    create_group("Editors", permissions=["blog.edit"], members=[kari, ola])
    monkeypatch.setattr(authentication, "forget", forgotten.append)
    desk.follow()
    assert forgotten == [kari, ola]
