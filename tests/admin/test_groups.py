"""Groups: what they give, who belongs to them, and how soon that counts."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from nxfs.admin.service import group_members, groups
from nxfs.auth.models import GroupMember, GroupPermission
from nxfs.auth.permissions import PERMISSIONS
from nxfs.auth.service import authentication
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.extensions import db
from tests.factories.groups import create_group
from tests.factories.users import create_user, open_session
from tests.tasks.person import Person

GROUPS = "/api/admin/groups/"


@pytest.fixture
def admin(client):
    return Person(client, role="admin")


def url(group_id, rest=""):
    return f"{GROUPS}{group_id}/{rest}"


def entries():
    db.session.rollback()
    found = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    return [(entry.action, entry.actor_id, entry.target_type, entry.target_id, entry.changes) for entry in found]


def events():
    db.session.rollback()
    found = db.session.scalars(select(EventRecord).where(EventRecord.type == "group_members_affected"))
    return [(event.payload, tuple(event.audience)) for event in found]


def members(group_id):
    db.session.rollback()
    return set(db.session.scalars(select(GroupMember.user_id).where(GroupMember.group_id == group_id)))


def test_group_is_created_shown_changed_and_deleted_with_an_audit_entry_each(admin):
    sent = {"name": "  Ærlige   redaktører ", "permissions": ["blog.publish", "blog.edit", "blog.edit"]}
    created = admin.post(GROUPS, json=sent)
    assert created.status_code == 201
    shown = created.json
    group_id = shown["id"]
    assert {**shown, "created_at": "", "updated_at": ""} == {
        "id": group_id,
        "version": 1,
        "name": "Ærlige redaktører",
        "description": "",
        "permissions": ["blog.edit", "blog.publish"],
        "member_count": 0,
        "created_at": "",
        "updated_at": "",
    }
    assert admin.get(url(group_id)).json == shown
    changed = admin.patch(url(group_id), json={"permissions": ["blog.edit"], "description": "Of the blog"})
    assert (changed.json["permissions"], changed.json["version"]) == (["blog.edit"], 2)
    replaced = admin.put(url(group_id), json={"name": "Readers"})
    assert [replaced.json[name] for name in ("name", "description", "permissions")] == ["Readers", "", []]
    same = admin.put(url(group_id), json={"name": "Readers"})
    assert same.json == replaced.json
    assert admin.delete(url(group_id)).status_code == 204
    assert admin.get(url(group_id)).status_code == 404
    target = (admin.id, "group", group_id)
    both = ["blog.edit", "blog.publish"]
    assert entries() == [
        (
            *("groups.created", *target),
            {"description": [None, ""], "name": [None, "Ærlige redaktører"], "permissions": [None, both]},
        ),
        (
            *("groups.updated", *target),
            {"description": ["", "Of the blog"], "permissions": [both, ["blog.edit"]]},
        ),
        (
            *("groups.updated", *target),
            {
                "description": ["Of the blog", ""],
                "name": ["Ærlige redaktører", "Readers"],
                "permissions": [["blog.edit"], []],
            },
        ),
        (
            *("groups.deleted", *target),
            {"description": ["", None], "members": [[], None], "name": ["Readers", None], "permissions": [[], None]},
        ),
    ]
    assert db.session.scalar(select(func.count()).select_from(GroupPermission)) == 0


@pytest.mark.parametrize("taken", ["redaktører", " REDAKTØRER", "Redakto\u0308rer".replace("o\u0308", "ø")])
def test_name_is_taken_whatever_its_case_and_blanks(admin, taken):
    create_group("Redaktører")
    other = create_group("Others")
    for response in (admin.post(GROUPS, json={"name": taken}), admin.patch(url(other), json={"name": taken})):
        assert (response.status_code, list(response.json["error"]["field_errors"])) == (409, ["name"])


def test_name_whose_key_is_long_is_kept(admin):
    name = "\ufdfa" * 80
    assert admin.post(GROUPS, json={"name": name}).json["name"] == name


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "a" * 81}, "name"),
        ({"name": "A", "permissions": ["sudo"]}, "permissions.0"),
        ({"name": "A", "permissions": "blog.edit"}, "permissions"),
        *(({"name": "A", field: 7}, field) for field in ("id", "version", "member_count", "created_at", "name_key")),
    ],
)
def test_bad_input_names_its_field_and_server_owned_fields_are_refused(admin, sent, field):
    group_id = create_group("Mine")
    for response in (admin.post(GROUPS, json=sent), admin.put(url(group_id), json=sent)):
        assert (response.status_code, list(response.json["error"]["field_errors"])) == (400, [field])


def test_etag_answers_304_and_a_stale_one_412(admin):
    group_id = create_group("Editors")
    etag = admin.get(url(group_id)).headers["ETag"]
    assert admin.get(url(group_id), headers={"If-None-Match": etag}).status_code == 304
    stale = {"If-Match": etag}
    assert admin.patch(url(group_id), json={"permissions": ["blog.edit"]}, headers=stale).status_code == 200
    assert admin.patch(url(group_id), json={"name": "Other"}, headers=stale).status_code == 412
    assert admin.delete(url(group_id), headers=stale).status_code == 412
    assert admin.get(url(group_id)).json["name"] == "Editors"


def test_list_costs_two_statements_and_can_be_searched_filtered_and_ordered(admin):
    people = [create_user().id for _ in range(3)]
    create_group("Østlige forfattere", permissions=["blog.edit", "blog.publish"], members=people[:1])
    create_group("Åpne forfattere", permissions=["media.manage"], members=people)
    create_group("Café 100%", members=people[:2])
    fresh = Person(admin.client, role="admin")
    response = fresh.get(GROUPS)
    assert response.headers["X-DB-Queries"] == "2"
    assert [(each["name"], each["member_count"], each["permissions"]) for each in response.json["results"]] == [
        ("Café 100%", 2, []),
        ("Østlige forfattere", 1, ["blog.edit", "blog.publish"]),
        ("Åpne forfattere", 3, ["media.manage"]),
    ]

    def listed(**query):
        return [each["name"].split()[0] for each in admin.get(GROUPS, **query).json["results"]]

    assert listed(search="FORFATT øst") == ["Østlige"]
    assert (listed(search="cafe"), listed(search="af 100"), listed(search="%")) == (["Café"], ["Café"], [])
    assert listed(permission="media.manage,blog.edit") == ["Østlige", "Åpne"]
    assert listed(ordering="-member_count") == ["Åpne", "Café", "Østlige"]
    page = admin.get(GROUPS, page_size=1, page=2).json
    assert (page["count"], page["results"][0]["name"]) == (3, "Østlige forfattere")
    assert admin.get(GROUPS, ordering="password_hash").status_code == 400


def test_members_are_listed_without_what_is_personal(admin):
    kari, ola = create_user(username="kari"), create_user(username="ola", role="staff", is_active=False)
    group_id = create_group("Editors", members=[kari.id, ola.id])
    response = Person(admin.client, role="admin").get(url(group_id, "members/"), ordering="-username")
    assert response.headers["X-DB-Queries"] == "3"
    assert (response.json["count"], response.json["results"]) == (
        2,
        [
            {"id": ola.id, "username": "ola", "display_name": "Ola", "role": "staff", "is_active": False},
            {"id": kari.id, "username": "kari", "display_name": "Kari", "role": "user", "is_active": True},
        ],
    )


def test_members_come_and_go_in_batches_with_one_entry_and_one_event(admin):
    kari, ola = sorted([create_user().id, create_user().id])
    group_id = create_group("Editors", permissions=["blog.edit"])
    audited = len(entries())
    missing = 10**9
    added = admin.post(url(group_id, "members/"), json={"user_ids": [ola, kari, missing, ola]})
    sentence = "There is no such account."
    assert added.json == {"updated_count": 2, "failed_updates": [{"id": missing, "error": sentence}]}
    again = admin.post(url(group_id, "members/"), json={"user_ids": [kari]})
    assert (again.json["updated_count"], members(group_id)) == (1, {kari, ola})
    for query in ("?dry_run=true", "?atomic=true"):
        answer = admin.delete(url(group_id, f"members/{query}"), json={"user_ids": [kari, missing]})
        assert answer.status_code == (200 if "dry" in query else 409)
    assert members(group_id) == {kari, ola}
    removed = admin.delete(url(group_id, "members/"), json={"user_ids": [kari]})
    assert (removed.json, members(group_id)) == ({"updated_count": 1, "failed_updates": []}, {ola})
    target = ("groups.members_changed", admin.id, "group", group_id)
    assert entries()[audited:] == [(*target, {"members": [[], [kari, ola]]}), (*target, {"members": [[kari], []]})]
    assert events() == [
        ({"group_id": group_id, "user_ids": [kari, ola]}, (f"user:{kari}", f"user:{ola}")),
        ({"group_id": group_id, "user_ids": [kari]}, (f"user:{kari}",)),
    ]


def test_erased_users_do_not_become_members(admin):
    from_the_past = create_user(is_active=False, erased_at=create_user().date_joined)
    group_id = create_group("Editors")
    answer = admin.post(url(group_id, "members/"), json={"user_ids": [from_the_past.id]})
    assert (answer.json["updated_count"], members(group_id)) == (0, set())


def test_every_change_counts_at_once_for_the_members(admin):
    kari = create_user()
    access = open_session(kari).access

    def now_has():
        return authentication.authenticate(access).permissions

    assert now_has() == set()
    group_id = create_group("Editors", permissions=["blog.edit"])
    admin.post(url(group_id, "members/"), json={"user_ids": [kari.id]})
    assert now_has() == {"blog.edit"}
    admin.patch(url(group_id), json={"permissions": ["media.manage"]})
    assert now_has() == {"media.manage"}
    admin.delete(url(group_id, "members/"), json={"user_ids": [kari.id]})
    assert now_has() == set()
    admin.post(url(group_id, "members/"), json={"user_ids": [kari.id]})
    assert now_has() == {"media.manage"}
    admin.delete(url(group_id))
    assert now_has() == set()
    assert len(events()) == 5


def test_a_new_name_is_no_change_of_what_members_may_do(admin):
    group_id = create_group("Editors", permissions=["blog.edit"], members=[create_user().id])
    told = len(events())
    assert admin.patch(url(group_id), json={"name": "Writers"}).status_code == 200
    assert len(events()) == told


def test_services_of_the_operator_need_nobody(app):
    group_id = create_group("Everything", permissions=list(PERMISSIONS), members=[create_user(role="admin").id])
    groups.change_permissions(actor=None, group_id=group_id, granted=["blog.edit"], revoked=["audit.view"])
    assert group_members.remove_members(actor=None, group_id=group_id, user_ids=[10**9])[0].id == 10**9
    groups.delete_group(actor=None, group_id=group_id)
    assert {entry[1] for entry in entries()} == {None}
