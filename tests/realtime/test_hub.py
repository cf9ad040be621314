"""What a hub hands to whom: rooms, sight, what was missed, and access that ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nxfs.auth.queries import actor_of
from nxfs.auth.service import sessions, tokens
from nxfs.core import event_log, event_tail
from nxfs.core.errors import NotFoundError
from nxfs.core.event_log import LoggedEvent
from nxfs.core.transaction import transaction
from nxfs.realtime import backlog, connections, hub, renderings
from nxfs.realtime.errors import RoomNotFoundError, TooManyConnectionsError, TooManyRoomsError
from nxfs.realtime.events import UserJoined, UserLeft
from nxfs.realtime.hub import Hub
from nxfs.realtime.schemas.events import EVENTS
from nxfs.tasks.service import categories, projects, tasks
from tests.factories.tasks import add_member, create_category, create_project, create_task
from tests.factories.users import create_user, open_session
from tests.realtime.listener import Desk, Listener


@pytest.fixture
def desk(app) -> Desk:
    """A hub that is driven by hand, at the end of a log that has events."""
    create_category(create_user())
    return Desk(app)


def rename(owner: Any, task_id: int, title: str = "Other") -> None:
    """Change a task."""
    tasks.update_task(actor=actor_of(owner), task_id=task_id, values={"title": title})


def test_event_of_several_rooms_comes_once_to_each_connection(desk):
    owner, member = create_user(), create_user()
    project_id = create_project(owner, members=(member,))
    desk.follow()
    both, one = desk.connect(member), desk.connect(member)
    room = f"project_{project_id}"
    desk.join(both, "tasks")
    desk.join(both, room)
    desk.join(one, "tasks")

    create_task(owner, project=project_id)
    desk.follow()

    assert (both.names, both.events[0][1]["room"]) == (["task_created"], room)
    assert (one.names, one.events[0][1]["room"]) == (["task_created"], "tasks")


def test_nobody_hears_of_tasks_that_they_do_not_see(desk):
    owner, stranger, assignee, admin = create_user(), create_user(), create_user(), create_user(role="admin")
    listeners = {user.id: desk.connect(user) for user in (owner, stranger, assignee, admin)}
    for listener in listeners.values():
        desk.join(listener, "tasks")

    create_task(owner, assignee_id=assignee.id)
    desk.follow()

    heard = {user_id for user_id, listener in listeners.items() if listener.names}
    assert heard == {owner.id, assignee.id, admin.id}


def test_task_that_leaves_the_sight_of_somebody_is_deleted_for_them(desk):
    owner, member = create_user(), create_user()
    project_id = create_project(owner, members=(member,))
    task_id = create_task(owner, project=project_id)
    desk.follow()
    by_member, by_owner = desk.connect(member), desk.connect(owner)
    for listener in (by_member, by_owner):
        desk.join(listener, "tasks")

    tasks.update_task(actor=actor_of(owner), task_id=task_id, values={"project": None})
    desk.follow()

    assert by_owner.names == ["task_updated"]
    name, payload = by_member.events[0]
    assert (name, payload["task_id"], payload["reason"]) == ("task_deleted", task_id, "access_ended")
    rename(owner, task_id)
    desk.follow()
    assert len(by_member.events) == 1


def test_removed_member_is_told_and_taken_out_and_hears_nothing_more(desk):
    owner, member = create_user(), create_user()
    project_id = create_project(owner, members=(member,))
    task_id = create_task(owner, project=project_id)
    desk.follow()
    listener, room = desk.connect(member), f"project_{project_id}"
    desk.join(listener, room)
    desk.join(listener, "tasks")

    projects.remove_member(actor=actor_of(owner), project_id=project_id, user_id=member.id)
    rename(owner, task_id)
    desk.follow()
    desk.hub.access.check_rooms([listener], [room])

    assert listener.names == ["project_member_removed"]
    assert [name for name, _ in listener.told] == ["room_closed"]
    assert list(listener.rooms) == ["tasks"]
    with pytest.raises(RoomNotFoundError):
        desk.join(listener, room, since=0)


def test_what_was_missed_is_asked_anew_who_may_see_it(desk):
    owner, member = create_user(), create_user()
    project_id = create_project(owner, members=(member,))
    since = event_log.last_id()
    create_task(owner, project=project_id, title="Secret")
    own_id = create_task(member)
    projects.remove_member(actor=actor_of(owner), project_id=project_id, user_id=member.id)
    desk.follow()

    listener = desk.connect(member)
    desk.join(listener, "tasks", since=since)

    assert listener.names == ["task_created", "project_member_removed"]
    assert listener.events[0][1]["task"]["id"] == own_id


def test_task_that_is_moved_away_and_deleted_is_gone_for_those_who_lost_it(desk):
    owner, member = create_user(), create_user()
    task_id = create_task(owner, project=create_project(owner, members=(member,)))
    desk.follow()
    listener = desk.connect(member)
    desk.join(listener, "tasks")
    tasks.update_task(actor=actor_of(owner), task_id=task_id, values={"project": None})
    tasks.delete_task(actor=actor_of(owner), task_id=task_id)
    desk.follow()
    assert listener.names == ["task_deleted"]


def test_admin_who_is_no_longer_assigned_keeps_the_task(desk):
    owner, admin = create_user(), create_user(role="admin")
    task_id = create_task(owner, assignee_id=admin.id)
    desk.follow()
    listener = desk.connect(admin)
    desk.join(listener, "tasks")
    tasks.update_task(actor=actor_of(owner), task_id=task_id, values={"assignee_id": None})
    desk.follow()
    assert listener.names == ["task_updated"]


def test_connection_that_ended_while_it_joined_is_in_no_room(desk):
    listener = desk.connect(create_user())
    desk.hub.remove(listener)
    with pytest.raises(RoomNotFoundError):
        desk.join(listener, "tasks")
    assert desk.hub.inside("tasks") == frozenset()


def test_presence_of_others_takes_no_room_of_what_was_missed(desk, monkeypatch, app):
    monkeypatch.setattr(backlog, "MOST_KEPT", 3)
    owner, visitor = create_user(), create_user()
    since = event_log.last_id()
    create_category(owner)
    with transaction() as tx:
        for number in range(10):
            event = (UserJoined, UserLeft)[number % 2](user_id=visitor.id, room="tasks")
            tx.emit(event, actor_id=visitor.id)
    late = Desk(app)
    listener = late.connect(owner)
    assert not late.join(listener, "tasks", since=since).resync_required
    assert listener.names == ["category_created"]


def test_failure_with_one_connection_is_nobody_elses(desk, monkeypatch):
    owner = create_user()
    broken, whole = desk.connect(owner), desk.connect(owner)
    for listener in (broken, whole):
        desk.join(listener, "tasks")
    monkeypatch.setattr(broken, "send", lambda *_: 1 / 0)
    create_task(owner)
    desk.follow()
    assert (whole.names, broken.reason) == (["task_created"], connections.TOO_SLOW)


def test_replay_asks_again_what_may_be_seen_while_the_client_is_slow(desk, monkeypatch):
    owner, member = create_user(), create_user()
    project_id = create_project(owner, members=(member,))
    since = event_log.last_id()
    for number in range(3):
        create_task(owner, project=project_id, title=f"Secret {number}")
    desk.follow()
    listener = desk.connect(member)

    def catch_up() -> None:
        if len(listener.events) == 1:
            monkeypatch.setattr(listener, "catch_up", lambda: None)
            projects.remove_member(actor=actor_of(owner), project_id=project_id, user_id=member.id)
            desk.follow()

    monkeypatch.setattr(listener, "catch_up", catch_up)
    desk.join(listener, "tasks", since=since)
    assert listener.names == ["task_created", "project_member_removed"]


@pytest.mark.parametrize(
    "name", ["project_0", "project_99", "project_01", "project_٣", "tasks ", "TASKS", "user_0", "", "admin", "x" * 41]
)
def test_room_that_is_none_is_refused(desk, name):
    listener = desk.connect(create_user())
    with pytest.raises(RoomNotFoundError):
        desk.join(listener, name)
    assert not listener.rooms


def test_room_of_others_is_refused_as_one_that_is_none(desk):
    owner, other = create_user(), create_user(role="staff")
    project_id = create_project(owner)
    listener = desk.connect(other)
    errors = []
    for name in (f"user_{owner.id}", f"project_{project_id}", "project_999999"):
        with pytest.raises(NotFoundError) as raised:
            desk.join(listener, name)
        errors.append((raised.value.code, raised.value.message))
    assert len(set(errors)) == 1


def test_admin_enters_the_room_of_any_project_that_exists_but_of_no_other_user(desk):
    owner, admin = create_user(), create_user(role="admin")
    listener = desk.connect(admin)
    desk.join(listener, f"project_{create_project(owner)}")
    for name in ("project_999999", f"user_{owner.id}"):
        with pytest.raises(RoomNotFoundError):
            desk.join(listener, name)


def test_as_many_rooms_and_connections_as_allowed_and_no_more(desk, monkeypatch):
    monkeypatch.setattr(hub, "MOST_ROOMS", 2)
    monkeypatch.setattr(hub, "MOST_CONNECTIONS_OF_A_USER", 2)
    user = create_user()
    rooms = [f"project_{create_project(user)}" for _ in range(3)]
    listener = desk.connect(user)
    desk.join(listener, *rooms[:2])
    desk.join(listener, rooms[0])
    with pytest.raises(TooManyRoomsError):
        desk.join(listener, rooms[2])
    second = desk.connect(user)
    with pytest.raises(TooManyConnectionsError):
        desk.connect(user)
    desk.hub.remove(second)
    desk.hub.remove(second)
    desk.connect(user)


def test_nothing_is_told_twice_to_who_joins_a_second_room_with_since(desk):
    owner = create_user()
    project_id = create_project(owner)
    desk.follow()
    since = event_log.last_id()
    listener = desk.connect(owner)
    desk.join(listener, "tasks")
    create_task(owner, project=project_id)
    create_task(owner)
    desk.follow()

    desk.join(listener, f"project_{project_id}", since=since)
    desk.join(listener, "tasks", since=since)

    assert listener.names == ["task_created", "task_created"]


def test_more_than_is_replayed_asks_for_a_resync_and_goes_on(desk, monkeypatch):
    monkeypatch.setattr(backlog, "MOST_REPLAYED", 3)
    owner = create_user()
    since = event_log.last_id()
    for _ in range(4):
        create_category(owner)
    desk.follow()
    listener = desk.connect(owner)

    joined = desk.join(listener, "tasks", since=since)
    assert (joined.resync_required, joined.last_event_id, listener.events) == (True, event_log.last_id(), [])
    create_category(owner)
    desk.follow()
    assert listener.names == ["category_created"]
    assert not desk.join(desk.connect(owner), "tasks", since=since + 2).resync_required


def test_since_beyond_the_log_or_before_it_asks_for_a_resync(desk, app):
    owner = create_user()
    for _ in range(3):
        create_category(owner)
    first = event_log.first_id()
    with transaction() as tx:
        tx.session.query(event_log.EventRecord).filter(event_log.EventRecord.id <= first + 1).delete()
    late = Desk(app)
    last = event_log.last_id()

    def resync_of(since: int) -> bool:
        return late.join(late.connect(owner), "tasks", since=since).resync_required

    assert [resync_of(since) for since in (last + 1000, last, last - 1, first)] == [True, False, False, True]


def test_client_that_is_ahead_of_this_process_gets_nothing_twice(desk):
    owner = create_user()
    create_category(owner)
    seen = event_log.last_id()
    listener = desk.connect(owner)
    assert desk.hub.position < seen
    assert not desk.join(listener, "tasks", since=seen).resync_required
    create_category(owner)
    desk.follow()
    assert listener.event_ids == [event_log.last_id()]


def test_started_anew_it_tells_what_was_logged_before(app):
    owner = create_user()
    create_category(owner)
    since = event_log.last_id()
    create_category(owner)
    create_task(owner)
    late = Desk(app)
    listener = late.connect(owner)
    late.join(listener, "tasks", since=since)
    assert listener.names == ["category_created", "task_created"]


def test_what_a_storm_missed_is_read_once(desk, monkeypatch):
    owner = create_user()
    since = event_log.last_id()
    for _ in range(5):
        create_task(owner)
    desk.follow()
    rendered = []
    monkeypatch.setattr(backlog, "render", lambda *values: rendered.append(values) or renderings.render(*values))

    listeners = [desk.connect(owner) for _ in range(20)]
    for number, listener in enumerate(listeners):
        desk.join(listener, "tasks", since=since + number % 3)

    assert len(rendered) == 1
    assert [len(listener.events) for listener in listeners[:3]] == [5, 4, 3]


def test_defect_in_one_event_asks_for_a_resync_and_stops_no_other(desk, monkeypatch):
    owner = create_user()
    listener = desk.connect(owner)
    desk.join(listener, "tasks")

    def fail(*_: Any) -> Any:
        raise KeyError("a defect")

    monkeypatch.setitem(renderings.RENDERINGS, "category_created", fail)
    create_category(owner)
    create_task(owner)
    desk.follow()

    assert listener.names == ["resync_required", "task_created"]


def test_failed_read_hands_nothing_on_and_the_same_events_come_again(desk, monkeypatch):
    owner = create_user()
    listener = desk.connect(owner)
    desk.join(listener, "tasks")
    create_task(owner)
    with monkeypatch.context() as patched:
        patched.setattr(hub, "render", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            desk.follow()
    assert (listener.events, desk.hub.position < event_log.last_id()) == ([], True)
    desk.follow()
    assert listener.names == ["task_created"]


def test_rolled_back_change_is_told_to_nobody(desk):
    owner = create_user()
    listener = desk.connect(owner)
    desk.join(listener, "tasks")
    with pytest.raises(RuntimeError), transaction():
        create_task(owner)
        raise RuntimeError("changed my mind")
    desk.follow()
    assert listener.events == []


def test_ended_session_ends_its_connections_and_no_new_one_comes_in(desk):
    user = create_user()
    first, second = desk.connect(user), desk.connect(user)
    assert first.actor.session_id != second.actor.session_id
    sessions.sign_out(actor=first.actor, refresh_token=None)
    desk.follow()
    assert (first.reason, second.reason) == (connections.SESSION_ENDED, None)
    with pytest.raises(Exception, match="session has ended"):
        desk.hub.add(Listener(first.actor))


def test_every_event_has_the_form_of_its_schema(desk):
    owner, member = create_user(), create_user()
    project_id = create_project(owner)
    listener = desk.connect(owner)
    desk.join(listener, "tasks")
    actor = actor_of(owner)
    task_id = create_task(owner, project=project_id)
    rename(owner, task_id)
    projects.update_project(actor=actor, project_id=project_id, values={"name": "Other"})
    add_member(project_id, member, owner=owner)
    projects.remove_member(actor=actor, project_id=project_id, user_id=member.id)
    category_id = create_category(owner)
    categories.update_category(actor=actor, category_id=category_id, values={"name": "Another"})
    desk.follow()
    create_project(owner)
    categories.delete_category(actor=actor, category_id=category_id)
    tasks.delete_task(actor=actor, task_id=task_id)
    projects.delete_project(actor=actor, project_id=project_id)
    desk.follow()

    told = {name for name in EVENTS if name.startswith(("task_", "project_", "category_"))}
    assert set(listener.names) == told
    for name, payload in listener.events:
        assert payload.keys() == EVENTS[name].fields.keys(), name
    assert listener.event_ids == sorted(set(listener.event_ids))


OPERATIONS = st.lists(
    st.sampled_from(["create", "update", "share", "hide", "cut", "follow", "resume", "delete"]), min_size=5, max_size=40
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS)
def test_connection_that_is_cut_and_resumes_shows_in_the_end_what_one_that_stays_shows(app, operations):
    desk = Desk(app)
    owner, member = create_user(), create_user()
    project_id = create_project(owner, members=(member,))
    desk.follow()
    since = desk.hub.position
    stays = desk.connect(member)
    desk.join(stays, "tasks")
    flaps: Listener | None = desk.connect(member)
    desk.join(flaps, "tasks", since=since)
    events: list[tuple[str, dict[str, Any]]] = []
    task_ids: list[int] = []

    for operation in [*operations, "follow", "resume", "follow"]:
        newest = task_ids[-1] if task_ids else None
        if operation == "create":
            task_ids.append(create_task(owner, project=project_id))
        elif operation == "follow":
            desk.follow()
        elif operation == "cut" and flaps is not None:
            events += flaps.events
            since = max([since, *flaps.event_ids])
            desk.hub.remove(flaps)
            flaps = None
        elif operation == "resume" and flaps is None:
            flaps = desk.connect(member)
            assert not desk.join(flaps, "tasks", since=since).resync_required
        elif newest is not None and operation == "update":
            rename(owner, newest, f"{event_log.last_id()}")
        elif newest is not None and operation in ("share", "hide"):
            values = {"project": project_id if operation == "share" else None}
            tasks.update_task(actor=actor_of(owner), task_id=newest, values=values)
        elif newest is not None and operation == "delete":
            tasks.delete_task(actor=actor_of(owner), task_id=task_ids.pop())

    assert flaps is not None
    events += flaps.events
    ids = [payload["event_id"] for _, payload in events]
    assert ids == sorted(set(ids))
    assert board_of(events) == board_of(stays.events)


def board_of(events: list[tuple[str, dict[str, Any]]]) -> dict[int, str]:
    """Return the titles of the tasks, by id, on the screen of a client that got ``events``."""
    board: dict[int, str] = {}
    for name, payload in events:
        if name == "task_deleted":
            board.pop(payload["task_id"], None)
        elif name in ("task_created", "task_updated"):
            board[payload["task"]["id"]] = payload["task"]["title"]
    return board


def test_event_types_that_nobody_hears_of_have_no_rooms():
    event = LoggedEvent(1, "password_changed", 1, ["user:1"], {"user_id": 1}, None)  # type: ignore[arg-type]
    assert renderings.rooms_of(event) == ()


def test_event_that_is_logged_while_a_process_starts_is_not_forgotten(app, monkeypatch):
    owner = create_user()
    create_task(owner)
    since = event_log.last_id()
    first_id = event_log.first_id

    def slow_first_id() -> int:
        # Another process logs, and the tail of this one has time to read it.
        create_task(owner)
        gevent.sleep(0.05)
        return first_id()

    monkeypatch.setattr(event_log, "first_id", slow_first_id)
    # Drivers block here: who listens would stop everybody.
    monkeypatch.setattr(event_tail, "_listen", lambda engine: None)
    made = Hub(app)
    made.start()
    try:
        gevent.sleep(0.05)
        session_id = tokens.decode_access_token(open_session(owner).access).session_id
        listener = Listener(replace(actor_of(owner), session_id=session_id))
        made.add(listener)
        assert made.join(listener, ["tasks"], since=since).resync_required is False
        assert listener.names == ["task_created"]
    finally:
        made.stop()
