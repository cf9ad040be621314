"""Pictures of tasks and projects: uploaded, listed, deleted, by whom, and what is left of them in the storage."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from nxfs.core.revisions import Revision
from nxfs.core.transaction import Transaction
from nxfs.extensions import db
from nxfs.files.models import FileDeletion, StoredFile
from nxfs.files.service import inspectors, removal
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.local import LocalStorage
from nxfs.files.storage.selection import current_storage
from nxfs.tasks.queries.images import OF_PROJECTS, OF_TASKS
from nxfs.tasks.service.images import MOST_IMAGES
from tests.factories.files import image_bytes
from tests.factories.images import create_image
from tests.factories.tasks import create_project, create_task
from tests.factories.users import create_user
from tests.pictures import FORM, picture_form, stored_keys, used_bytes
from tests.tasks.logbook import Logbook, row_counts
from tests.tasks.person import Person, upload_image

UNKNOWN_ID = 10**12
KINDS = {
    "task": ("/api/tasks/", create_task, OF_TASKS),
    "project": ("/api/tasks/projects/", create_project, OF_PROJECTS),
}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def create(kind: str, person: Person) -> str:
    """Create a task or a project and return its URL."""
    path, make, _ = KINDS[kind]
    return f"{path}{make(person.user)}/"


def deletions() -> int:
    """Return how many keys wait to be deleted."""
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(FileDeletion)) or 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["images/", "upload_image/"])
def test_upload_image_answers_with_every_field(client: FlaskClient, kind: str, path: str) -> None:
    kari = Person(client)
    url = create(kind, kari)

    form = picture_form(caption="  The old   switchboard ", filename="bilder/tavle.jpg")
    answer = kari.post(f"{url}{path}", data=form, content_type=FORM)

    assert answer.status_code == 201
    image = answer.get_json()
    assert set(image) == {"id", "image", "thumbnail_url", "upload_date", "file_size", "file_name", "caption"}
    assert (image["caption"], image["file_name"]) == ("The old switchboard", "tavle.jpg")
    assert image["upload_date"].endswith("Z")
    assert image["image"].startswith("http://localhost/media/")
    assert kari.get(url).get_json()["images"] == [image]
    assert kari.get(f"{url}images/").get_json()["results"] == [image]
    path = KINDS[kind][0]
    assert [each["images"] for each in kari.get(path).get_json()["results"]] == [[image]]


@pytest.mark.parametrize("kind", KINDS)
def test_uploaded_image_is_read_by_its_links_only(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    image = upload_image(kari, create(kind, kari)).get_json()

    for name, media_type in (("image", "image/jpeg"), ("thumbnail_url", "image/webp")):
        parts = urlsplit(image[name])
        with client.get(f"{parts.path}?{parts.query}") as answer:
            assert (answer.status_code, answer.mimetype) == (200, media_type)
        assert kari.get(parts.path).status_code == 404
    assert "/320.webp?" in image["thumbnail_url"]


@pytest.mark.parametrize("kind", KINDS)
def test_upload_image_without_caption_has_an_empty_one(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    assert upload_image(kari, create(kind, kari)).get_json()["caption"] == ""


@pytest.mark.parametrize("kind", KINDS)
def test_upload_image_makes_the_seen_tag_stale(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    url = create(kind, kari)
    before = kari.get(url)

    image = upload_image(kari, url).get_json()
    added = kari.get(url, headers={"If-None-Match": before.headers["ETag"]})
    kari.delete(f"{url}images/{image['id']}/")
    removed = kari.get(url)

    versions = [answer.get_json()["version"] for answer in (before, added, removed)]
    assert (added.status_code, versions) == (200, [1, 2, 3])
    times = [answer.get_json()["updated_at"] for answer in (before, added, removed)]
    assert times == sorted(set(times))
    for stale in (before, added):
        assert kari.delete(url, headers={"If-Match": stale.headers["ETag"]}).status_code == 412


@pytest.mark.parametrize("kind", KINDS)
def test_list_images_is_paged_with_the_oldest_first(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    path, make, album = KINDS[kind]
    owner, other = make(kari.user), make(kari.user)
    ids = [create_image(album, owner, kari.user) for _ in range(5)]
    create_image(album, other, kari.user)

    first = kari.get(f"{path}{owner}/images/", page_size=2).get_json()

    assert (first["count"], first["page_info"]["total_pages"]) == (5, 3)
    assert kari.ids(f"{path}{owner}/images/") == ids
    assert [image["id"] for image in kari.get(f"{path}{owner}/").get_json()["images"]] == ids
    assert kari.get(f"{path}{owner}/images/", page=4).status_code == 404
    assert kari.field_errors(f"{path}{owner}/images/", search="x").keys() == {"search"}


@pytest.mark.parametrize("kind", KINDS)
def test_images_cost_no_statement_more(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    path, make, album = KINDS[kind]
    owner = make(kari.user)
    queries = {}

    for count in (0, 30):
        for _ in range(count):
            create_image(album, owner, kari.user)
        kari.get(path)
        urls = (path, f"{path}{owner}/", f"{path}{owner}/images/")
        queries[count] = [int(kari.get(url).headers["X-DB-Queries"]) for url in urls]

    assert queries[0] == queries[30]
    assert queries[30][1:] == [1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_upload_and_delete_image_are_logged(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    url = create(kind, kari)
    logbook = Logbook()

    image = upload_image(kari, url, caption="Tavle").get_json()
    kari.delete(f"{url}images/{image['id']}/")

    assert logbook.types() == ([f"{kind}_updated"] * 2, [f"tasks.{kind}_image_added", f"tasks.{kind}_image_removed"])
    identifier = int(url.split("/")[-2])
    for event in logbook.events():
        assert event.payload == {f"{kind}_id": identifier, "fields": ["images"]}
        assert f"user:{kari.id}" in event.audience
    added, removed = logbook.entries()
    assert (added.target_type, added.target_id, added.actor_id) == (kind, identifier, kari.id)
    assert added.changes["image"] == removed.changes["image"][::-1]
    described = added.changes["image"][1]
    assert (described["id"], described["caption"], described["file_name"]) == (image["id"], "Tavle", "cabin.jpg")


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_what_is_not_seen_do_not_exist(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    kari, ola = Person(client), Person(client, role="staff")
    path, make, album = KINDS[kind]
    hidden = make(kari.user)
    image = create_image(album, hidden, kari.user)
    before, keys = row_counts(), stored_keys()
    # What is refused anyway is not even looked at.
    monkeypatch.delattr(inspectors, "inspect")

    for owner in (hidden, UNKNOWN_ID):
        url = f"{path}{owner}/"
        answers = [upload_image(ola, url), ola.get(f"{url}images/"), ola.delete(f"{url}images/{image}/")]
        answers.append(ola.post(f"{url}upload_image/", data=picture_form(), content_type=FORM))
        assert [answer.status_code for answer in answers] == [404] * 4
    assert (row_counts(), stored_keys()) == (before, keys)


def test_everybody_who_sees_a_task_or_project_adds_and_deletes_its_images(client: FlaskClient) -> None:
    kari, ola, per = Person(client), Person(client), Person(client)
    admin = Person(client, role="admin")
    project = create_project(kari.user, members=(ola.user,))
    task = create_task(kari.user, project=project, assignee_id=per.id)

    for url, people in ((f"/api/tasks/{task}/", (ola, per, admin)), (f"/api/tasks/projects/{project}/", (ola, admin))):
        for person in people:
            image = upload_image(kari, url).get_json()
            own = upload_image(person, url)
            assert own.status_code == 201
            assert person.ids(f"{url}images/") == [image["id"], own.get_json()["id"]]
            assert person.delete(f"{url}images/{image['id']}/").status_code == 204
            assert person.delete(f"{url}images/{own.get_json()['id']}/").status_code == 204


@pytest.mark.parametrize("kind", KINDS)
def test_delete_image_of_another_owner_does_not_find_it(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    path, make, album = KINDS[kind]
    first, second = make(kari.user), make(kari.user)
    image = create_image(album, second, kari.user)
    before = row_counts()

    answers = [kari.delete(f"{path}{first}/images/{each}/") for each in (image, UNKNOWN_ID)]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert row_counts() == before


def test_image_of_a_task_is_not_found_under_a_project_with_the_same_id(client: FlaskClient) -> None:
    kari = Person(client)
    task, project = create_task(kari.user), create_project(kari.user)
    image = create_image(OF_TASKS, task, kari.user)

    assert kari.delete(f"/api/tasks/projects/{project}/images/{image}/").status_code == 404
    assert kari.ids(f"/api/tasks/{task}/images/") == [image]


@pytest.mark.parametrize("kind", KINDS)
def test_delete_image_deletes_its_bytes_and_gives_the_room_back(client: FlaskClient, kind: str) -> None:
    kari, admin = Person(client), Person(client, role="admin")
    url = create(kind, kari)
    before = stored_keys()
    image = upload_image(kari, url).get_json()
    parts = urlsplit(image["thumbnail_url"])
    client.get(f"{parts.path}?{parts.query}").close()
    assert len(stored_keys() - before) == 2
    assert used_bytes(kari.id) == image["file_size"]

    assert admin.delete(f"{url}images/{image['id']}/").status_code == 204

    assert (stored_keys(), deletions(), used_bytes(kari.id)) == (before, 0, 0)
    assert kari.get(f"{parts.path}?{parts.query}").status_code == 404
    assert kari.delete(f"{url}images/{image['id']}/").status_code == 404


@pytest.mark.parametrize("kind", KINDS)
def test_delete_owner_deletes_the_bytes_of_all_its_images(client: FlaskClient, kind: str) -> None:
    kari, admin = Person(client), Person(client, role="admin")
    url, other = create(kind, kari), create(kind, kari)
    kept = upload_image(kari, other).get_json()
    before = stored_keys()
    for person in (kari, admin, kari):
        upload_image(person, url)

    assert kari.delete(url).status_code == 204

    assert (stored_keys(), deletions()) == (before, 0)
    assert kari.get(other).get_json()["images"] == [kept]
    assert (used_bytes(kari.id), used_bytes(admin.id)) == (kept["file_size"], 0)
    assert db.session.scalar(select(func.count()).select_from(StoredFile)) == 1


def test_delete_project_keeps_the_images_of_its_tasks(client: FlaskClient) -> None:
    kari = Person(client)
    project = create_project(kari.user)
    task = create_task(kari.user, project=project)
    image = upload_image(kari, f"/api/tasks/{task}/").get_json()
    upload_image(kari, f"/api/tasks/projects/{project}/")

    kari.delete(f"/api/tasks/projects/{project}/")

    assert kari.get(f"/api/tasks/{task}/").get_json()["images"] == [image]
    with client.get(image["image"].removeprefix("http://localhost")) as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize("kind", KINDS)
def test_delete_owner_costs_the_same_however_many_images(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    path, make, album = KINDS[kind]
    kari.get(path)
    costs = []

    for count in (1, 20):
        owner = make(kari.user)
        for _ in range(count):
            create_image(album, owner, kari.user)
        costs.append(int(kari.delete(f"{path}{owner}/").headers["X-DB-Queries"]))

    # The quota is given back file by file.
    assert costs[1] - costs[0] <= 19


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["image", "owner"])
def test_delete_while_the_storage_fails_is_made_up_for_later(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, kind: str, what: str
) -> None:
    kari = Person(client)
    url = create(kind, kari)
    before = stored_keys()
    image = upload_image(kari, url).get_json()

    def fail(*_: object) -> None:
        raise StorageError("The disk is away.")

    monkeypatch.setattr(LocalStorage, "delete", fail)
    assert kari.delete(f"{url}images/{image['id']}/" if what == "image" else url).status_code == 204
    assert (len(stored_keys() - before), deletions()) == (1, 1)
    assert removal.delete_what_is_left() == 0
    monkeypatch.undo()

    assert removal.delete_what_is_left() == 1
    assert (stored_keys(), deletions()) == (before, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_duplicate_does_not_copy_images(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    url = create(kind, kari)
    image = upload_image(kari, url).get_json()

    copy = kari.post(f"{url}duplicate/").get_json()

    assert copy["images"] == []
    assert kari.get(url).get_json()["images"] == [image]


@pytest.mark.parametrize(
    ("content", "filename", "statuses"),
    [
        (SVG, "cabin.jpg", {415}),
        (SVG, "cabin.svg", {415}),
        (b"", "cabin.jpg", {400}),
        (b"GIF89a", "cabin.gif", {400}),
        (image_bytes()[:300], "cabin.jpg", {400}),
        (image_bytes("PNG"), "cabin.jpg", {415}),
        (image_bytes("BMP"), "cabin.bmp", {415}),
        (b"%PDF-1.4\n%%EOF", "cabin.pdf", {415}),
        (image_bytes() + b"PK\x03\x04" + b"x" * 100, "cabin.jpg", {201, 400}),
    ],
    ids=["svg as jpg", "svg", "empty", "cut gif", "cut jpg", "png as jpg", "bmp", "pdf", "appended"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_upload_file_that_is_refused_leaves_nothing(
    client: FlaskClient, kind: str, content: bytes, filename: str, statuses: set[int]
) -> None:
    kari = Person(client)
    url = create(kind, kari)
    before, keys = row_counts(), stored_keys()

    answer = upload_image(kari, url, content=content, filename=filename)

    assert answer.status_code in statuses, answer.get_json()
    if answer.status_code != 201:
        assert list(answer.get_json()["error"]["field_errors"]) == ["image"]
        assert (row_counts(), stored_keys()) == (before, keys)
        assert list(current_storage().incoming().iterdir()) == []
        assert kari.get(url).get_json()["version"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_upload_file_that_is_too_large_leaves_nothing(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    url = create(kind, kari)
    before, keys = row_counts(), stored_keys()
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = head + image_bytes() + bytes(10 * 1024 * 1024) + b"\r\n--x--\r\n"

    answer = kari.post(f"{url}images/", data=body, content_type=f"{FORM}; boundary=x")

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert (row_counts(), stored_keys()) == (before, keys)


@pytest.mark.parametrize("kind", KINDS)
def test_upload_with_a_wrong_form_names_the_field(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    url = f"{create(kind, kari)}images/"
    before = row_counts()
    forms = {
        "image": {"caption": "x"},
        "caption": picture_form(caption="x" * 501),
        "user_id": picture_form(user_id="1"),
    }

    for field, form in forms.items():
        answer = kari.post(url, data=form, content_type=FORM)
        assert (answer.status_code, list(answer.get_json()["error"]["field_errors"])) == (400, [field])
    twice = {"image": [picture_form()["image"], picture_form()["image"]]}
    assert kari.post(url, data=twice, content_type=FORM).status_code == 400
    assert kari.post(url, data={"image": "cabin.jpg"}, content_type=FORM).status_code == 400
    assert kari.post(url, json={"image": None}).status_code == 415
    assert kari.post(url).status_code == 415
    assert row_counts() == before


@pytest.mark.parametrize("kind", KINDS)
def test_upload_more_images_than_allowed_is_refused(client: FlaskClient, kind: str) -> None:
    kari = Person(client)
    path, make, album = KINDS[kind]
    owner = make(kari.user)
    ids = [create_image(album, owner, kari.user) for _ in range(MOST_IMAGES)]
    before, keys = row_counts(), stored_keys()

    refused = upload_image(kari, f"{path}{owner}/")

    assert (refused.status_code, refused.get_json()["error"]["code"]) == (422, "BUSINESS_RULE_VIOLATION")
    assert (row_counts(), stored_keys()) == (before, keys)
    kari.delete(f"{path}{owner}/images/{ids[0]}/")
    assert upload_image(kari, f"{path}{owner}/").status_code == 201


@pytest.mark.parametrize("kind", KINDS)
def test_upload_beyond_the_quota_is_refused(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    kari, ola = Person(client), Person(client)
    path, make, _ = KINDS[kind]
    url = f"{path}{make(kari.user)}/"
    # Always the same picture, since others take more room.
    content = image_bytes(seed=1)
    size = upload_image(kari, url, content=content).get_json()["file_size"]
    monkeypatch.setitem(app.config, "MEDIA_QUOTA", size + 10)
    before, keys = row_counts(), stored_keys()

    refused = upload_image(kari, url, content=content)

    assert (refused.status_code, refused.get_json()["error"]["code"]) == (422, "BUSINESS_RULE_VIOLATION")
    assert (row_counts(), stored_keys()) == (before, keys)
    assert upload_image(ola, create(kind, ola), content=content).status_code == 201


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", ["before the log is written", "after it"])
def test_upload_that_is_rolled_back_leaves_no_bytes(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, kind: str, moment: str
) -> None:
    kari = Person(client)
    url = create(kind, kari)
    before, keys = row_counts(), stored_keys()
    commit = Transaction._commit

    def fail(self: Transaction) -> None:
        if moment == "after it":
            self.session.commit = lambda: (_ for _ in ()).throw(RuntimeError("The disk is full."))
            commit(self)
        raise RuntimeError("The disk is full.")

    monkeypatch.setattr(Transaction, "_commit", fail)
    answer = upload_image(kari, url)
    monkeypatch.undo()

    assert answer.status_code == 500
    assert (row_counts(), stored_keys()) == (before, keys)


@pytest.mark.parametrize("kind", KINDS)
def test_upload_while_the_storage_fails_is_unavailable(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    kari = Person(client)
    url = create(kind, kari)
    before = row_counts()

    def fail(*_: object) -> None:
        raise StorageError("The disk is away.")

    monkeypatch.setattr(LocalStorage, "save", fail)
    answer = upload_image(kari, url)

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert row_counts() == before


def test_upload_while_its_task_is_deleted_leaves_no_bytes(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = Person(client)
    task = create_task(kari.user)
    keys = stored_keys()
    inspect = inspectors.inspect

    def delete_meanwhile(*paths: object, **keywords: object) -> object:
        assert kari.delete(f"/api/tasks/{task}/").status_code == 204
        return inspect(*paths, **keywords)

    monkeypatch.setattr(inspectors, "inspect", delete_meanwhile)

    assert upload_image(kari, f"/api/tasks/{task}/").status_code == 404
    assert stored_keys() == keys


def test_images_do_not_touch_the_revision_of_people(client: FlaskClient) -> None:
    kari = Person(client)
    upload_image(kari, create("task", kari))
    assert db.session.scalar(select(Revision.value).where(Revision.name == "people")) is None


def test_list_of_tasks_shows_each_its_own_images(client: FlaskClient) -> None:
    kari = Person(client)
    tasks = [create_task(kari.user) for _ in range(5)]
    ids = {
        task: [create_image(OF_TASKS, task, create_user()) for _ in range(number)] for number, task in enumerate(tasks)
    }

    for query in ({}, {"search": "task"}, {"ordering": "title"}):
        results = kari.get("/api/tasks/", **query).get_json()["results"]
        assert {task["id"]: [image["id"] for image in task["images"]] for task in results} == ids
