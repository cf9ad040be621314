"""Who may do what to whom: escalation by every way, the own account, the last administrator, erased accounts."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import func, select

from nxfs.admin.errors import OwnAccountError
from nxfs.admin.service import users as service
from nxfs.auth.errors import LastAdministratorError, PasswordChangeRequiredError
from nxfs.auth.models import (
    APIToken,
    GroupMember,
    PasswordReset,
    RefreshToken,
    SignInFailure,
    User,
    UserPermission,
    UserSession,
)
from nxfs.auth.queries import actor_of
from nxfs.core import clock, mail
from nxfs.core.audit import AuditEntry
from nxfs.core.errors import APIError
from nxfs.core.transaction import transaction
from nxfs.extensions import db
from nxfs.realtime.arrivals import Arrivals
from tests.admin.test_users import (
    NEW,
    OTHER,
    USERS,
    audited,
    code_of,
    grant,
    make_group,
    sink,
    token_in,
    told,
    url,
)
from tests.factories.tasks import create_task
from tests.factories.users import PASSWORD, bearer, create_user, open_session, reload, sign_in
from tests.tasks.racing import Pause, run_together

__all__ = ["sink"]
MANAGER = ("users.manage",)
ME = "/api/auth/me/"
CHANGE = "/api/auth/me/password/"
# Every way to act upon an account, with what is sent.
ACTIONS = (
    ("PATCH", (), {"first_name": "Other"}),
    ("PUT", (), {"first_name": "Other"}),
    ("DELETE", (), None),
    ("POST", ("reset-password",), {"new_password": NEW}),
    ("POST", ("reset-password",), None),
    ("PATCH", ("toggle-active",), {"is_active": False}),
    ("GET", ("sessions",), None),
    ("DELETE", ("sessions",), None),
    ("POST", ("unlock",), None),
)


def act(client, headers, user, action):
    method, parts, body = action
    return client.open(url(user, *parts), method=method, headers=headers, json=body)


@pytest.fixture
def manager(client):
    """A user of staff who manages users."""
    return grant(create_user(role="staff"), *MANAGER)


@pytest.fixture
def headers(client, manager):
    """What the manager sends."""
    return sign_in(client, manager)


def test_who_manages_users_does_all_of_it_to_those_below(client, headers):
    for action in ACTIONS:
        assert act(client, headers, create_user(), action).status_code in (200, 204), action
    assert client.get(USERS, headers=headers).status_code == 200
    assert client.post(USERS, headers=headers, json={"email": "ny@example.com"}).status_code == 201


@pytest.mark.parametrize("role", ["user", "staff"])
def test_who_does_not_manage_users_is_forbidden_before_anything_else(client, role):
    stranger = sign_in(client, create_user(role=role))
    user = create_user()
    for action in ACTIONS:
        assert code_of(act(client, stranger, user, action)) == (403, "PERMISSION_DENIED"), action
    assert client.get(f"{USERS}987654/", headers=stranger).status_code == 403
    assert client.get(USERS, headers=stranger).status_code == 403
    assert client.get(USERS).status_code == 401
    assert audited() == []


def test_nobody_acts_upon_who_stands_above(client, headers):
    admin = create_user(role="admin")
    richer = grant(create_user(), "audit.view")
    member = create_user()
    make_group("Auditors", "audit.view", members=[member])
    for user in (admin, richer, member):
        before = (reload(user).version, reload(user).password_hash)
        for action in ACTIONS:
            assert code_of(act(client, headers, user, action)) == (403, "PERMISSION_DENIED"), action
        erasing = client.delete(f"{url(user)}?erase=true", headers=headers)
        assert code_of(erasing) == (403, "PERMISSION_DENIED")
        assert (reload(user).version, reload(user).password_hash) == before
        # To know of the account is no harm.
        assert client.get(url(user), headers=headers).status_code == 200
    assert {action for action, _ in audited()} == {"users.viewed"}


@pytest.mark.parametrize(
    "values",
    [
        {"role": "admin"},
        {"is_superuser": True},
        {"role": "staff"},
        {"is_staff": True},
        {"user_permissions": ["audit.view"]},
        {"user_permissions": ["users.manage", "analytics.view"]},
        {"groups": ["Auditors"]},
    ],
    ids=str,
)
def test_manager_grants_nothing_above_by_any_way(client, headers, manager, values):
    make_group("Auditors", "audit.view")
    user = create_user()
    renamed = {"permissions" if name == "user_permissions" else name: value for name, value in values.items()}
    if not {"is_superuser", "is_staff"} & values.keys():
        created = client.post(USERS, headers=headers, json={"email": "ny@example.com", **renamed})
        assert code_of(created) == (403, "PERMISSION_DENIED")
    for method in ("PUT", "PATCH"):
        for target in (user, manager):
            if target is manager and values in ({"role": "staff"}, {"is_staff": True}):
                continue
            answer = client.open(url(target), method=method, headers=headers, json=values)
            assert code_of(answer) == (403, "PERMISSION_DENIED"), (method, target.role)
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(User)) == 2
    assert db.session.scalars(select(UserPermission.user_id)).all() == [manager.id]
    assert db.session.scalars(select(GroupMember.user_id)).all() == []
    assert reload(user).role == "user"


def test_manager_grants_and_takes_what_he_has_himself(client, headers):
    user = create_user()
    make_group("Editors", "blog.edit")
    values = {"user_permissions": ["blog.publish", "users.manage"], "groups": ["Editors"]}
    assert client.patch(url(user), headers=headers, json=values).status_code == 200
    taken = client.patch(url(user), headers=headers, json={"user_permissions": [], "groups": []})
    assert (taken.json["user_permissions"], taken.json["groups"]) == ([], [])


def test_rights_of_staff_are_not_given_or_taken_by_staff(client, headers):
    colleague = create_user(role="staff")
    assert client.patch(url(colleague), headers=headers, json={"first_name": "Åse"}).status_code == 200
    assert code_of(client.patch(url(colleague), headers=headers, json={"role": "user"}))[0] == 403


def test_rights_that_ended_a_moment_ago_count_no_more(client):
    manager = grant(create_user(role="staff"), *MANAGER)
    actor = actor_of(manager)
    with transaction() as tx:
        tx.session.delete(tx.session.get_one(UserPermission, (manager.id, "users.manage")))
    user = create_user()
    with pytest.raises(APIError) as raised:
        service.update_user(actor=actor, user_id=user.id, values={"first_name": "Other"})
    assert raised.value.status == 403
    with pytest.raises(APIError):
        service.create_user(actor=actor, values={"email": "ny@example.com"})


# The own account, and the last administrator


def test_nobody_disables_demotes_erases_or_resets_himself(client):
    create_user(role="admin")
    boss = create_user(role="admin")
    headers = sign_in(client, boss)
    for body in ({"role": "user"}, {"is_superuser": False}, {"is_active": False}):
        for method in ("PUT", "PATCH"):
            answer = client.open(url(boss), method=method, headers=headers, json=body)
            assert code_of(answer) == (422, "BUSINESS_RULE_VIOLATION"), (method, body)
    for method, address, body in (
        ("DELETE", url(boss), None),
        ("DELETE", f"{url(boss)}?erase=true", None),
        ("PATCH", url(boss, "toggle-active"), {"is_active": False}),
        ("POST", url(boss, "reset-password"), {"new_password": NEW}),
        ("POST", url(boss, "reset-password"), None),
    ):
        assert code_of(client.open(address, method=method, headers=headers, json=body))[0] == 422, address
    assert (reload(boss).role, reload(boss).is_active, reload(boss).version) == ("admin", True, boss.version)


@pytest.mark.parametrize("values", [{"role": "staff"}, {"is_active": False}])
def test_last_administrator_stays_even_for_the_operator(app, values):
    boss = create_user(role="admin")
    create_user(role="admin", is_active=False)
    with pytest.raises(LastAdministratorError):
        service.update_user(actor=None, user_id=boss.id, values=values)
    with pytest.raises(LastAdministratorError):
        service.erase_user(actor=None, user_id=boss.id)
    assert (reload(boss).role, reload(boss).is_active) == ("admin", True)


@pytest.mark.parametrize("values", [{"role": "user"}, {"is_active": False}])
def test_two_administrators_who_remove_each_other_at_once_leave_one(app, engine_name, monkeypatch, values):
    one, two = create_user(role="admin"), create_user(role="admin")
    actors = {user.id: actor_of(user) for user in (one, two)}
    db.session.close()

    def remove(by, target):
        with app.app_context():
            try:
                service.update_user(actor=actors[by.id], user_id=target.id, values=values)
            except APIError as error:
                return error.status
            return 200

    pause = Pause(monkeypatch, engine_name, service, "open_case")
    answers = pause.run_into(engine_name, lambda: remove(one, two), lambda: remove(two, one))
    assert answers == [200, 403]
    admins = select(func.count()).where(User.role == "admin", User.is_active)
    db.session.rollback()
    assert db.session.scalar(admins) == 1


def test_crowd_of_administrators_that_removes_itself_leaves_one(app, engine_name):
    crowd = [create_user(role="admin") for _ in range(4)]
    actors = [actor_of(user) for user in crowd]
    db.session.close()

    def remove(number):
        with app.app_context():
            try:
                service.set_active(actor=actors[number], user_id=crowd[(number + 1) % 4].id, is_active=False)
            except APIError as error:
                assert error.status in (403, 422)

    run_together(engine_name, [lambda number=number: remove(number) for number in range(4)])
    db.session.rollback()
    assert db.session.scalar(select(func.count()).where(User.role == "admin", User.is_active)) >= 1


# Passwords


def test_reset_sends_a_link_and_nobody_knows_the_password(client, sink):
    headers, user = sign_in(client, create_user(role="admin")), create_user(language="no")
    grant_of_user = open_session(user)
    answer = client.post(url(user, "reset-password"), headers=headers)
    assert answer.json == {
        "success": True,
        "message": "A link for a new password is on its way.",
        "user_id": user.id,
    }
    assert client.get(ME, headers=bearer(grant_of_user.access)).status_code == 401
    assert client.post("/api/auth/token/", json={"email": user.email, "password": PASSWORD}).status_code == 401
    mail.wait_until_sent()
    letter = sink.take()
    assert (letter["To"], letter["Subject"]) == (user.email, "Velg et nytt passord")
    body = {"token": token_in(letter), "password": OTHER, "confirm_password": OTHER}
    assert client.post("/api/auth/password/reset/confirm/", json=body).status_code == 200
    signed_in = client.post("/api/auth/token/", json={"email": user.email, "password": OTHER}).json
    assert signed_in["user"]["must_change_password"] is False
    assert audited() == [("users.password_reset", {"way": [None, "link"]})]


def test_password_that_was_set_opens_nothing_but_its_change(client, sink):
    headers, user = sign_in(client, create_user(role="admin")), create_user()
    grant_of_user = open_session(user)
    answer = client.post(url(user, "reset-password"), headers=headers, json={"new_password": NEW})
    assert (answer.status_code, answer.json["success"]) == (200, True)
    assert client.get(ME, headers=bearer(grant_of_user.access)).status_code == 401
    assert sink.is_empty
    signed_in = client.post("/api/auth/token/", json={"email": user.email, "password": NEW}).json
    own = bearer(signed_in["access"])
    assert client.get(ME, headers=own).json["must_change_password"] is True
    for method, path in (
        ("GET", "/api/tasks/"),
        ("PATCH", ME),
        ("DELETE", ME),
        ("GET", "/api/auth/sessions/"),
        ("POST", "/api/events/ticket/"),
        ("GET", "/api/events/?rooms=tasks&follow=false"),
    ):
        refused = client.open(path, method=method, headers=own)
        assert code_of(refused) == (403, "PERMISSION_DENIED"), path
        assert refused.json["error"]["details"] == {"must_change_password": True}
    # What everybody may read is no secret.
    assert client.get("/api/blog/posts/public/", headers=own).status_code == 200
    pair = client.post("/api/auth/token/refresh/", json={"refresh": signed_in["refresh"]})
    assert pair.status_code == 200
    body = {"old_password": NEW, "new_password": OTHER, "confirm_password": OTHER}
    changed = client.post(CHANGE, headers=own, json=body)
    assert changed.status_code == 200
    assert client.get("/api/tasks/", headers=bearer(changed.json["access"])).status_code == 200
    assert audited() == [("users.password_reset", {"way": [None, "set"]})]
    assert NEW not in str(db.session.scalars(select(AuditEntry.changes)).all())


def test_who_must_change_the_password_may_sign_out(client):
    own = sign_in(client, create_user(must_change_password=True))
    assert client.post("/api/auth/logout/", headers=own).status_code == 200
    assert client.get(ME, headers=own).status_code == 401


@pytest.mark.parametrize("password", ["short", "password1", "kari.nordmann", None, 7])
def test_weak_password_is_refused_and_nothing_happens(client, password):
    headers = sign_in(client, create_user(role="admin"))
    user = create_user(username="kari-nordmann")
    answer = client.post(url(user, "reset-password"), headers=headers, json={"new_password": password})
    assert code_of(answer) == (400, "VALIDATION_ERROR")
    assert list(answer.json["error"]["field_errors"]) == ["new_password"]
    assert reload(user).password_hash == user.password_hash


def test_link_for_a_disabled_account_is_refused(client):
    headers, user = sign_in(client, create_user(role="admin")), create_user(is_active=False)
    assert code_of(client.post(url(user, "reset-password"), headers=headers))[0] == 422


# Erasing


def test_erased_account_keeps_work_and_nothing_personal_for_ever(client):
    headers = sign_in(client, create_user(role="admin"))
    personal = {
        "username": "kari-nordmann",
        "email": "kari.nordmann@example.com",
        "display_name": "Kari Nordmann",
        "first_name": "Kari",
        "last_name": "Nordmann",
        "date_of_birth": date(1990, 5, 17),
        "address": "Storgata 1",
        "city": "Oslo",
        "country": "Norge",
        "website": "https://nordmann.example",
        "phone": "+4722334455",
    }
    user = grant(create_user(role="staff", **personal), "audit.view")
    make_group("Editors", members=[user])
    session = open_session(user)
    task_id = create_task(user)
    with transaction() as tx:
        tx.session.add(APIToken(user_id=user.id, name="n8n", token_hash="0" * 64, scopes=[]))
        tx.session.add(PasswordReset(user_id=user.id, token_hash="1" * 64, expires_at=clock.now()))
        row = tx.session.scalars(select(UserSession).where(UserSession.user_id == user.id)).one()
        row.address, row.user_agent = "192.0.2.7", "Mozilla"
    client.post("/api/auth/token/", json={"email": user.email, "password": "wrong password"})
    # Somebody else has the name already.
    create_user(username=f"erased-{user.id}")
    assert client.delete(f"{url(user)}?erase=true", headers=headers).status_code == 204
    gone = reload(user)
    assert gone.username.startswith(f"erased-{user.id}-")
    assert (gone.role, gone.is_active, gone.email) == ("user", False, f"{gone.username}@erased.invalid")
    assert gone.erased_at is not None
    assert gone.date_of_birth is None
    kept = " ".join(str(value) for value in vars(gone).values())
    for value in personal.values():
        assert str(value) not in kept
    for model in (APIToken, PasswordReset, UserPermission, GroupMember, SignInFailure):
        assert db.session.scalar(select(func.count()).select_from(model)) == 0, model
    of_user = select(UserSession.id).where(UserSession.user_id == user.id)
    tokens_left = select(func.count()).where(RefreshToken.session_id.in_(of_user))
    assert db.session.scalar(tokens_left) == 0
    addresses = select(UserSession.address, UserSession.user_agent).where(UserSession.user_id == user.id)
    assert db.session.execute(addresses).all() == [(None, None)]
    # The entry of the erasure itself tells nothing of what was erased.
    [changes] = [changes for action, changes in audited() if action == "users.erased"]
    assert set(changes) == {"is_active", "erased_at", "role"}
    assert client.get(f"/api/tasks/{task_id}/", headers=headers).json["user_id"] == user.id
    assert client.get(ME, headers=bearer(session.access)).status_code == 401
    assert {"user_deactivated", "user_erased"} <= set(told())
    for action in ACTIONS:
        if action[0] != "GET":
            assert code_of(act(client, headers, user, action))[0] == 422, action
    assert client.patch(url(user, "toggle-active"), headers=headers, json={"is_active": True}).status_code == 422
    assert client.get(url(user), headers=headers).json["erased_at"] is not None


def test_operator_may_do_what_an_administrator_may(app):
    user_id = service.create_user(actor=None, values={"email": "ny@example.com", "role": "admin"}, password=NEW)
    spare = create_user(role="admin")
    service.update_user(actor=None, user_id=user_id, values={"role": "staff", "user_permissions": ["audit.view"]})
    service.reset_password(actor=None, user_id=user_id, new_password=OTHER)
    service.set_active(actor=None, user_id=user_id, is_active=False)
    service.unlock_user(actor=None, user_id=user_id)
    assert service.end_user_sessions(actor=None, user_id=user_id) == 0
    service.erase_user(actor=None, user_id=user_id)
    assert audited()[0][0] == "users.created"
    assert set(db.session.scalars(select(AuditEntry.actor_id))) == {None}
    with pytest.raises(OwnAccountError):
        service.erase_user(actor=actor_of(spare), user_id=spare.id)


def test_socket_of_who_must_change_the_password_is_refused(app):
    user = create_user(must_change_password=True)
    with pytest.raises(PasswordChangeRequiredError):
        Arrivals(app).admit(open_session(user).access)
