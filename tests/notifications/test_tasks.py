"""Who is told of which change to a task or a project, and that nobody learns of what he may not see."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from nxfs.tasks.service.mentions import MOST_MENTIONS, names_in
from tests.factories.tasks import create_project, create_task
from tests.factories.users import create_user
from tests.notifications.inbox import count_stored, inbox, only, read, types, want
from tests.tasks.person import Person

TASKS, PROJECTS = "/api/tasks/", "/api/tasks/projects/"


def change(person: Person, task: int, **values: Any) -> None:
    """Change fields of a task."""
    answer = person.patch(f"{TASKS}{task}/", json=values)
    assert answer.status_code == 200, answer.get_json()


def test_assignee_of_a_new_task_is_told_with_what_a_link_needs(client: FlaskClient) -> None:
    kari, ola = Person(client, display_name="Kari Nordmann"), Person(client)
    project = create_project(kari.user)

    task = kari.post(TASKS, json={"title": "Cable", "assignee_id": ola.id, "project": project}).get_json()["id"]

    item = only(ola)
    assert item["type"] == "task_assigned"
    assert item["message"] == "Kari Nordmann assigned you the task “Cable”."
    facts = {"task_id": task, "title": "Cable", "project_id": project, "actor_name": "Kari Nordmann"}
    assert item["data"] == facts
    assert inbox(kari) == []


def test_new_assignee_is_told_only_that_and_the_former_one_nothing(client: FlaskClient) -> None:
    kari, ola, per = Person(client), Person(client), Person(client)
    task = create_task(kari.user)

    change(kari, task, assignee_id=ola.id, title="New", status="completed")
    assert types(ola) == ["task_assigned"]
    change(ola, task, assignee_id=per.id)

    assert types(per) == ["task_assigned"]
    assert types(ola) == ["task_assigned"]
    assert (types(kari), only(kari)["data"]["fields"]) == (["task_changed"], ["assignee_id"])
    change(kari, task, title="Newer")
    assert types(ola) == ["task_assigned"]


def test_whoever_takes_a_task_is_not_told(client: FlaskClient) -> None:
    kari = Person(client)
    task = create_task(kari.user, assignee_id=kari.id, notes=f"@{kari.user.username}")
    change(kari, task, title="New", assignee_id=None)
    change(kari, task, assignee_id=kari.id, status="completed")

    assert count_stored() == 0


def test_owner_and_assignee_are_told_of_changes_by_somebody_else(client: FlaskClient) -> None:
    kari, ola, per = (Person(client) for _ in range(3))
    project = create_project(kari.user, members=(per.user,))
    want(ola, task_assigned=False)
    task = create_task(kari.user, title="Cable", assignee_id=ola.id, project=project)

    change(per, task, title="Wire", priority="high")

    for person in (kari, ola):
        item = only(person)
        assert (item["type"], item["data"]["fields"], item["data"]["title"]) == (
            *("task_changed", ["priority", "title"]),
            "Wire",
        )
    assert types(per) == ["project_member_added"]
    change(per, task, title="Wire")
    assert only(kari)["count"] == 1


def test_completion_takes_the_unread_change_over_and_reopening_takes_it_back(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    task = create_task(kari.user, title="Cable", assignee_id=ola.id)
    seen = []
    for values in ({"title": "Wire"}, {"status": "completed"}, {"notes": "done"}, {"completed": False}):
        change(ola, task, **values)
        seen.append((only(kari)["type"], only(kari)["count"]))

    assert seen == [("task_changed", 1), ("task_completed", 2), ("task_completed", 3), ("task_changed", 4)]
    read(kari, only(kari))
    change(ola, task, status="completed")
    assert types(kari) == ["task_changed", "task_completed"]
    assert inbox(kari, read="false")[0]["count"] == 1


def test_moving_a_task_into_a_project_is_a_change_and_deleting_the_project_is_none(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    task = create_task(kari.user, assignee_id=ola.id)
    project = create_project(ola.user)

    ola.post(f"{PROJECTS}{project}/add-task/", json={"task_id": task})
    ola.delete(f"{PROJECTS}{project}/")

    assert (only(kari)["type"], only(kari)["count"]) == ("task_changed", 1)
    assert only(kari)["data"]["project_id"] == project


def test_new_member_is_told_of_the_project(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client, language="no")
    project = create_project(kari.user, name="Cabin", members=(ola.user,))

    item = only(ola)
    assert (item["type"], item["data"]["project_id"]) == ("project_member_added", project)
    assert item["message"] == f"{kari.user.display_name} har lagt deg til i prosjektet «Cabin»."


def test_copies_tell_the_assignee_of_one_task_and_nobody_of_a_project(client: FlaskClient) -> None:
    kari, ola, per = Person(client), Person(client), Person(client)
    project = create_project(kari.user, members=(per.user,))
    task = create_task(per.user, project=project, assignee_id=ola.id, notes=f"@{per.user.username}")
    before = count_stored()

    kari.post(f"{PROJECTS}{project}/duplicate/")
    assert count_stored() == before
    copy = kari.post(f"{TASKS}{task}/duplicate/").get_json()["id"]

    assert [item["data"]["task_id"] for item in inbox(ola)] == [copy, task]
    assert count_stored() == before + 1


@pytest.mark.parametrize(
    ("notes", "names"),
    [
        ("Ask @Kari, @per-olav and (@OLA_2)!", ["kari", "per-olav", "ola_2"]),
        ("@kari\n@kari. @KARI", ["kari"]),
        ("mail kari@example.com, first.@example.no, a+b@kari-no.com", []),
        ("@kari@example.social and @@kari", []),
        ("@ka and @" + "k" * 31 + " @karå", []),
        ("\\@kari/@ola", ["kari", "ola"]),
        ("", []),
    ],
)
def test_mention_is_a_username_and_no_part_of_an_address(notes: str, names: list[str]) -> None:
    assert names_in(notes) == names


def test_mentioned_people_who_see_the_task_are_told_and_nobody_else(client: FlaskClient) -> None:
    owner, assignee, member, leader, admin, stranger = people = [
        Person(client, role=role) for role in ("user", "user", "user", "user", "admin", "user")
    ]
    staff = Person(client, role="staff")
    gone = create_user(is_active=False, role="admin")
    project = create_project(leader.user, members=(member.user, owner.user))
    names = [person.user.username.upper() for person in (*people, staff)] + [gone.username, "nobody-at-all"]

    task = create_task(
        owner.user,
        project=project,
        assignee_id=assignee.id,
        notes=" ".join(f"@{name}" for name in names),
    )

    told = [person for person in (*people, staff) if "mention" in types(person)]
    assert told == [assignee, member, leader, admin]
    assert (only(admin)["data"]["task_id"], only(admin)["message"]) == (
        task,
        f"{owner.user.display_name} mentioned you in the task “{only(admin)['data']['title']}”.",
    )
    assert inbox(stranger) == inbox(staff) == []


def test_members_of_other_projects_do_not_see_the_task_without_one(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    create_project(kari.user, members=(ola.user,))
    want(ola, project_member_added=False)

    create_task(kari.user, notes=f"@{ola.user.username}")

    assert "mention" not in types(ola)


def test_update_tells_only_those_who_are_newly_mentioned(client: FlaskClient) -> None:
    kari, ola, per = Person(client), Person(client, username="ola"), Person(client, username="per")
    project = create_project(kari.user, members=(ola.user, per.user))
    task = create_task(kari.user, project=project, notes="@ola")

    change(kari, task, notes="@OLA, and @per")
    change(kari, task, notes="@per, and @ola again", title="Other")
    change(kari, task, title="New")

    for person in (ola, per):
        assert [item["count"] for item in inbox(person, type="mention")] == [1]
    change(kari, task, notes="")
    change(kari, task, notes="@ola")
    assert inbox(ola, type="mention")[0]["count"] == 2


def test_at_most_twenty_names_of_one_task_count(client: FlaskClient) -> None:
    kari = Person(client)
    ola, per = Person(client, username="ola"), Person(client, username="per")
    project = create_project(kari.user, members=(ola.user, per.user))
    crowd = " ".join(f"@somebody{number}" for number in range(MOST_MENTIONS - 1))

    create_task(kari.user, project=project, notes=f"{crowd} @ola @ola @per")

    assert (len(inbox(ola, type="mention")), len(inbox(per, type="mention"))) == (1, 0)


def test_refused_change_tells_nobody(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    task = create_task(kari.user, assignee_id=ola.id)
    before = count_stored()

    refused = [
        ola.patch(f"{TASKS}{task}/", json={"title": "New", "project": 999_999}),
        ola.patch(f"{TASKS}{task}/", json={"title": "New"}, headers={"If-Match": 'W/"7-x"'}),
        Person(client).patch(f"{TASKS}{task}/", json={"title": "New"}),
    ]

    assert [answer.status_code for answer in refused] == [400, 412, 404]
    assert count_stored() == before


def test_changes_cost_no_statement_for_nobody_and_few_for_many(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    own, shared = create_task(kari.user), create_task(kari.user, assignee_id=ola.id)
    kari.get(TASKS)
    want(ola, task_changed=False)

    def cost(task: int, **values: Any) -> int:
        return int(kari.patch(f"{TASKS}{task}/", json=values).headers["X-DB-Queries"])

    alone, unwanted = cost(own, title="New"), cost(shared, title="New")
    want(ola, task_changed=True)
    wanted = cost(shared, title="Newer")

    assert (unwanted - alone, wanted - alone) == (1, 2)
    assert cost(own, notes="nobody@example.com") == alone
