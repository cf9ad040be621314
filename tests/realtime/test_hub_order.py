"""In which order the hub tells things, and what it does for those who read while much is told at once."""

from __future__ import annotations

from typing import Any

import gevent
import pytest
from flask import Flask

from nxfs.auth.queries import actor_of
from nxfs.realtime import hub, renderings
from nxfs.realtime.connections import MOST_WAITING_BYTES
from nxfs.realtime.streams import StreamConnection
from nxfs.tasks.service import projects, tasks
from tests.factories.tasks import create_project, create_task
from tests.factories.users import create_user
from tests.realtime.listener import Desk


def test_who_loses_a_room_hears_first_why(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, desk = create_user(), Desk(app)
    project_id = create_project(owner)
    desk.follow()
    listener, room = desk.connect(owner), f"project_{project_id}"
    desk.join(listener, room)
    seen_at_the_end: list[list[str]] = []
    monkeypatch.setattr(listener, "tell", lambda name, _: seen_at_the_end.append([*listener.names, name]))
    original, checks = renderings.render, []

    def render_slowly(*arguments: Any) -> Any:
        messages = original(*arguments)
        # Meanwhile everybody's rooms are looked at, as every few seconds.
        checks.append(gevent.spawn(desk.hub.access.check_rooms, [listener], [room]))
        gevent.sleep(0.01)
        return messages

    monkeypatch.setattr(hub, "render", render_slowly)
    projects.delete_project(actor=actor_of(owner), project_id=project_id)
    desk.follow()
    gevent.joinall(checks, timeout=5, raise_error=True)
    assert seen_at_the_end == [["project_deleted", "room_closed"]]


def test_who_reads_is_not_too_slow_for_many_large_events_at_once(app: Flask) -> None:
    owner, desk = create_user(), Desk(app)
    text = "x" * 10_000
    task_ids = [create_task(owner, description=text, notes=text) for _ in range(70)]
    desk.follow()
    before = desk.hub.position
    live, late = (StreamConnection(connection_id=name, actor=actor_of(owner), expires_at=None) for name in "ab")
    desk.hub.add(live)
    desk.join(live, "tasks")
    readers = [gevent.spawn(list, stream.lines()) for stream in (live, late)]
    gevent.sleep(0)
    for task_id in task_ids:
        tasks.update_task(actor=actor_of(owner), task_id=task_id, values={"title": "Changed"})
    desk.follow()
    desk.hub.add(late)
    assert desk.join(late, "tasks", since=before).resync_required is False
    for stream, reader in zip((live, late), readers, strict=True):
        stream.finish()
        lines = reader.get(timeout=5)
        assert sum(map(len, lines)) > MOST_WAITING_BYTES
        assert [line for line in lines if "event: closing" in line] == []
        assert len([line for line in lines if "event: task_updated" in line]) == len(task_ids)
