"""The list of the media library: every filter, all of them against a model in Python, orderings, and who sees what."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from nxfs.auth.queries import actor_of
from nxfs.blog.models import MediaFile
from nxfs.blog.service import posts
from nxfs.core import search
from nxfs.core.transaction import transaction
from nxfs.files.formats import FORMATS
from nxfs.files.models import StoredFile
from tests.factories.blog import create_post
from tests.tasks.person import Person

MEDIA = "/api/blog/media/"
DOCUMENTS = ("pdf", "doc", "docx")


def create_media(owner: Any, **values: Any) -> int:
    """Write a file of the library without bytes; ``values`` may be columns and ``filename``."""
    number = random.getrandbits(128)
    filename = values.pop("filename", "cabin.jpg")
    name = values.get("format", "jpeg")
    description, alt_text = values.get("description", ""), values.get("alt_text", "")
    with transaction() as tx:
        file = StoredFile(
            name=f"{number:032x}.{FORMATS[name].extension}",
            owner_id=owner.id,
            format=name,
            size=values.get("file_size", 100),
            sha256=f"{number:064x}",
            original_filename=filename,
            width=None if name in DOCUMENTS else 64,
            height=None if name in DOCUMENTS else 48,
        )
        tx.session.add(file)
        tx.session.flush()
        media = MediaFile(
            file_id=file.id,
            uploaded_by=owner.id,
            filename_key=search.sort_key(filename),
            search_title=search.document_of(filename),
            search_text=search.document_of(description, alt_text),
            **{"format": name, "file_size": 100, **values},
        )
        tx.session.add(media)
        tx.session.flush()
        return media.id


def test_list_media_has_the_newest_first_in_the_envelope(client: FlaskClient) -> None:
    kari = Person(client)
    first, second, third = (create_media(kari.user) for _ in range(3))

    page = kari.get(MEDIA, page_size=2).get_json()

    assert [media["id"] for media in page["results"]] == [third, second]
    assert (page["count"], page["next"], page["previous"]) == (3, f"http://localhost{MEDIA}?page_size=2&page=2", None)
    assert kari.ids(MEDIA, page=2, page_size=2) == [first]
    assert kari.get(MEDIA, page=3, page_size=2).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "formats"),
    [
        ("image", {"jpeg", "png", "gif", "webp"}),
        ("document", {"pdf", "doc", "docx"}),
        ("jpg", {"jpeg"}),
        ("jpeg", {"jpeg"}),
        ("image/jpeg", {"jpeg"}),
        ("application/msword", {"doc"}),
        (FORMATS["docx"].media_type, {"docx"}),
        ("png,pdf", {"png", "pdf"}),
        (["gif", "document"], {"gif", "pdf", "doc", "docx"}),
        (["image", "jpg"], {"jpeg", "png", "gif", "webp"}),
    ],
)
def test_list_media_by_file_type_takes_classes_extensions_and_media_types(
    client: FlaskClient, wanted: object, formats: set[str]
) -> None:
    kari = Person(client)
    made = {name: create_media(kari.user, format=name) for name in ("jpeg", "png", "gif", "webp", *DOCUMENTS)}
    assert set(kari.ids(MEDIA, file_type=wanted)) == {made[name] for name in formats}


def test_list_media_by_days_takes_the_days_of_the_configured_zone(client: FlaskClient) -> None:
    kari = Person(client)
    # In Oslo the second one is uploaded on the 2nd of June, the third on the 3rd.
    times = [(1, 12, 0), (1, 22, 0), (2, 22, 0), (5, 12, 0)]
    first, second, third, fourth = (
        create_media(kari.user, upload_date=datetime(2026, 6, day, hour, minute, tzinfo=UTC))
        for day, hour, minute in times
    )

    assert kari.ids(MEDIA, date_range="2026-06-02,2026-06-02") == [second]
    assert kari.ids(MEDIA, date_range="2026-06-02,2026-06-03") == [third, second]
    assert kari.ids(MEDIA, date_range="2026-06-03,") == [fourth, third]
    assert kari.ids(MEDIA, date_range=",2026-06-01") == [first]
    assert kari.ids(MEDIA, date_start="2026-06-02", date_end="2026-06-03") == [third, second]
    assert kari.ids(MEDIA, date_start="2026-06-03") == [fourth, third]
    assert kari.ids(MEDIA, date_end="2026-06-01") == [first]
    assert kari.ids(MEDIA, date_range="2026-06-02,", date_end="2026-06-03") == [third, second]
    assert kari.ids(MEDIA, date_range="2026-06-02,2026-06-03", date_start="2026-06-02") == [third, second]
    assert kari.ids(MEDIA, date_range="0001-01-01,9999-12-31") == [fourth, third, second, first]


def test_list_media_by_search_looks_at_name_description_and_alternative_text(client: FlaskClient) -> None:
    kari = Person(client)
    named = create_media(kari.user, filename="Blåbær_på-hytta.2026.JPG")
    described = create_media(kari.user, description="Kabel til hytta")
    alternative = create_media(kari.user, alt_text="Ei hytte og éi løe")

    assert kari.ids(MEDIA, search="hytt") == [alternative, described, named]
    assert kari.ids(MEDIA, search="hytta kab") == [described]
    assert kari.ids(MEDIA, search="BLÅBÆR 2026") == [named]
    assert kari.ids(MEDIA, search="ei") == [alternative]
    assert kari.ids(MEDIA, search="!") == []
    assert len(kari.ids(MEDIA, search=" ")) == 3
    assert kari.ids(MEDIA, search="hytta", file_type="jpg", date_range="2020-01-01,") == [described, named]


def test_list_unused_media_has_what_no_post_uses(client: FlaskClient) -> None:
    kari = Person(client)
    used, unused = create_media(kari.user), create_media(kari.user)
    post = create_post(kari.user, featured_image_id=used)

    assert kari.ids(MEDIA, unused="true") == [unused]
    assert kari.ids(MEDIA, unused="false") == [used]
    posts.delete_post(actor=actor_of(kari.user), post_id=post)
    assert kari.ids(MEDIA, unused="true") == [unused, used]


def test_list_media_by_ordering(client: FlaskClient) -> None:
    kari = Person(client)
    a = create_media(kari.user, filename="Ål.jpg", file_size=2)
    b = create_media(kari.user, filename="zebra.jpg", file_size=3)
    c = create_media(kari.user, filename="Apple.jpg", file_size=2)

    assert kari.ids(MEDIA, ordering="upload_date") == [a, b, c]
    assert kari.ids(MEDIA, ordering="-upload_date") == [c, b, a]
    assert kari.ids(MEDIA, ordering="filename") == [c, b, a]
    assert kari.ids(MEDIA, ordering="-filename") == [a, b, c]
    assert kari.ids(MEDIA, ordering="file_size") == [a, c, b]
    assert kari.ids(MEDIA, ordering="-file_size,filename") == [b, c, a]


def test_list_media_shows_own_files_and_all_to_those_who_manage_them(client: FlaskClient) -> None:
    kari, ola, staff = Person(client), Person(client), Person(client, role="staff")
    of_kari, of_ola = create_media(kari.user), create_media(ola.user)

    assert kari.ids(MEDIA) == [of_kari]
    assert kari.ids(MEDIA, user_id=kari.id) == [of_kari]
    assert kari.ids(MEDIA, user_id=ola.id) == []
    assert kari.ids(MEDIA, user_id=10**12) == []
    assert staff.ids(MEDIA) == [of_ola, of_kari]
    assert staff.ids(MEDIA, user_id=ola.id) == [of_ola]
    assert client.get(MEDIA).status_code == 401


@pytest.mark.parametrize(
    ("query", "name", "hint"),
    [
        ({"file_type": "audio"}, "file_type", "image, jpg"),
        ({"file_type": "image,exe"}, "file_type", "“exe”"),
        ({"file_type": ""}, "file_type", "at least one"),
        ({"date_range": "2026-01-01"}, "date_range", "comma"),
        ({"date_range": ","}, "date_range", "comma"),
        ({"date_range": ""}, "date_range", "comma"),
        ({"date_range": "2026-01-01,2026-02-01,2026-03-01"}, "date_range", "comma"),
        ({"date_range": "01.01.2026,"}, "date_range", "YYYY-MM-DD"),
        ({"date_range": "2026-02-30,"}, "date_range", "YYYY-MM-DD"),
        ({"date_range": "2026-02-02,2026-02-01"}, "date_range", "after the end"),
        ({"date_start": "2026-02-02", "date_end": "2026-02-01"}, "date_start", "after the end"),
        ({"date_start": "2026-02-02", "date_range": ",2026-02-01"}, "date_range", "after the end"),
        ({"date_start": "2026-02-02", "date_range": "2026-02-01,"}, "date_range", "date_start"),
        ({"date_end": "2026-02-02", "date_range": ",2026-02-01"}, "date_range", "date_end"),
        ({"date_start": "yesterday"}, "date_start", "date"),
        ({"user_id": "me"}, "user_id", "integer"),
        ({"unused": "yes"}, "unused", "boolean"),
        ({"ordering": "size"}, "ordering", "file_size"),
        ({"search": "a b c d e f g h i j k"}, "search", "10"),
        ({"filetype": "image"}, "filetype", "file_type"),
        ({"page": "0"}, "page", "1"),
    ],
)
def test_list_media_with_a_wrong_parameter_names_it(
    client: FlaskClient, query: dict[str, str], name: str, hint: str
) -> None:
    errors = Person(client).field_errors(MEDIA, **query)
    assert list(errors) == [name]
    assert hint in errors[name][0]


@pytest.mark.parametrize("role", ["user", "admin"])
def test_list_of_100_media_with_every_filter_costs_four_statements(client: FlaskClient, role: str) -> None:
    kari = Person(client, role=role)
    for number in range(100):
        create_media(kari.user, filename=f"cabin {number}.jpg", description="Blåbær")

    query = {"file_type": "image", "date_range": "2020-01-01,2100-01-01", "user_id": kari.id, "unused": "true"}
    answer = kari.get(MEDIA, page_size=100, search="cab blå", ordering="-file_size,filename", **query)

    assert len(answer.get_json()["results"]) == 100
    assert int(answer.headers["X-DB-Queries"]) <= 4


TYPES = {"image": ("jpeg", "png"), "document": ("pdf",), "jpg": ("jpeg",), "application/pdf": ("pdf",)}
WORDS = ("cabin", "cable", "blåbær", "ærlig")
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")


@dataclass(frozen=True)
class Model:
    """A file as the model in Python knows it."""

    id: int
    owner: int
    format: str
    day: str
    size: int
    words: tuple[str, ...]
    is_used: bool


def make_world(people: list[Person]) -> list[Model]:
    """Make files of two people, always the same ones."""
    source = random.Random(7)
    world = []
    for _ in range(40):
        owner = source.choice(people)
        words = tuple(source.sample(WORDS, 2))
        values = {"format": source.choice(("jpeg", "png", "pdf")), "file_size": source.randrange(1, 6)}
        day = source.choice(DAYS)
        moment = datetime.fromisoformat(f"{day}T12:00:00+00:00")
        media = create_media(owner.user, filename=f"{words[0]}.jpg", description=words[1], upload_date=moment, **values)
        is_used = values["format"] != "pdf" and source.random() < 0.4
        if is_used:
            create_post(owner.user, featured_image_id=media)
        world.append(Model(media, owner.id, values["format"], day, values["file_size"], words, is_used))
    return world


def expected_ids(world: list[Model], viewer: int | None, query: dict[str, Any]) -> list[int]:
    """Return the ids that the list must have; ``viewer`` None sees all."""
    kinds = {kind for name in query.get("file_type", ()) for kind in TYPES[name]}

    def is_shown(media: Model) -> bool:
        start, end = query.get("date_range", ("", ""))
        checks = (
            viewer in (None, media.owner),
            not kinds or media.format in kinds,
            not start or media.day >= start,
            not end or media.day <= end,
            query.get("user_id") in (None, media.owner),
            query.get("unused") is None or media.is_used is not query["unused"],
            all(any(word.startswith(part) for word in media.words) for part in query.get("search", "").split()),
        )
        return all(checks)

    name, is_descending = query.get("ordering", "-upload_date").lstrip("-"), query.get("ordering", "-").startswith("-")
    keys = {"upload_date": lambda media: media.day, "file_size": lambda media: media.size}
    keys["filename"] = lambda media: media.words[0].replace("æ", "{").replace("å", "}")
    shown = sorted((media for media in world if is_shown(media)), key=lambda media: media.id, reverse=is_descending)
    return [media.id for media in sorted(shown, key=keys[name], reverse=is_descending)]


def test_list_media_with_any_filters_agrees_with_a_model(client: FlaskClient) -> None:
    with time_machine.travel(datetime(2026, 3, 15, 12, tzinfo=UTC), tick=False):
        kari, ola, staff = Person(client), Person(client), Person(client, role="staff")
        world = make_world([kari, ola])
        ranges = [(DAYS[1], ""), ("", DAYS[2]), (DAYS[1], DAYS[2]), (DAYS[0], DAYS[0])]
        orderings = [sign + name for name in ("upload_date", "file_size", "filename") for sign in ("", "-")]
        queries = st.fixed_dictionaries(
            {},
            optional={
                "file_type": st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=2, unique=True),
                "date_range": st.sampled_from(ranges),
                "user_id": st.sampled_from([kari.id, ola.id, staff.id]),
                "unused": st.booleans(),
                "search": st.sampled_from(["ca", "cab", "cable", "ær", "cab blå", "x"]),
                "ordering": st.sampled_from(orderings),
            },
        )

        @settings(max_examples=150, deadline=None, derandomize=True, database=None)
        @given(queries, st.booleans())
        def check(query: dict[str, Any], is_staff: bool) -> None:
            texts = {**query}
            if "date_range" in query:
                texts["date_range"] = ",".join(query["date_range"])
            if "unused" in query:
                texts["unused"] = str(query["unused"]).lower()
            viewer = staff if is_staff else kari
            assert viewer.ids(MEDIA, **texts) == expected_ids(world, None if is_staff else kari.id, query)

        check()
