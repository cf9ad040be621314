"""Deleting a file of the media library: it goes from every post in one step, whatever happens at the same time."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from nxfs.auth.queries import actor_of
from nxfs.blog.errors import MediaNotFoundError
from nxfs.blog.models import MediaFile, Post, PostImage
from nxfs.blog.queries import posts as post_queries
from nxfs.blog.service import attachments, posts
from nxfs.blog.service import media as service
from nxfs.core.errors import APIError, ConflictError
from nxfs.extensions import db
from nxfs.files.models import FileDeletion, FileDerivative, FileOwner, StoredFile
from nxfs.files.service import removal
from nxfs.files.storage.interface import StorageError
from nxfs.files.storage.local import LocalStorage
from tests.blog.writing import change_post, opens, post_row, usages
from tests.factories import files
from tests.factories.blog import add_image, create_post
from tests.factories.blog import create_media as create_row
from tests.tasks.logbook import Logbook, row_counts
from tests.tasks.person import Person
from tests.tasks.racing import run_together

MEDIA = "/api/blog/media/"


def everything(name: str) -> str:
    """Return a body with every form of reference to the file, between words that stay."""
    address, whole = f"/media/{name}", f"https://api.example.com/media/{name}"
    return (
        f"en ![alt]({address}) to [lenke]({address}/320.webp 'title') tre <{whole}> fire {whole}?expires=1&signature=x "
        f"[![alt]({address})]({address})\n\n<img src='{address}/800.webp'> fem <a href=\"{address}\">seks</a>\n\n"
        f"![bilde][ref] [syv][ref]\n\n[ref]: {address}\n"
    )


def is_served(client: FlaskClient, name: str) -> list[bool]:
    """Return whether the file and its derivative are still there for everybody."""
    return [opens(client, f"/media/{name}"), opens(client, f"/media/{name}/320.webp")]


def mentions(name: str) -> list[int]:
    """Return the ids of the posts whose texts name the file."""
    db.session.rollback()
    columns = (Post.id, Post.body_markdown, Post.body_markdown_nb, Post.body_html, Post.body_html_nb)
    return [row.id for row in db.session.execute(select(*columns)) if any(name in text for text in row[1:])]


def test_delete_media_takes_it_out_of_all_posts(client: FlaskClient) -> None:
    kari, ola, staff = Person(client), Person(client), Person(client, role="staff")
    media, other = files.upload(kari), files.upload(kari)
    name, kept = media["filename"], f"![x](/media/{other['filename']})"
    public = create_post(kari.user, public=True, body_markdown=everything(name) + kept, featured_image_id=media["id"])
    foreign = create_post(ola.user, body_markdown="hei", body_markdown_nb=f"åtte ![x](/media/{name})")
    gallery = create_post(kari.user, body_markdown="bare galleri")
    for post in (public, gallery):
        add_image(post, media["id"])
    add_image(public, other["id"])
    versions = {post: post_row(post).version for post in (public, foreign, gallery)}
    revision, logbook = post_queries.public_revision(), Logbook()
    assert is_served(client, name) == [True, True]
    db.session.rollback()
    assert db.session.query(FileDerivative).count() == 1

    answer = kari.delete(f"{MEDIA}{media['id']}/")

    assert (answer.status_code, answer.data) == (204, b"")
    assert mentions(name) == []
    row = post_row(public)
    for word in ("en", "to lenke tre", "fire", "fem seks", "syv", kept):
        assert word in row.body_markdown
    assert row.body_html.count("<img") == 1
    assert f'<img src="/media/{other["filename"]}" alt="x">' in row.body_html
    assert row.featured_image_id is None
    assert {"lenke", "seks", "syv"} <= set(row.search_text.split())
    assert not {"alt", "ref", "title", "bilde"} & set(row.search_text.split())
    assert post_row(foreign).body_html_nb == "<p>åtte</p>\n"
    assert {post: post_row(post).version - before for post, before in versions.items()} == dict.fromkeys(versions, 1)
    assert usages() == {(other["id"], public, "body"), (other["id"], public, "gallery")}
    assert db.session.scalars(select(PostImage.media_id)).all() == [other["id"]]
    assert is_served(client, name) == [False, False]
    assert is_served(client, other["filename"]) == [True, True]
    assert post_queries.public_revision() != revision
    assert kari.get(f"{MEDIA}{media['id']}/").status_code == staff.get(f"{MEDIA}{media['id']}/").status_code == 404
    assert logbook.types() == (
        ["post_updated"] * 3 + ["media_deleted"],
        ["blog.post_updated"] * 3 + ["blog.media_deleted"],
    )
    assert logbook.events()[0].payload["fields"] == ["body_markdown", "featured_image_id", "images"]
    assert logbook.events()[0].audience == [f"user:{kari.id}", "everybody"]
    assert logbook.entries()[0].changes["featured_image_id"] == [media["id"], None]


def test_delete_media_leaves_nothing_behind(client: FlaskClient) -> None:
    kari = Person(client)
    before = row_counts()
    media = files.upload(kari)
    assert opens(client, media["thumbnail_url"])

    kari.delete(f"{MEDIA}{media['id']}/")

    # The log of what happened stays, and the line that counts what the owner's files take.
    ignored = {"events", "audit_entries", "audit_days", "file_owners"}
    after = row_counts()
    assert {name: after[name] for name in after.keys() - ignored} == {
        name: before[name] for name in before.keys() - ignored
    }
    assert db.session.get(FileOwner, kari.id).used_bytes == 0
    assert not opens(client, media["url"])
    assert kari.delete(f"{MEDIA}{media['id']}/").status_code == 404


def test_delete_media_of_a_draft_leaves_the_public_revision(client: FlaskClient) -> None:
    kari = Person(client)
    media = files.upload(kari)
    create_post(kari.user, body_markdown=f"![x](/media/{media['filename']})")
    before = post_queries.public_revision()
    kari.delete(f"{MEDIA}{media['id']}/")
    assert post_queries.public_revision() == before


def test_delete_media_keeps_another_file_with_the_same_content(client: FlaskClient) -> None:
    kari, content = Person(client), files.image_bytes(seed=3)
    first, second = (files.upload(kari, content=content) for _ in range(2))
    assert opens(client, first["thumbnail_url"])
    kari.delete(f"{MEDIA}{first['id']}/")
    assert [opens(client, url) for url in (first["url"], second["url"], second["thumbnail_url"])] == [False, True, True]


def test_dry_run_names_the_posts_and_changes_nothing(client: FlaskClient) -> None:
    kari, ola = Person(client), Person(client)
    media = files.upload(kari)
    url = f"{MEDIA}{media['id']}/"
    assert kari.delete(f"{url}?dry_run=true").get_json() == {"would_delete": True, "posts": []}
    body = f"![x](/media/{media['filename']})"
    public = create_post(kari.user, public=True, title="Åpent", body_markdown=body, featured_image_id=media["id"])
    foreign = create_post(ola.user, title="Skjult", body_markdown=body)
    before = row_counts()

    answer = kari.delete(f"{url}?dry_run=true")

    assert answer.status_code == 200
    assert answer.get_json() == {
        "would_delete": True,
        "posts": [
            {
                "id": public,
                "title": "Åpent",
                "slug": "apent",
                "status": "published",
                "places": ["body", "featured_image"],
            },
            {"id": foreign, "title": None, "slug": None, "status": "draft", "places": ["body"]},
        ],
    }
    assert row_counts() == before
    assert media["filename"] in post_row(public).body_markdown
    assert ola.delete(f"{url}?dry_run=true").status_code == 404
    assert kari.delete(f"{url}?dry_run=maybe").status_code == 400
    assert kari.delete(f"{url}?dryrun=true").status_code == 400
    assert kari.delete(f"{url}?dry_run=false").status_code == 204


def test_delete_media_while_the_storage_fails_is_finished_later(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    media = files.upload(kari)
    assert opens(client, media["thumbnail_url"])
    delete = LocalStorage.delete

    def fail(*_: object) -> None:
        raise StorageError("no disk")

    monkeypatch.setattr(LocalStorage, "delete", fail)
    assert kari.delete(f"{MEDIA}{media['id']}/").status_code == 204
    assert not opens(client, media["url"])
    db.session.rollback()
    left = {row.key for row in db.session.query(FileDeletion)}
    assert sorted(key.partition("/")[0] for key in left) == ["derivatives", "originals"]

    monkeypatch.setattr(LocalStorage, "delete", delete)
    db.session.rollback()
    assert removal.delete_what_is_left() == 2
    assert db.session.query(FileDeletion).count() == 0


def test_delete_media_that_is_rolled_back_changes_nothing(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = Person(client)
    media = files.upload(kari)
    create_post(kari.user, body_markdown=f"![x](/media/{media['filename']})", featured_image_id=media["id"])
    before = row_counts()

    def fail(*_: object) -> None:
        raise ConflictError

    monkeypatch.setattr(removal, "remove_files", fail)
    assert kari.delete(f"{MEDIA}{media['id']}/").status_code == 409
    assert row_counts() == before
    assert opens(client, media["url"])


def between(monkeypatch: pytest.MonkeyPatch, *actions: Callable[[], object]) -> None:
    """Let each deletion that has made the texts anew be overtaken by the next of ``actions``, while there are any."""
    rewrite, left = service._rewrite_posts, list(actions)

    def rewrite_and_be_overtaken(*arguments: Any) -> Any:
        rewritten = rewrite(*arguments)
        if left:
            left.pop(0)()
        return rewritten

    monkeypatch.setattr(service, "_rewrite_posts", rewrite_and_be_overtaken)


def test_delete_media_while_a_post_is_saved_keeps_both_changes(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    media = files.upload(kari)
    address = f"![x](/media/{media['filename']})"
    first, second = create_post(kari.user, body_markdown=f"en {address}"), create_post(kari.user, body_markdown="to")
    third = create_post(kari.user, body_markdown="tre")
    between(
        monkeypatch,
        lambda: change_post(kari, first, body_markdown=f"endret {address}"),
        lambda: change_post(kari, second, body_markdown=f"brukt {address}"),
        lambda: add_image(third, media["id"]),
        lambda: change_post(kari, first, title="Nytt navn"),
    )

    assert kari.delete(f"{MEDIA}{media['id']}/").status_code == 204

    assert [post_row(post).body_markdown for post in (first, second, third)] == ["endret ", "brukt ", "tre"]
    assert post_row(first).title == "Nytt navn"
    assert (usages(), mentions(media["filename"])) == (set(), [])


def test_delete_media_while_its_post_is_deleted_works(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = Person(client)
    media = files.upload(kari)
    post = create_post(kari.user, body_markdown=f"![x](/media/{media['filename']})")
    between(monkeypatch, lambda: posts.delete_post(actor=actor_of(kari.user), post_id=post))
    assert kari.delete(f"{MEDIA}{media['id']}/").status_code == 204
    assert not opens(client, media["url"])


def test_delete_media_twice_at_once_deletes_once(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    kari = Person(client)
    media = files.upload(kari)
    logbook = Logbook()
    between(monkeypatch, lambda: service.delete_media(actor=actor_of(kari.user), media_id=media["id"]))
    assert kari.delete(f"{MEDIA}{media['id']}/").status_code == 404
    assert logbook.types()[0] == ["media_deleted"]


def test_delete_media_gives_up_when_posts_never_stop_being_saved(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kari = Person(client)
    media = files.upload(kari)
    post = create_post(kari.user, body_markdown=f"![x](/media/{media['filename']})")
    saves = [partial(change_post, kari, post, title=f"Title {number}") for number in range(service.ATTEMPTS)]
    between(monkeypatch, *saves)
    assert kari.delete(f"{MEDIA}{media['id']}/").status_code == 409
    assert opens(client, media["url"])
    assert kari.delete(f"{MEDIA}{media['id']}/").status_code == 204


def test_delete_media_while_posts_are_saved_with_it_never_deadlocks(
    client: FlaskClient, engine_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pool of threads belongs to one event loop, and here each thread has its own.
    for name in ("media.run_long_in_thread", "rendering.run_long_in_thread"):
        monkeypatch.setattr(f"nxfs.blog.service.{name}", lambda function, *arguments: function(*arguments))
    kari = Person(client)
    app, actor = client.application, actor_of(kari.user)
    made = [create_row(kari.user, format="jpeg") for _ in range(20)]
    written = [create_post(kari.user) for _ in range(5)]

    def save(source: random.Random) -> None:
        some = source.sample(made, 3)
        values = {"body_markdown": " ".join(f"![x](/media/{name})" for _, name in some)}
        if source.random() < 0.3:
            values["featured_image_id"] = some[0][0]
        posts.update_post(actor=actor, post_id=source.choice(written), values=values)

    def attach(source: random.Random) -> None:
        values = {"media_id": source.choice(made)[0], "alt_text": "", "caption": ""}
        attachments.add_image(actor=actor, post_id=source.choice(written), values=values)

    def take_out(source: random.Random) -> None:
        attachments.remove_images(actor=actor, post_id=source.choice(written))

    def delete(source: random.Random) -> None:
        service.delete_media(actor=actor, media_id=source.choice(made)[0])

    def work(seed: int) -> set[str]:
        source, outcomes = random.Random(seed), set()
        with app.app_context():
            for _ in range(20):
                act = source.choices([save, attach, take_out, delete], weights=[9, 4, 1, 2])[0]
                try:
                    act(source)
                except APIError as error:
                    outcomes.add(f"{act.__name__} {error.status}")
            db.session.remove()
        return outcomes

    outcomes = set().union(*run_together(engine_name, [partial(work, seed) for seed in range(8)]))

    # A saved post may name a file that is being deleted: its save is refused, or begins to use nothing.
    assert outcomes <= {"save 400", "save 409", "attach 400", "attach 409", "delete 404", "delete 409"}, outcomes
    db.session.rollback()
    left = {media_id for media_id, _ in made} & set(db.session.scalars(select(MediaFile.id)))
    assert left < {media_id for media_id, _ in made}
    assert {media_id for media_id, _, _ in usages()} <= left
    assert db.session.query(StoredFile).count() == len(left)
    assert {row.featured_image_id for row in db.session.query(Post)} <= left | {None}
    with pytest.raises(MediaNotFoundError):
        gone = next(media_id for media_id, _ in made if media_id not in left)
        service.delete_media(actor=actor, media_id=gone)
