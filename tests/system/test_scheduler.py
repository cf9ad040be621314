"""Tests of ``/api/system/scheduler/``: what is due at intervals, who runs it, and how it went."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import insert

from nxfs.app import SCHEDULE
from nxfs.auth.service import accounts
from nxfs.core import clock
from nxfs.core.clock import to_wire
from nxfs.core.leadership import Leadership, Lease
from nxfs.core.scheduled_runs import ScheduledRun
from nxfs.core.scheduler import LEASE_NAME
from nxfs.extensions import db
from tests.factories.users import bearer, create_user, open_session

URL = "/api/system/scheduler/"
UNKNOWN = {
    "is_running": False,
    "is_late": False,
    "next_run_at": None,
    "last_started_at": None,
    "last_finished_at": None,
    "last_duration_ms": None,
    "last_outcome": None,
    "last_failure": None,
    "run_count": 0,
}


@pytest.fixture
def staff(app):
    return bearer(open_session(create_user(role="staff")).access)


def show(client, headers):
    response = client.get(URL, headers=headers)
    assert response.status_code == 200, response.json
    return response.json


def store(name, **values):
    """Store the last run of an entry that ended well, unless ``values`` say otherwise."""
    now = clock.now()
    ended = {
        "next_run_at": now + timedelta(seconds=60),
        "started_at": now - timedelta(milliseconds=250),
        "finished_at": now,
        "outcome": "success",
        "run_count": 3,
    }
    row = ended | values
    db.session.execute(insert(ScheduledRun).values(name=name, **row))
    db.session.commit()
    return row


def entry_of(body, name):
    return next(entry for entry in body["entries"] if entry["name"] == name)


def test_before_the_first_run_all_entries_are_shown(client, staff):
    body = show(client, staff)
    assert body["leader"] is None
    assert body["entries"] == [
        {
            "name": entry.name,
            "interval_seconds": entry.seconds,
            "in_every_process": entry.in_every_process,
            **UNKNOWN,
        }
        for entry in SCHEDULE
    ]


def test_runs_are_shown_with_their_outcome(client, staff):
    good = store("files.delete")
    bad = store("auth.last_seen", outcome="failure", failure="ValueError: no")
    store("of.an.older.version")
    response = client.get(URL, headers=staff)
    assert int(response.headers["X-DB-Queries"]) <= 3
    body = response.json
    assert entry_of(body, "files.delete") == {
        "name": "files.delete",
        "interval_seconds": 60.0,
        "in_every_process": False,
        "is_running": False,
        "is_late": False,
        "next_run_at": to_wire(good["next_run_at"]),
        "last_started_at": to_wire(good["started_at"]),
        "last_finished_at": to_wire(good["finished_at"]),
        "last_duration_ms": 250.0,
        "last_outcome": "success",
        "last_failure": None,
        "run_count": 3,
    }
    shown = entry_of(body, "auth.last_seen")
    assert (shown["last_outcome"], shown["last_failure"]) == ("failure", "ValueError: no")
    assert (shown["in_every_process"], shown["next_run_at"]) == (True, to_wire(bad["next_run_at"]))
    assert [entry["name"] for entry in body["entries"]] == [entry.name for entry in SCHEDULE]


@pytest.mark.parametrize("ended_seconds_ago", [None, 60])
def test_run_under_way_has_no_duration_and_may_be_late(client, staff, ended_seconds_ago):
    now = clock.now()
    ended = {} if ended_seconds_ago is None else {"finished_at": now - timedelta(seconds=ended_seconds_ago)}
    under_way = {"started_at": now - timedelta(seconds=30), "finished_at": None, **ended}
    store("files.delete", **under_way, next_run_at=now + timedelta(seconds=30))
    store("blog.announce", **under_way, next_run_at=now - timedelta(seconds=28))
    # What is known is some seconds old.
    store("events.prune", next_run_at=now - timedelta(seconds=6))
    body = show(client, staff)
    seen = {name: entry_of(body, name) for name in ("files.delete", "blog.announce", "events.prune")}
    assert {name: (entry["is_running"], entry["is_late"]) for name, entry in seen.items()} == {
        "files.delete": (True, False),
        "blog.announce": (True, True),
        "events.prune": (False, False),
    }
    assert seen["files.delete"]["last_duration_ms"] is None


def test_leader_is_shown_until_its_lease_ends(client, staff):
    leader = Leadership(LEASE_NAME, "web-1:4711:9f0c2a7e")
    leader.renew(lambda tx: None)
    Leadership("another matter", "web-2:1:1").renew(lambda tx: None)
    lease = db.session.get(Lease, LEASE_NAME)
    assert show(client, staff)["leader"] == {
        "process": "web-1:4711:9f0c2a7e",
        "since": to_wire(lease.taken_at),
        "expires_at": to_wire(lease.expires_at),
    }
    lease.expires_at = clock.now()
    db.session.commit()
    assert show(client, staff)["leader"] is None


def test_permission_opens_it_for_others_than_staff(client):
    user = create_user()
    headers = bearer(open_session(user).access)
    assert client.get(URL, headers=headers).status_code == 403
    accounts.grant_permission(name=user.email, permission="system.view")
    assert show(client, headers)["entries"]
