"""What others hear of many tasks that were changed or deleted together: once, and only of those that they see."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from nxfs.auth.queries import actor_of
from nxfs.core import event_log
from nxfs.core.actor import Actor
from nxfs.core.event_log import EventRecord, LoggedEvent
from nxfs.realtime import bulk_renderings, renderings
from nxfs.realtime.bulk_renderings import Holder
from nxfs.realtime.message import Message
from nxfs.tasks.service import projects
from tests.factories.tasks import create_project, create_task
from tests.factories.users import create_user
from tests.notifications.plans import plans_of
from tests.realtime.batches import change_tasks, delete_tasks
from tests.realtime.listener import Desk, Listener
from tests.realtime.payloads import require_valid

UPDATED, DELETED = "tasks_bulk_updated", "tasks_bulk_deleted"


@pytest.fixture
def desk(app: Flask) -> Desk:
    """A hub that is driven by hand."""
    return Desk(app)


def listening(desk: Desk, *people: Any, rooms: tuple[str, ...] = ("tasks",)) -> list[Listener]:
    """Return a connection of each of the people, in the rooms, after all that was logged before."""
    desk.follow()
    listeners = [desk.connect(person) for person in people]
    for listener in listeners:
        desk.join(listener, *rooms)
    return listeners


def told(listener: Listener) -> list[tuple[str, list[int]]]:
    """Return the names of what came, and of which tasks it tells; each has to have the form of its schema."""
    for name, payload in listener.events:
        require_valid(name, payload)
    return [(name, payload.get("task_ids") or [payload["task_id"]]) for name, payload in listener.events]


def test_each_hears_once_of_those_tasks_that_they_see(desk):
    owner, member, assignee, stranger, admin = (*(create_user() for _ in range(4)), create_user(role="admin"))
    project_id = create_project(owner, members=(member,))
    shared = [create_task(owner, project=project_id), create_task(owner, project=project_id, assignee_id=assignee.id)]
    own = create_task(owner)
    listeners = listening(desk, owner, member, assignee, stranger, admin)

    change_tasks(owner, [*shared, own], priority="high", due_date=None)
    desk.follow()

    seen = [[*shared, own], shared, [shared[1]], None, [*shared, own]]
    assert [told(each) for each in listeners] == [[(UPDATED, ids)] if ids else [] for ids in seen]
    payload = listeners[1].events[0][1]
    assert (payload["updates"], payload["updated_by"]) == ({"priority": "high", "due_date": None}, owner.id)


def test_it_comes_to_the_most_specific_room(desk):
    owner = create_user()
    first, second = create_project(owner), create_project(owner)
    task_ids = [create_task(owner, project=second), create_task(owner)]
    both, elsewhere = *listening(desk, owner, rooms=("tasks", f"project_{second}")), desk.connect(owner)
    desk.join(elsewhere, f"project_{first}")

    change_tasks(owner, task_ids, priority="low")
    desk.follow()

    assert [payload["room"] for _, payload in both.events] == [f"project_{second}"]
    assert (told(both), told(elsewhere)) == ([(UPDATED, task_ids)], [])


def test_who_sees_some_of_them_no_longer_is_told_which(desk):
    owner, member, admin = create_user(), create_user(), create_user(role="admin")
    project_id = create_project(owner, members=(member, admin))
    kept = create_task(owner, project=project_id, assignee_id=member.id)
    lost = [create_task(owner, project=project_id) for _ in range(2)]
    by_owner, by_member, by_admin = listening(desk, owner, member, admin)

    change_tasks(owner, [kept, *lost], project=None)
    desk.follow()

    assert told(by_member) == [(UPDATED, [kept]), (DELETED, lost)]
    assert by_member.events[1][1]["reason"] == "access_ended"
    assert told(by_owner) == told(by_admin) == [(UPDATED, [kept, *lost])]


def test_former_assignees_lose_and_new_ones_see(desk):
    owner, former, new = create_user(), create_user(), create_user()
    task_ids = [create_task(owner, assignee_id=former.id), create_task(owner)]
    by_former, by_new = listening(desk, former, new)
    change_tasks(owner, task_ids, assignee_id=new.id)
    desk.follow()
    assert (told(by_former), told(by_new)) == ([(DELETED, task_ids[:1])], [(UPDATED, task_ids)])


def test_deletion_is_told_to_those_who_saw_the_tasks(desk):
    owner, member, stranger, admin = create_user(), create_user(), create_user(), create_user(role="admin")
    shared, own = create_task(owner, project=create_project(owner, members=(member,))), create_task(owner)
    by_owner, by_member, by_stranger, by_admin = listening(desk, owner, member, stranger, admin)

    delete_tasks(owner, [shared, own])
    desk.follow()

    assert told(by_owner) == told(by_admin) == [(DELETED, [shared, own])]
    assert (told(by_member), told(by_stranger)) == ([(DELETED, [shared])], [])
    assert by_member.events[0][1]["reason"] == "deleted"


def test_what_is_gone_or_out_of_sight_when_it_is_told_is_not_among_the_updated(desk):
    owner, member = create_user(), create_user()
    project_id = create_project(owner, members=(member,))
    kept, moved, gone = (create_task(owner, project=project_id) for _ in range(3))
    (listener,) = listening(desk, member)

    change_tasks(owner, [kept, moved, gone], priority="high")
    change_tasks(owner, [moved, gone], project=None)
    delete_tasks(owner, [gone])
    desk.follow()

    # The deletion has an audience to which the member does not belong any longer.
    assert told(listener) == [(UPDATED, [kept]), (DELETED, [moved, gone])]


def test_small_batch_is_told_one_by_one_as_well_and_an_empty_one_not_at_all(desk):
    owner = create_user()
    task_ids = [create_task(owner), create_task(owner)]
    (listener,) = listening(desk, owner)
    change_tasks(owner, [], with_single_events=True, priority="low")
    delete_tasks(owner, [], with_single_events=True)
    change_tasks(owner, task_ids, with_single_events=True, priority="low")
    desk.follow()
    delete_tasks(owner, task_ids, with_single_events=True)
    desk.follow()
    assert listener.names == ["task_updated"] * 2 + [UPDATED] + ["task_deleted"] * 2 + [DELETED]


def test_who_is_cut_off_between_two_messages_of_a_batch_gets_the_rest(desk):
    owner, member = create_user(), create_user()
    project_id = create_project(owner, members=(member,))
    kept, lost = create_task(owner, project=project_id, assignee_id=member.id), create_task(owner, project=project_id)
    (listener,) = listening(desk, member)
    since = desk.hub.position
    change_tasks(owner, [kept, lost], with_single_events=True, project=None)
    desk.follow()
    ids = listener.event_ids
    assert (listener.names[2:], ids) == ([UPDATED, DELETED], sorted(set(ids)))

    for number, position in enumerate([since, *ids]):
        again = desk.connect(member)
        assert not desk.join(again, "tasks", since=position).resync_required
        assert again.events == listener.events[number:]


def test_what_was_missed_of_a_batch_is_asked_anew_who_may_see_it(desk):
    owner, member = create_user(), create_user()
    project_id = create_project(owner, members=(member,))
    shared, own = create_task(owner, project=project_id), create_task(owner, assignee_id=member.id)
    desk.follow()
    since = desk.hub.position
    change_tasks(owner, [shared, own], priority="high")
    projects.remove_member(actor=actor_of(owner), project_id=project_id, user_id=member.id)
    desk.follow()
    listener = desk.connect(member)
    desk.join(listener, "tasks", since=since)
    assert listener.names == [UPDATED, "project_member_removed"]
    assert listener.events[0][1]["task_ids"] == [own]


def test_many_batches_are_rendered_by_few_statements_while_others_run(desk, monkeypatch):
    monkeypatch.setattr(bulk_renderings, "IDS_AT_ONCE", 10)
    pauses: list[str] = []
    for module in (renderings, bulk_renderings):
        monkeypatch.setattr(module, "let_others_run", lambda: pauses.append("pause"))
    owner = create_user()
    project_id = create_project(owner)
    task_ids = [create_task(owner, project=project_id) for _ in range(21)]
    (listener,) = listening(desk, owner)
    for priority in ("low", "high", "medium"):
        change_tasks(owner, task_ids, priority=priority)
    events = event_log.read_after(desk.hub.position, limit=10)

    plans = plans_of(lambda: renderings.render(events, desk.hub._memberships))

    # Three times ten of the tasks, and the people of the project.
    assert (len(plans), len(pauses)) == (4, 5)
    desk.follow()
    assert told(listener) == [(UPDATED, task_ids)] * 3


USERS, PROJECTS = range(1, 6), range(1, 4)
SOMEBODY, SOME_PROJECT = st.none() | st.sampled_from(USERS), st.none() | st.sampled_from(PROJECTS)
AUDIENCES = st.tuples(
    st.frozensets(st.sampled_from(USERS), max_size=3), st.frozensets(st.sampled_from(PROJECTS), max_size=2)
)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries({each: st.frozensets(st.sampled_from(USERS)) for each in PROJECTS}),
    st.lists(st.tuples(AUDIENCES, st.none() | st.builds(Holder, SOMEBODY, SOMEBODY, SOME_PROJECT)), max_size=12),
)
def test_everybody_gets_one_list_of_exactly_what_concerns_them(people, batch):
    audiences = {number: audience for number, (audience, _) in enumerate(batch, 1)}
    holders = {number: holder for number, (_, holder) in enumerate(batch, 1) if holder is not None}
    groups = [
        {"task_ids": [number], "audience": [f"user:{each}" for each in users] + [f"project:{each}" for each in shared]}
        for number, (users, shared) in audiences.items()
    ]

    def event(type_: str) -> LoggedEvent:
        payload = {"groups": groups, "updates": {}}
        return LoggedEvent(1, type_, 1, [], payload, datetime(2026, 5, 17, tzinfo=UTC))

    def before(user_id: int) -> set[int]:
        return {
            number
            for number, (users, shared) in audiences.items()
            if user_id in users.union(*(people[each] for each in shared))
        }

    def now(user_id: int) -> set[int]:
        return {
            number
            for number, each in holders.items()
            if user_id in (each.user_id, each.assignee_id) or user_id in people.get(each.project_id, ())
        }

    updated = list(bulk_renderings.updated(event(UPDATED), ("tasks",), holders, people))
    hidden = list(bulk_renderings.hidden(event("tasks_bulk_hidden"), ("tasks",), holders, people))
    deleted = list(bulk_renderings.deleted(event(DELETED), ("tasks",), people))
    for user_id in USERS:
        assert received(updated, user_id) == now(user_id)
        assert received(hidden, user_id) == before(user_id) - now(user_id)
        assert received(deleted, user_id) == before(user_id)
        for messages, everything in ((updated, holders.keys()), (hidden, set()), (deleted, audiences.keys())):
            assert received(messages, user_id, role="admin") == everything


def received(messages: list[Message], user_id: int, role: str = "user") -> set[int]:
    """Return the ids that the user gets, with at most one message."""
    actor = Actor(id=user_id, role=role, username="somebody")
    own = [message.body["task_ids"] for message in messages if message.viewers.include(actor)]
    assert len(own) <= 1
    ids = own[0] if own else []
    assert ids == sorted(set(ids))
    return set(ids)


def test_streams_and_sockets_say_the_same_of_a_batch(connect, listen, database, kari, ola):
    project = kari.create_project(members=(ola,))
    task_ids = [kari.create_task(project=project["id"])["id"], kari.create_task()["id"]]
    rooms = (f"project_{project['id']}", "tasks")
    socket, stream = connect(ola), listen(ola, *rooms)
    stream.wait_for("ready")
    for room in rooms:
        socket.join(room)
    audience = [f"project:{project['id']}", f"user:{kari.id}"]
    groups = [{"task_ids": task_ids[:1], "audience": audience}, {"task_ids": task_ids[1:], "audience": audience[1:]}]
    updates = {"status": "completed", "due_date": "2026-05-17", "category": [7]}
    moment = {"actor_id": kari.id, "audience": audience, "occurred_at": datetime.now(UTC)}
    with database.begin() as connection:
        for type_, payload in ((UPDATED, {"updates": updates}), (DELETED, {})):
            row = {"type": type_, "payload": {"groups": groups, **payload}, **moment}
            connection.execute(sa.insert(EventRecord.__table__).values(row))
    for name in (UPDATED, DELETED):
        payload = socket.wait_for(name)
        require_valid(name, payload)
        assert (payload["task_ids"], payload["room"]) == (task_ids[:1], rooms[0])
        assert stream.wait_for(name).payload == payload
    assert socket.wait_for(UPDATED)["updates"] == updates
