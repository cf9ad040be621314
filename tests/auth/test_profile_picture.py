"""The profile picture: sent with other fields, replaced, removed, seen by everybody, and gone with the account."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from sqlalchemy import func, select, update

from nxfs.auth.models import User
from nxfs.auth.service import accounts, authentication
from nxfs.core.audit import AuditEntry
from nxfs.core.event_log import EventRecord
from nxfs.core.revisions import Revision
from nxfs.core.transaction import Transaction
from nxfs.extensions import db
from nxfs.files.models import FileDeletion, StoredFile
from nxfs.files.service import inspectors, removal
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.local import LocalStorage
from tests.factories.files import image_bytes
from tests.factories.users import PASSWORD, bearer, create_user, open_session, reload, sign_in
from tests.pictures import FORM, picture_form, stored_keys, used_bytes

ME = "/api/auth/me/"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
def user():
    """A user."""
    return create_user()


@pytest.fixture
def headers(client, user):
    """What the user sends."""
    return sign_in(client, user)


def send(client, headers, method="patch", **form):
    """Send a form with a picture."""
    data = picture_form("profile_picture", **form)
    return getattr(client, method)(ME, data=data, headers=headers, content_type=FORM)


def count(model):
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model))


def revision():
    db.session.rollback()
    return db.session.scalar(select(Revision.value).where(Revision.name == "people")) or 0


@pytest.mark.parametrize("method", ["put", "patch"])
def test_picture_is_stored_together_with_other_fields(client, user, headers, method):
    before = stored_keys()
    response = send(client, headers, method, city="Bergen")
    assert response.status_code == 200
    assert (response.json["city"], response.json["version"]) == ("Bergen", user.version + 1)
    assert response.json["profile_picture"].startswith("http://localhost/media/")
    assert client.get(ME, headers=headers).json == response.json
    assert len(stored_keys() - before) == 1
    assert used_bytes(user.id) > 0


def test_picture_is_seen_by_everybody_and_not_only_for_a_while(client, headers):
    parts = urlsplit(send(client, headers).json["profile_picture"])
    assert parts.query == ""
    with client.get(parts.path) as response:
        assert (response.status_code, response.mimetype) == (200, "image/jpeg")
        assert "public" in response.headers["Cache-Control"]
    with client.get(f"{parts.path}/320.webp") as response:
        assert response.status_code == 200


def test_picture_is_shown_where_a_user_is_shown(client, user, headers):
    address = send(client, headers).json["profile_picture"]
    signed_in = client.post("/api/auth/token/", json={"email": user.email, "password": PASSWORD})
    assert signed_in.json["user"]["profile_picture"] == address
    assert signed_in.json["user"]["permissions"] == []
    names = {"email": "ny@example.com", "username": "ny-person", "password": "gule-gummistøvler-39"}
    registered = client.post("/api/auth/register/", json=names)
    assert registered.json["user"]["profile_picture"] is None


def test_picture_costs_reads_no_statement(client, user):
    access = open_session(user).access
    without = client.get(ME, headers=bearer(access)).headers["X-DB-Queries"]
    send(client, bearer(access))
    assert (without, client.get(ME, headers=sign_in(client, user)).headers["X-DB-Queries"]) == ("2", "2")


def test_profile_without_a_new_picture_costs_five_statements(client, user, headers, engine_name):
    client.get(ME, headers=headers)
    response = client.patch(ME, json={"city": "Oslo"}, headers=headers)
    # Lock, update, event, audit entry, and the answer; PostgreSQL's event log has a lock of its own.
    assert int(response.headers["X-DB-Queries"]) == 5 + (engine_name == "postgresql")


def test_second_picture_replaces_the_first_and_deletes_it(client, user, headers):
    before = stored_keys()
    first = send(client, headers).json
    with client.get(urlsplit(first["profile_picture"]).path + "/320.webp"):
        pass
    second = send(client, headers).json
    assert second["profile_picture"] != first["profile_picture"]
    assert second["version"] == first["version"] + 1
    assert len(stored_keys() - before) == 1
    assert (count(StoredFile), count(FileDeletion)) == (1, 0)
    assert client.get(urlsplit(first["profile_picture"]).path).status_code == 404


@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("is_form", [False, True])
def test_null_or_empty_text_removes_the_picture(client, user, headers, method, is_form):
    before = stored_keys()
    send(client, headers)
    form = {"data": {"profile_picture": "", "city": "Oslo"}, "content_type": FORM}
    body = form if is_form else {"json": {"profile_picture": None, "city": "Oslo"}}
    response = getattr(client, method)(ME, headers=headers, **body)
    assert (response.status_code, response.json["profile_picture"], response.json["city"]) == (200, None, "Oslo")
    assert (stored_keys(), count(StoredFile), used_bytes(user.id)) == (before, 0, 0)


def test_remove_picture_that_is_not_there_writes_nothing(client, user, headers):
    response = client.patch(ME, json={"profile_picture": None}, headers=headers)
    assert (response.status_code, response.json["version"]) == (200, user.version)
    assert (count(EventRecord), count(AuditEntry), revision()) == (0, 0, 0)


def test_update_without_picture_keeps_the_one_there_is(client, headers):
    address = send(client, headers).json["profile_picture"]
    assert client.put(ME, json={"city": "Oslo"}, headers=headers).json["profile_picture"] == address
    # As browsers send a file input that was left empty.
    response = send(client, headers, content=b"", filename="", city="Bergen")
    assert (response.json["profile_picture"], response.json["city"]) == (address, "Bergen")


def test_picture_is_logged_and_counts_the_revision_of_people_up(client, user, headers):
    send(client, headers, city="Oslo")
    event, entry = db.session.scalars(select(EventRecord)).one(), db.session.scalars(select(AuditEntry)).one()
    assert event.payload == {"user_id": user.id, "fields": ["city", "profile_picture"]}
    assert (entry.action, entry.changes["city"]) == ("auth.user_updated", ["", "Oslo"])
    assert entry.changes["profile_picture"][0] is None
    seen = [revision()]
    for body in ({"profile_picture": None}, {"display_name": "Kari"}, {"username": "other-name"}):
        client.patch(ME, json=body, headers=headers)
        seen.append(revision())
    assert 0 < seen[0] < seen[1] < seen[2] < seen[3]
    client.patch(ME, json={"city": "Bergen"}, headers=headers)
    assert revision() == seen[-1]


def test_picture_with_if_match(client, user, headers):
    before = stored_keys()
    etag = client.get(ME, headers=headers).headers["ETag"]
    assert send(client, {**headers, "If-Match": etag}).status_code == 200
    kept = stored_keys()
    stale = send(client, {**headers, "If-Match": etag}, city="Oslo")
    assert (stale.status_code, stale.json["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert stored_keys() == kept != before
    assert reload(user).city == ""
    stale = client.patch(ME, json={"profile_picture": None}, headers={**headers, "If-Match": etag})
    assert stale.status_code == 412
    assert reload(user).profile_picture_id is not None


@pytest.mark.parametrize(
    ("content", "filename", "status"),
    [
        (SVG, "me.jpg", 415),
        (SVG, "me.svg", 415),
        (b"", "me.jpg", 400),
        (image_bytes()[:300], "me.jpg", 400),
        (image_bytes("PNG"), "me.jpg", 415),
        (b"%PDF-1.4\n%%EOF", "me.pdf", 415),
    ],
    ids=["svg as jpg", "svg", "empty", "cut", "png as jpg", "pdf"],
)
def test_picture_that_is_refused_changes_nothing(client, user, headers, content, filename, status):
    kept = send(client, headers).json
    before = stored_keys()
    response = send(client, headers, content=content, filename=filename, city="Oslo")
    assert response.status_code == status
    assert list(response.json["error"]["field_errors"]) == ["profile_picture"]
    assert (client.get(ME, headers=headers).json, stored_keys()) == (kept, before)


def test_wrong_field_beside_a_picture_stores_nothing(client, user, headers, monkeypatch):
    before = stored_keys()
    create_user(username="taken")
    assert send(client, headers, username="taken").status_code == 409
    monkeypatch.delattr(inspectors, "inspect")
    for field, value in (("theme", "green"), ("role", "admin")):
        response = send(client, headers, **{field: value})
        assert (response.status_code, list(response.json["error"]["field_errors"])) == (400, [field])
    for value in ("me.jpg", 7, True, {}, []):
        response = client.patch(ME, json={"profile_picture": value}, headers=headers)
        assert (response.status_code, list(response.json["error"]["field_errors"])) == (400, ["profile_picture"])
    assert (stored_keys(), count(StoredFile)) == (before, 0)


def test_picture_beyond_the_quota_is_refused(app, client, user, headers, monkeypatch):
    before = stored_keys()
    monkeypatch.setitem(app.config, "MEDIA_QUOTA", 10)
    response = send(client, headers, city="Oslo")
    assert (response.status_code, response.json["error"]["code"]) == (422, "BUSINESS_RULE_VIOLATION")
    assert (stored_keys(), reload(user).city) == (before, "")


def test_picture_of_a_transaction_that_fails_leaves_no_bytes(client, user, headers, monkeypatch):
    kept = send(client, headers).json
    before = stored_keys()

    def fail(self):
        raise RuntimeError("The disk is full.")

    monkeypatch.setattr(Transaction, "_commit", fail)
    assert send(client, headers).status_code == 500
    monkeypatch.undo()
    assert (client.get(ME, headers=headers).json, stored_keys()) == (kept, before)


def test_picture_that_cannot_be_deleted_is_deleted_later(client, user, headers, monkeypatch):
    before = stored_keys()
    send(client, headers)

    def fail(*_):
        raise StorageError("The disk is away.")

    monkeypatch.setattr(LocalStorage, "delete", fail)
    assert client.patch(ME, json={"profile_picture": None}, headers=headers).status_code == 200
    assert (len(stored_keys() - before), count(FileDeletion)) == (1, 1)
    monkeypatch.undo()
    assert removal.delete_what_is_left() == 1
    assert (stored_keys(), count(FileDeletion)) == (before, 0)


def test_deactivated_account_has_no_picture(client, user, headers):
    before = stored_keys()
    send(client, headers)
    told = revision()
    assert client.delete(ME, headers=headers).status_code == 204
    assert (stored_keys(), count(StoredFile), reload(user).profile_picture_id) == (before, 0, None)
    assert revision() > told


def test_picture_sent_while_the_account_is_closed_is_not_kept(client, user, headers, monkeypatch):
    before = stored_keys()
    inspect = inspectors.inspect

    def close_meanwhile(*paths, **keywords):
        accounts.deactivate(actor=authentication.authenticate(headers["Authorization"].split()[1]))
        return inspect(*paths, **keywords)

    monkeypatch.setattr(inspectors, "inspect", close_meanwhile)
    response = send(client, headers)
    assert (response.status_code, response.json["error"]["code"]) == (401, "TOKEN_REVOKED")
    assert (stored_keys(), reload(user).profile_picture_id) == (before, None)


def test_picture_of_somebody_else_stays(client, user, headers):
    other = create_user()
    address = send(client, sign_in(client, other)).json["profile_picture"]
    send(client, headers)
    client.patch(ME, json={"profile_picture": None}, headers=headers)
    assert client.get(ME, headers=sign_in(client, other)).json["profile_picture"] == address


def test_file_in_use_as_a_picture_cannot_be_deleted(client, user, headers):
    send(client, headers)
    file_id = db.session.scalar(select(User.profile_picture_id).where(User.id == user.id))
    with pytest.raises(Exception, match="(?i)foreign key"):
        db.session.execute(StoredFile.__table__.delete().where(StoredFile.id == file_id))
    db.session.rollback()
    db.session.execute(update(User).values(profile_picture_id=None))
    db.session.commit()
